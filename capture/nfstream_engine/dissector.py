"""nDPI, through the native library that comes with nfstream.

The library is imported by its own name: the package ``nfstream`` would import pandas with it, which
costs half a second and 60 MB.
"""

from __future__ import annotations

from typing import Any, Final, Self

from _lib_engine import ffi, lib
from msgspec import Struct

from capture.nfstream_engine.risks import risks_of
from topics.errors import TaplineError

DISSECTED_PACKETS: Final = 20
"""How many of a flow's first packets nDPI looks at, at most."""

_NEVER: Final = 1 << 62
_MAX_LENGTH: Final = 0xFFFF
_ffi: Final[Any] = ffi
_lib: Final[Any] = lib


class Application(Struct, frozen=True):
    """What nDPI says of a flow; absent text is ``""``."""

    name: str = ""
    category: str = ""
    server_name: str = ""
    client_fingerprint: str = ""
    server_fingerprint: str = ""
    user_agent: str = ""
    risks: tuple[str, ...] = ()


class Dissector:
    """One nDPI detection module and the state it keeps of flows.

    Flows are the opaque values :meth:`begin` returns; each is given back with :meth:`end` once.
    Not safe for several threads. Use as a context manager.
    """

    def __init__(self) -> None:
        self._module: Any = None
        self._packet: Any = None
        self._buffer: bytes = b""
        self._address: Any = None

    def __enter__(self) -> Self:
        expected = _ffi.new("struct dissector_checker *")
        expected.flow_size = _ffi.sizeof("struct ndpi_flow_struct")
        expected.flow_tcp_size = _ffi.sizeof("struct ndpi_flow_tcp_struct")
        expected.flow_udp_size = _ffi.sizeof("struct ndpi_flow_udp_struct")
        self._module = _lib.dissector_init(expected)
        if self._module == _ffi.NULL:
            raise TaplineError("nfstream's library does not fit its headers: reinstall it with `pip install nfstream`")
        _lib.dissector_configure(self._module)
        self._packet = _ffi.new("struct nf_packet *")
        return self

    def __exit__(self, *_: object) -> None:
        _lib.dissector_cleanup(self._module)
        self._module = None

    def begin(self, time: int, buffer: bytes, network: int, end: int) -> Any:
        """A new flow, by its first packet: time in milliseconds, and where its IP header begins and it ends."""
        self._fill(time, buffer, network, end)
        flow = _lib.meter_initialize_flow(self._packet, 0, 0, 0, DISSECTED_PACKETS, self._module, 0)
        if flow == _ffi.NULL:
            raise TaplineError("out of memory: capture less (a filter) or give this process more")
        return flow

    def packet(self, flow: Any, time: int, buffer: bytes, network: int, end: int) -> bool:
        """Show nDPI a further packet of a flow; True when it needs no more of them."""
        self._fill(time, buffer, network, end)
        _lib.meter_update_flow(flow, self._packet, _NEVER, _NEVER, 0, 0, 0, DISSECTED_PACKETS, self._module, 0)
        return bool(flow.detection_completed)

    def so_far(self, flow: Any) -> Application:
        """What is known of a flow that goes on being dissected."""
        # A completed detection is only collected; an open one would be closed with a guess.
        flow.detection_completed = 1
        application = self._collect(flow)
        flow.detection_completed = 0
        return application

    def end(self, flow: Any) -> Application:
        """The last word on a flow, which is freed. An unknown application is guessed by ports and addresses."""
        application = self._collect(flow)
        _lib.meter_free_flow(flow, DISSECTED_PACKETS, 0, 1)
        return application

    def _fill(self, time: int, buffer: bytes, network: int, end: int) -> None:
        if buffer is not self._buffer:
            self._buffer = buffer
            self._address = _ffi.from_buffer("uint8_t[]", buffer)
        packet = self._packet
        packet.time = time
        packet.ip_content = self._address + network
        packet.ip_content_len = min(end - network, _MAX_LENGTH)

    def _collect(self, flow: Any) -> Application:
        _lib.meter_expire_flow(flow, DISSECTED_PACKETS, self._module)
        string = _ffi.string
        return Application(
            name=string(flow.application_name).decode(errors="replace"),
            category=string(flow.category_name).decode(errors="replace"),
            server_name=string(flow.requested_server_name).decode(errors="replace"),
            client_fingerprint=string(flow.c_hash).decode(errors="replace"),
            server_fingerprint=string(flow.s_hash).decode(errors="replace"),
            user_agent=string(flow.user_agent).decode(errors="replace"),
            risks=risks_of(flow.ndpi_flow.risk),
        )
