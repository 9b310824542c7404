"""Files transferred over FTP data connections and TFTP."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from capture.tshark.assembly import Assembly, file_resource
from capture.tshark.frame import Conversation, Frame
from capture.tshark.minting import Mint
from capture.tshark.recent import Recent
from topics.records import Resource

FILTER = "ftp || ftp-data"
FIELDS = (
    "ftp.request.command",
    "ftp.request.arg",
    "ftp.passive.port",
    "ftp.epsv.port",
    "ftp.active.port",
    "ftp.eprt.port",
    "ftp-data.setup-frame",
    "ftp-data.setup-method",
)

_SETUPS = ("ftp_passive_port", "ftp_epsv_port", "ftp_active_port", "ftp_eprt_port")
_DOWNLOAD = "RETR"
_UPLOADS = ("STOR", "APPE", "STOU")
_TRANSFERS_LIMIT = 4096


class _Transfer(Struct):
    identity: str
    first: Frame
    latest: Frame
    assembly: Assembly
    sent: int = -1

    @property
    def finished(self) -> bool:
        return 0 <= self.sent <= self.assembly.size


class _Command(Struct, frozen=True):
    name: str
    argument: str


class Ftp:
    """Puts the bytes of data connections together; which file one carries was said on the control connection."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._commands: Recent[_Command] = Recent()
        self._setups: Recent[str] = Recent()
        self._transfers: Recent[_Transfer] = Recent(
            _TRANSFERS_LIMIT, lambda _: mint.counts.update({"forgotten.ftp": 1})
        )

    def read(self, frame: Frame) -> Iterator[Resource]:
        """Take what FTP the frame has; yields the file it completed."""
        if any(frame.first(key) for key in _SETUPS):
            self._setups.put(frame.stream, str(frame.number))
        command = frame.first("ftp_request_command").upper()
        if command == _DOWNLOAD or command in _UPLOADS:
            # A data connection names the frame that agreed on it, before or after the command.
            setup = self._setups.get(frame.stream)
            if setup:
                self._commands.put(setup, _Command(command, frame.first("ftp_request_arg")))
        for encoded, _ in frame.content.segment:
            yield from self._segment(frame, bytes.fromhex(encoded))

    def end(self, stream: str, port: int, sent: int) -> Iterator[Resource]:
        """The end with this port sends no more on this connection, after this many bytes."""
        transfer = self._transfers.get(stream)
        if transfer and transfer.first.conversation.source_port == port:
            transfer.sent = sent
            if transfer.finished:
                self._transfers.pop(stream)
                yield from self._finish(transfer)

    def finish(self) -> Iterator[Resource]:
        """The input has ended; what did not end before is incomplete."""
        for transfer in self._transfers.drain():
            yield from self._finish(transfer)

    def _segment(self, frame: Frame, data: bytes) -> Iterator[Resource]:
        transfer = self._transfers.get(frame.stream)
        if transfer is None:
            transfer = _Transfer(self._mint.identify(frame, "resource/file"), frame, frame, Assembly())
            self._transfers.put(frame.stream, transfer)
        transfer.latest = frame
        # tshark's relative sequence numbers begin at 1 with the first byte.
        transfer.assembly.add(max(0, int(frame.last("tcp_seq") or "1") - 1), data)
        if transfer.finished:
            self._transfers.pop(frame.stream)
            yield from self._finish(transfer)

    def _finish(self, transfer: _Transfer) -> Iterator[Resource]:
        command = self._commands.get(transfer.first.last("ftp-data_setup-frame"))
        if command is None:
            return
        name = command.argument.rpartition("/")[2]
        file = transfer.assembly.file("ftp", name, complete=transfer.finished)
        conversation = _opener_first(transfer.first, command)
        yield file_resource(transfer.latest, conversation, self._mint, file, identity=transfer.identity)


def _opener_first(frame: Frame, command: _Command) -> Conversation:
    """The data connection as it was opened: by the client when passive, by the server when active."""
    opened_by_client = "PAS" in frame.last("ftp-data_setup-method").upper()
    sent_by_client = command.name in _UPLOADS
    return frame.conversation if opened_by_client == sent_by_client else frame.conversation.reversed()
