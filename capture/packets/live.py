"""Packets of a live interface, through the libpcap inside nfstream's native library.

nfstream's own calls hide the lengths and the errors that libpcap gives, so libpcap is called
directly: the library exports it.
"""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

import _lib_engine
from cffi import FFI

from capture.packets.fanout import Fanout
from capture.packets.files import Packet
from capture.packets.interfaces import ANY, InterfaceWatch, check_interface, choices, is_interface, is_up
from capture.settings import CaptureSettings
from topics.errors import TaplineError

CLOCK: Final = -1
"""Link type of what is no packet, but says how late it is."""

_log = logging.getLogger(__name__)

_WAIT: Final = 0.2
_GRACE: Final = 1_000_000
_BLOCK_MS: Final = 100
_REST: Final = 3 * _BLOCK_MS / 1000
"""How many seconds the kernel may take to hand over the packets that it has already."""

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

    Use as a context manager, then iterate :meth:`packets`. An interface that goes away is waited for, and captured
    again when it is back. With a ``fanout`` its packets are shared with other processes.
    """

    def __init__(
        self,
        interface: str,
        settings: CaptureSettings,
        stopped: Callable[[], bool],
        fanout: Fanout | None = None,
    ) -> None:
        self._interface = interface
        self._settings = settings
        self._stopped = stopped
        self._fanout = fanout
        self._handle: Any = None
        self._since = 0
        self._dropped = self._missed = self._lost = 0
        self._watch: InterfaceWatch
        self._refused = ""

    def __enter__(self) -> Self:
        check_interface(self._interface)
        self._open()
        self._watch = InterfaceWatch(self._interface)
        _log.info("capturing on %s", self._interface)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def check(self) -> None:
        """Raise :class:`TaplineError` unless the interface can be captured with these settings."""
        check_interface(self._interface)
        self._open()
        self._close()

    def packets(self) -> Iterator[Packet]:
        """Every packet; in between, with link type :data:`CLOCK`, the time up to which all have come."""
        while not self._stopped():
            if self._handle is None and not self._open_again():
                time.sleep(_WAIT)
                yield time.time_ns() // 1000 - _GRACE, 0, CLOCK, b"", 0, 0
                continue
            yield from self._read()

    def _read(self) -> Iterator[Packet]:
        """What comes until the interface goes away or the capture is stopped, to the last packet of it."""
        handle, link, since = self._handle, _pcap.pcap_datalink(self._handle), self._since
        descriptor = _pcap.pcap_get_selectable_fd(handle)
        header, data = _ffi.new("struct pcap_pkthdr **"), _ffi.new("const uint8_t **")
        next_ex, buffer = _pcap.pcap_next_ex, _ffi.buffer
        last = 0.0
        while not last or time.monotonic() < last:
            for _ in range(_BURST):
                status = next_ex(handle, header, data)
                if status != 1:
                    break
                about = header[0]
                moment, captured = about.tv_sec * 1_000_000 + about.tv_usec, about.caplen
                if moment < since:
                    continue
                packet = bytes(buffer(data[0], captured))
                yield moment, about.len, link, packet, 0, captured
            if last:
                time.sleep(_BLOCK_MS / 1000)
            elif status < 0 or self._stopped():
                last = time.monotonic() + _REST
            elif status == 0:
                select.select([descriptor], [], [], _WAIT)
                # An interface that is only down gives no error, and its packets again when it is up.
                if is_interface(self._interface):
                    self._watch.look(there=is_up(self._interface))
                yield time.time_ns() // 1000 - _GRACE, 0, CLOCK, b"", 0, 0
        if not self._stopped():
            self._close()
            self._watch.look(there=False)

    def dropped(self) -> int:
        """How many packets the kernel and the interface have dropped since this was asked last."""
        news, self._lost = self._lost + self._newly_dropped(), 0
        return news

    def losses(self) -> int:
        """How often the interface went away since this was asked last."""
        news, self._watch.losses = self._watch.losses, 0
        return news

    def _newly_dropped(self) -> int:
        statistics = _ffi.new("struct pcap_stat *")
        if self._handle is None or _pcap.pcap_stats(self._handle, statistics) < 0:
            return 0
        dropped, missed = int(statistics.ps_drop), int(statistics.ps_ifdrop)
        # The kernel's counter has 32 bits; the interface's is gone with it.
        news = (dropped - self._dropped) % (1 << 32) + max(0, missed - self._missed)
        self._dropped, self._missed = dropped, missed
        return news

    def _open(self) -> None:
        text = _ffi.new("char[256]")
        handle = _pcap.pcap_create(self._interface.encode(), text)
        if handle == _ffi.NULL:
            raise TaplineError(f"cannot capture on {self._interface}: {_text(text)}")
        self._handle = handle
        try:
            _pcap.pcap_set_snaplen(handle, self._settings.snaplen)
            _pcap.pcap_set_promisc(handle, int(self._settings.promiscuous and self._interface != ANY))
            _pcap.pcap_set_timeout(handle, _BLOCK_MS)
            _pcap.pcap_set_buffer_size(handle, _BUFFER)
            self._check(_pcap.pcap_activate(handle))
            if self._settings.filter:
                self._set_filter()
            self._check(_pcap.pcap_setnonblock(handle, 1, text))
            if self._fanout is not None:
                self._fanout.join(_pcap.pcap_get_selectable_fd(handle))
                # What came before is of another member, which had it all until now.
                self._since = time.time_ns() // 1000
        except TaplineError:
            self._close()
            raise
        self._dropped = self._missed = 0

    def _open_again(self) -> bool:
        """Whether the interface is there and captured again; a new reason why not is logged once."""
        if not is_up(self._interface):
            return False
        try:
            self._open()
        except TaplineError as problem:
            if str(problem) != self._refused:
                self._refused = str(problem)
                _log.warning("%s", problem)
            return False
        self._refused = ""
        self._watch.look(there=True)
        return True

    def _close(self) -> None:
        if self._handle is not None:
            self._lost += self._newly_dropped()
            _pcap.pcap_close(self._handle)
            self._handle = None

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
                f"no permission to capture on {name}: run as root, or with the capability CAP_NET_RAW "
                "(systemd: AmbientCapabilities=CAP_NET_RAW)"
            )
        if status == _NO_SUCH_DEVICE:
            return f"interface {name} does not exist: {choices()}"
        if status == _NOT_UP:
            return f"interface {name} is down: bring it up with `ip link set {name} up`"
        detail = _text(_pcap.pcap_geterr(self._handle)) or _text(_pcap.pcap_statustostr(status))
        return f"cannot capture on {name}: {detail}"


def _text(value: Any) -> str:
    return str(_ffi.string(value), errors="replace")
