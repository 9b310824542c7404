"""Files transferred over TFTP (RFC 1350, options RFC 2347, block size RFC 2348)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from capture.tshark.assembly import Assembly, file_resource
from capture.tshark.frame import Frame
from capture.tshark.minting import Mint
from capture.tshark.recent import Recent
from topics.records import Resource

FILTER = "tftp"
FIELDS = ("tftp.block.full",)

_READ, _WRITE, _DATA, _OPTIONS = 1, 2, 3, 6
_BLOCK_SIZE = 512
_TRANSFERS_LIMIT = 4096


class _Request(Struct):
    name: str
    is_read: bool
    block_size: int = _BLOCK_SIZE


class _Transfer(Struct):
    identity: str
    latest: Frame
    assembly: Assembly
    request: _Request
    size: int = -1

    @property
    def finished(self) -> bool:
        return 0 <= self.size <= self.assembly.size


class Tftp:
    """Puts the blocks of transfers together; the first block shorter than the others is the last."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        # By the client's address and port, which the request and the transfer have in common.
        self._requests: Recent[_Request] = Recent()
        self._transfers: Recent[_Transfer] = Recent(
            _TRANSFERS_LIMIT, lambda _: mint.counts.update({"forgotten.tftp": 1})
        )

    def read(self, frame: Frame) -> Iterator[Resource]:
        """Take the TFTP of a frame; yields the file it completed."""
        for encoded, _ in frame.content.tftp:
            message = bytes.fromhex(encoded)
            kind = int.from_bytes(message[:2], "big")
            if kind in (_READ, _WRITE):
                name = message[2:].partition(b"\0")[0].decode("utf-8", "replace")
                self._requests.put(_sender(frame), _Request(name.replace("\\", "/").rpartition("/")[2], kind == _READ))
            elif kind == _OPTIONS:
                self._options(frame, message[2:].split(b"\0"))
            elif kind == _DATA and len(message) >= 4:
                yield from self._block(frame, message)

    def finish(self) -> Iterator[Resource]:
        """The input has ended; what did not end before is incomplete."""
        for transfer in self._transfers.drain():
            yield self._finish(transfer)

    def _options(self, frame: Frame, words: list[bytes]) -> None:
        request = self._requests.get(_receiver(frame))
        for name, value in zip(words[::2], words[1::2], strict=False):
            if request and name.lower() == b"blksize" and value.isdigit():
                request.block_size = int(value) or _BLOCK_SIZE

    def _block(self, frame: Frame, message: bytes) -> Iterator[Resource]:
        request = self._requests.get(_receiver(frame)) or self._requests.get(_sender(frame))
        if request is None:
            self._mint.counts["skipped.tftp-without-request"] += 1
            return
        # tshark counts on where the number on the wire, of 16 bits, begins again.
        block = int(frame.first("tftp_block_full") or int.from_bytes(message[2:4], "big"))
        data = message[4:]
        if block < 1:
            return
        transfer = self._transfers.get(frame.stream)
        if transfer is None:
            identity = self._mint.identify(frame, "resource/file")
            transfer = _Transfer(identity, frame, Assembly(), request)
            self._transfers.put(frame.stream, transfer)
        transfer.latest = frame
        offset = (block - 1) * request.block_size
        transfer.assembly.add(offset, data)
        if len(data) < request.block_size:
            transfer.size = offset + len(data)
        if transfer.finished:
            self._transfers.pop(frame.stream)
            yield self._finish(transfer)

    def _finish(self, transfer: _Transfer) -> Resource:
        frame, request = transfer.latest, transfer.request
        file = transfer.assembly.file("tftp", request.name, complete=transfer.finished)
        # The server answers a request from a new port, so this conversation begins with the server.
        conversation = frame.conversation if request.is_read else frame.conversation.reversed()
        return file_resource(frame, conversation, self._mint, file, identity=transfer.identity)


def _sender(frame: Frame) -> str:
    return f"{frame.conversation.source_ip} {frame.conversation.source_port}"


def _receiver(frame: Frame) -> str:
    return f"{frame.conversation.destination_ip} {frame.conversation.destination_port}"
