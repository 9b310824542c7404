"""Packets of a live interface, through the libpcap inside nfstream's native library.

nfstream's own calls hide the lengths and the errors that libpcap gives, so libpcap is called
directly: the library exports it.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

import _lib_engine
from cffi import FFI

from capture.packets.files import Packet
from capture.settings import CaptureSettings
from topics.errors import TaplineError

CLOCK: Final = -1
"""Link type of what is no packet, but says how late it is."""

ANY: Final = "any"
"""The name that stands for all interfaces."""

_WAIT: Final = 0.2
_GRACE: Final = 1_000_000
_BLOCK_MS: Final = 100
_BUFFER: Final = 32 * 1024 * 1024
_BURST: Final = 4096
_NO_SUCH_DEVICE, _PERMISSION, _NOT_UP, _PROMISCUOUS_PERMISSION = -5, -8, -9, -11

_ffi = FFI()
_ffi.cdef(
    """
    typedef struct pcap pcap_t;
    struct pcap_pkthdr { long tv_sec; long tv_usec; uint32_t caplen; uint32_t len; };
    struct pcap_stat { unsigned ps_recv; unsigned ps_drop; unsigned ps_ifdrop; };
    struct bpf_program { unsigned bf_len; void *bf_insns; };
    pcap_t *pcap_create(const char *, char *);
    int pcap_set_snaplen(pcap_t *, int);
    int pcap_set_promisc(pcap_t *, int);
    int pcap_set_timeout(pcap_t *, int);
    int pcap_set_buffer_size(pcap_t *, int);
    int pcap_activate(pcap_t *);
    int pcap_setnonblock(pcap_t *, int, char *);
    int pcap_get_selectable_fd(pcap_t *);
    int pcap_datalink(pcap_t *);
    int pcap_compile(pcap_t *, struct bpf_program *, const char *, int, uint32_t);
    int pcap_setfilter(pcap_t *, struct bpf_program *);
    void pcap_freecode(struct bpf_program *);
    int pcap_next_ex(pcap_t *, struct pcap_pkthdr **, const uint8_t **);
    int pcap_stats(pcap_t *, struct pcap_stat *);
    char *pcap_geterr(pcap_t *);
    const char *pcap_statustostr(int);
    void pcap_close(pcap_t *);
    """
)
_pcap: Final[Any] = _ffi.dlopen(_lib_engine.__file__)


class LiveCapture:
    """The packets of an interface, as the kernel sees them, until ``stopped`` says so.

    Use as a context manager, then iterate :meth:`packets`. When the capture ends by itself
    ``problem`` says why in one line.
    """

    def __init__(self, interface: str, settings: CaptureSettings, stopped: Callable[[], bool]) -> None:
        self.problem = ""
        self._interface = interface
        self._settings = settings
        self._stopped = stopped
        self._handle: Any = None
        self._dropped = 0

    def __enter__(self) -> Self:
        check_interface(self._interface)
        text = _ffi.new("char[256]")
        self._handle = handle = _pcap.pcap_create(self._interface.encode(), text)
        if handle == _ffi.NULL:
            raise TaplineError(f"cannot capture on {self._interface}: {_text(text)}")
        try:
            _pcap.pcap_set_snaplen(handle, self._settings.snaplen)
            _pcap.pcap_set_promisc(handle, int(self._settings.promiscuous and self._interface != ANY))
            _pcap.pcap_set_timeout(handle, _BLOCK_MS)
            _pcap.pcap_set_buffer_size(handle, _BUFFER)
            status = _pcap.pcap_activate(handle)
            self._check(status)
            if self._settings.filter:
                self._set_filter()
            self._check(_pcap.pcap_setnonblock(handle, 1, text))
        except TaplineError:
            _pcap.pcap_close(handle)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _pcap.pcap_close(self._handle)
        self._handle = None

    def packets(self) -> Iterator[Packet]:
        """Every packet; in between, with link type :data:`CLOCK`, the time up to which all have come."""
        handle, link = self._handle, _pcap.pcap_datalink(self._handle)
        descriptor = _pcap.pcap_get_selectable_fd(handle)
        header, data = _ffi.new("struct pcap_pkthdr **"), _ffi.new("const uint8_t **")
        next_ex, buffer = _pcap.pcap_next_ex, _ffi.buffer
        while not self._stopped():
            for _ in range(_BURST):
                status = next_ex(handle, header, data)
                if status != 1:
                    break
                about = header[0]
                captured = about.caplen
                packet = bytes(buffer(data[0], captured))
                yield about.tv_sec * 1_000_000 + about.tv_usec, about.len, link, packet, 0, captured
            if status < 0:
                self.problem = (
                    f"capture on {self._interface} ended ({_text(_pcap.pcap_geterr(handle))}): "
                    "bring the interface up and start again"
                )
                return
            if status == 0:
                select.select([descriptor], [], [], _WAIT)
                yield time.time_ns() // 1000 - _GRACE, 0, CLOCK, b"", 0, 0

    def dropped(self) -> int:
        """How many packets the kernel and the interface have dropped since this was asked last."""
        statistics = _ffi.new("struct pcap_stat *")
        if _pcap.pcap_stats(self._handle, statistics) < 0:
            return 0
        total = statistics.ps_drop + statistics.ps_ifdrop
        # The kernel's counters have 32 bits.
        news: int = (total - self._dropped) % (1 << 32)
        self._dropped = total
        return news

    def _set_filter(self) -> None:
        program = _ffi.new("struct bpf_program *")
        text = self._settings.filter
        if _pcap.pcap_compile(self._handle, program, text.encode(), 1, 0xFFFFFFFF) < 0:
            raise TaplineError(f"the filter {text!r} is not BPF syntax ({_text(_pcap.pcap_geterr(self._handle))})")
        try:
            if _pcap.pcap_setfilter(self._handle, program) < 0:
                raise TaplineError(f"the filter {text!r} cannot be set: {_text(_pcap.pcap_geterr(self._handle))}")
        finally:
            _pcap.pcap_freecode(program)

    def _check(self, status: int) -> None:
        if status < 0:
            raise TaplineError(self._why(status))

    def _why(self, status: int) -> str:
        name = self._interface
        if status in {_PERMISSION, _PROMISCUOUS_PERMISSION}:
            return (
                f"no permission to capture on {name}: run as root, or give the Python interpreter the "
                "capabilities cap_net_raw and cap_net_admin"
            )
        if status == _NO_SUCH_DEVICE:
            return f"interface {name} does not exist: {_choices()}"
        if status == _NOT_UP:
            return f"interface {name} is down: bring it up with `ip link set {name} up`"
        detail = _text(_pcap.pcap_geterr(self._handle)) or _text(_pcap.pcap_statustostr(status))
        return f"cannot capture on {name}: {detail}"


def is_interface(name: str) -> bool:
    """True when this machine has an interface of this name."""
    return name == ANY or any(name == interface for _, interface in socket.if_nameindex())


def check_interface(name: str) -> None:
    """Raise :class:`TaplineError` naming the interfaces there are, unless this is one."""
    if not is_interface(name):
        raise TaplineError(f"interface {name} does not exist: {_choices()}")


def _choices() -> str:
    return "choose " + ", ".join([name for _, name in socket.if_nameindex()] + [ANY])


def _text(value: Any) -> str:
    return str(_ffi.string(value), errors="replace")
