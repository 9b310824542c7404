"""Which version of SMB a connection speaks ([MS-SMB2] 2.2.4, [MS-CIFS] 2.2.4.52)."""

from __future__ import annotations

from collections.abc import Iterator

from capture.tshark.frame import Conversation, Frame
from capture.tshark.minting import Mint
from capture.tshark.recent import Recent
from topics.records import Resource, Smb

FILTER = "smb2.cmd == 0 || smb.cmd == 0x72"
FIELDS = (
    "smb.dialect.name",
    "smb.dialect.index",
    "smb.sm.sig_required",
    "smb2.cmd",
    "smb2.flags.response",
    "smb2.dialect",
    "smb2.sec_mode.sign_required",
)

DIALECTS = {
    0x0202: "2.0.2", 0x0210: "2.1", 0x0222: "2.2.2", 0x0224: "2.2.4", 0x0300: "3.0", 0x0302: "3.0.2",
    0x0310: "3.1.0", 0x0311: "3.1.1",
}  # fmt: skip

_NEGOTIATE, _NEGOTIATE_1 = "0", "0x72"
_ANOTHER_ROUND = 0x02FF
"""A server that was asked in SMB 1 answers so that it wants to be asked again in SMB 2."""

_YES = "1"


class SmbVersions:
    """Tells once a connection which SMB it speaks: by what its server chose, else by the messages themselves."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._offered: Recent[list[str]] = Recent()
        self._told: Recent[Smb] = Recent()

    def read(self, frame: Frame) -> Iterator[Resource]:
        """The version, where this frame is the first to tell it."""
        if self._told.get(frame.stream):
            return
        smb = self._smb2(frame) if frame.first("smb2_cmd") else self._smb1(frame)
        if smb is not None:
            self._told.put(frame.stream, smb)
            label = f"SMB {smb.dialect or smb.version}"
            conversation = _client_first(frame)
            yield self._mint.resource(frame, conversation, "smb", uri=smb.dialect, label=label, smb=smb)

    def _smb2(self, frame: Frame) -> Smb | None:
        if _NEGOTIATE not in frame.all("smb2_cmd"):
            return Smb(version="2")
        if frame.first("smb2_flags_response") != _YES:
            return None
        number = int(frame.first("smb2_dialect") or "0", 0)
        if number in {0, _ANOTHER_ROUND}:
            return None
        dialect = DIALECTS.get(number) or f"0x{number:04x}"
        return Smb(
            version="3" if number >= 0x0300 else "2",
            dialect=dialect,
            signing_required=frame.first("smb2_sec_mode_sign_required") == _YES,
        )

    def _smb1(self, frame: Frame) -> Smb | None:
        if _NEGOTIATE_1 not in frame.all("smb_cmd"):
            return Smb(version="1")
        if frame.first("smb_flags_response") != _YES:
            self._offered.put(frame.stream, frame.all("smb_dialect_name"))
            return None
        chosen = frame.first("smb_dialect_index")
        if not chosen:
            return None
        offered = self._offered.pop(frame.stream) or []
        index = int(chosen, 0)
        # None of those offered is told by an index of all ones.
        if index == 0xFFFF:
            return None
        dialect = offered[index] if index < len(offered) else ""
        return Smb(version="1", dialect=dialect, signing_required=frame.first("smb_sm_sig_required") == _YES)


def _client_first(frame: Frame) -> Conversation:
    from_server = _YES in (frame.first("smb_flags_response"), frame.first("smb2_flags_response"))
    return frame.conversation.reversed() if from_server else frame.conversation
