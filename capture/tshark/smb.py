"""Files read and written over SMB 1, 2 and 3 in clear."""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from struct import unpack_from

from msgspec import Struct

from capture.tshark.assembly import Assembly, file_resource
from capture.tshark.frame import Conversation, Frame
from capture.tshark.minting import Mint
from capture.tshark.recent import Recent
from topics.records import Resource

FILTER = "smb2.cmd in {5, 6, 8, 9} || smb.file_data || smb.cmd == 0x04"
FIELDS = (
    "smb.cmd",
    "smb.flags.response",
    "smb.fid",
    "smb.file",
    "smb.file.rw.offset",
    "smb.end_of_file",
)

_OPEN_LIMIT = 16384
_HEADER = 64
_CREATE, _CLOSE, _READ, _WRITE = 5, 6, 8, 9
_RESPONSE = 0x1
_PENDING, _OVERFLOW = 0x00000103, 0x80000005
_RELATED = "f" * 32
"""A handle of all ones means that of the command before in the same message."""

_SMB1_CLOSE = "0x04"


class _Handle(Struct):
    """An open file: its name, its size if told, and what has been read from it and written to it."""

    name: str
    size: int = -1
    read: _Transfer | None = None
    written: _Transfer | None = None


class _Transfer(Struct):
    identity: str
    latest: Frame
    conversation: Conversation
    assembly: Assembly


class _Request(Struct, frozen=True):
    """What a response does not repeat of its request."""

    handle: str
    offset: int = 0


class Smb:
    """Puts together what is read from and written to open files; a file is reported when it is closed.

    A handle that moved no content is none: pipes, folders and files looked at are not reported.
    """

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._handles: Recent[_Handle] = Recent(_OPEN_LIMIT, self._forgotten)
        self._requests: Recent[_Request] = Recent(_OPEN_LIMIT)
        # The handle that the response to an opening request told.
        self._known: Recent[str] = Recent(_OPEN_LIMIT)

    def read(self, frame: Frame) -> Iterator[Resource]:
        """Take the SMB of a frame; yields the files it closed."""
        handle = ""
        for encoded, _ in frame.content.smb2:
            unit = bytes.fromhex(encoded)
            try:
                handle = yield from self._smb2(frame, unit, handle)
            except (struct.error, UnicodeDecodeError):
                self._mint.counts["malformed.smb2"] += 1
        if frame.first("smb_cmd"):
            yield from self._smb1(frame)

    def finish(self) -> Iterator[Resource]:
        """The input has ended: report what is still open."""
        for handle in self._handles.drain():
            yield from self._files(handle)

    def _forgotten(self, handle: _Handle) -> None:
        if handle.read or handle.written:
            self._mint.counts["forgotten.smb"] += 1

    def _smb2(self, frame: Frame, unit: bytes, previous: str) -> Generator[Resource, None, str]:
        """Take one command; returns the handle it is about, for one compounded with it ([MS-SMB2] 2.2)."""
        status, command, _, flags, following, number = unpack_from("<IHHIIQ", unit, 8)
        request_key = f"{frame.stream}#{number}"
        handle = ""
        if not flags & _RESPONSE:
            handle = self._request(frame, unit, command, request_key, previous)
        elif status != _PENDING and (request := self._requests.pop(request_key)):
            yield from self._response(frame, unit, command, status, request)
        return handle if following else ""

    def _request(self, frame: Frame, unit: bytes, command: int, request_key: str, previous: str) -> str:
        """Take a request; returns the handle it is about."""
        if command == _CREATE:
            offset, length = unpack_from("<HH", unit, _HEADER + 44)
            # Until the response tells the handle, the request stands for it.
            self._handles.put(request_key, _Handle(unit[offset : offset + length].decode("utf-16-le")))
            self._requests.put(request_key, _Request(request_key))
            return request_key
        at = {_CLOSE: 8, _READ: 16, _WRITE: 16}.get(command)
        if at is None:
            return previous
        identity = unit[_HEADER + at : _HEADER + at + 16].hex()
        if len(identity) < len(_RELATED):
            raise struct.error
        handle = previous if identity == _RELATED else f"{frame.stream}/{identity}"
        if command == _CLOSE:
            self._requests.put(request_key, _Request(handle))
        elif command == _READ:
            self._requests.put(request_key, _Request(handle, unpack_from("<Q", unit, _HEADER + 8)[0]))
        else:
            start, length, offset = unpack_from("<HIQ", unit, _HEADER + 2)
            self._piece(frame, frame.conversation, handle, "written", offset, unit[start : start + length])
        return handle

    def _response(self, frame: Frame, unit: bytes, command: int, status: int, request: _Request) -> Iterator[Resource]:
        handle = self._known.get(request.handle) or request.handle
        if command == _CREATE:
            opened = self._handles.pop(request.handle)
            if opened and status == 0:
                opened.size = unpack_from("<Q", unit, _HEADER + 48)[0]
                handle = f"{frame.stream}/{unit[_HEADER + 64 : _HEADER + 80].hex()}"
                self._known.put(request.handle, handle)
                self._handles.put(handle, opened)
        elif command == _CLOSE:
            closed = self._handles.pop(handle)
            if closed:
                yield from self._files(closed)
        elif command == _READ and status in (0, _OVERFLOW):
            start, length = unpack_from("<BxI", unit, _HEADER + 2)
            data = unit[start : start + length]
            self._piece(frame, frame.conversation.reversed(), handle, "read", request.offset, data)

    def _smb1(self, frame: Frame) -> Iterator[Resource]:
        """Handle, name and offset of each piece are told by tshark itself."""
        from_server = frame.first("smb_flags_response") == "1"
        conversation = frame.conversation.reversed() if from_server else frame.conversation
        handles, data = frame.all("smb_fid"), frame.content.smb
        offsets, names = frame.all("smb_file_rw_offset"), frame.all("smb_file")
        if data and not len(handles) == len(offsets) == len(data):
            self._mint.counts["unpaired.smb"] += 1
        direction = "read" if from_server else "written"
        for index, (handle, offset, (piece, _)) in enumerate(zip(handles, offsets, data, strict=False)):
            key = f"{frame.stream}/{handle}"
            if self._handles.get(key) is None:
                self._handles.put(key, _Handle(names[index] if index < len(names) else ""))
            self._piece(frame, conversation, key, direction, int(offset), bytes.fromhex(piece))
        if not from_server and _SMB1_CLOSE in frame.all("smb_cmd") and handles:
            closed = self._handles.pop(f"{frame.stream}/{handles[-1]}")
            if closed:
                yield from self._files(closed)

    def _piece(
        self, frame: Frame, conversation: Conversation, key: str, direction: str, offset: int, data: bytes
    ) -> None:
        if not data:
            return
        handle = self._handles.get(key)
        if handle is None:
            handle = _Handle("")
            self._handles.put(key, handle)
        transfer = handle.read if direction == "read" else handle.written
        if transfer is None:
            transfer = _Transfer(self._mint.identify(frame, "resource/file"), frame, conversation, Assembly())
            if direction == "read":
                handle.read = transfer
            else:
                handle.written = transfer
        transfer.latest = frame
        transfer.assembly.add(offset, data)

    def _files(self, handle: _Handle) -> Iterator[Resource]:
        name = handle.name.replace("\\", "/").rpartition("/")[2]
        for transfer, size in ((handle.read, handle.size), (handle.written, -1)):
            if transfer is None:
                continue
            assembly = transfer.assembly
            file = assembly.file("smb", name, complete=size < 0 or assembly.size == size)
            yield file_resource(transfer.latest, transfer.conversation, self._mint, file, identity=transfer.identity)
