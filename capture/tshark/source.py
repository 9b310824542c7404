"""The tshark engine: a source of resources and documents."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

import msgspec

from capture.packets.interfaces import is_up
from capture.settings import CaptureSettings
from capture.source import LIVE, CutShort, Observation, Sink, window_of
from capture.tshark import dns, logins, mail
from capture.tshark.command import SCRIPT, file_command, live_commands
from capture.tshark.frame import NO_CONTENT, Content, Frame, Unusable, conversation_of, microseconds
from capture.tshark.ftp import Ftp
from capture.tshark.http import Http1
from capture.tshark.http2 import Http2
from capture.tshark.logins import HttpLogins, Logins
from capture.tshark.minting import Mint
from capture.tshark.process import Pipeline, reason_of
from capture.tshark.program import Program, find_tshark
from capture.tshark.renewing import RenewedPipeline
from capture.tshark.smb import Smb
from capture.tshark.smb_versions import SmbVersions
from capture.tshark.ssh import Greetings
from capture.tshark.tftp import Tftp
from capture.tshark.tls import Handshakes
from topics.catalog import DOCUMENT, RESOURCE
from topics.errors import TaplineError
from topics.records import WINDOW_SECONDS, Document, Resource

_log = logging.getLogger(__name__)

NAME: Final = "tshark"

_FRAMES: Final = 1 << 40
"""More frames than a tshark sees."""

_TICK_SECONDS: Final = 1.0
GRACE: Final = 5_000_000
"""How many microseconds a live frame may take to come out of tshark and still count in its own window."""

PERMISSION_HINT: Final = " Run as root, or: setcap cap_net_raw,cap_net_admin=ep $(command -v dumpcap)"
_LOGIN_LAYERS: Final = frozenset(name.replace(".", "_") for name in (*logins.FIELDS, "ftp.request.command"))
_INDEX_LINE: Final = b'{"index":'
CUT_SHORT: Final = re.compile(r"cut short|damaged or corrupt|corrupted data")
"""What tshark says of a file that is damaged or ends early."""

DROPPED: Final = re.compile(r"Packets received/dropped on interface .*: \d+/(\d+)")
"""What dumpcap says at its end of the packets that it did not get."""

_AWAY = re.compile(r"no longer (attached|running)")


class _Line(Content, frozen=True):
    """Any line that comes out of tshark: its own with ``layers``, or one of the tap script's with ``tapline``."""

    layers: dict[str, list[str]] | None = None
    tapline: str = ""
    window: int = 0
    stream: int = 0
    port: int = 0
    sent: int = 0


class TsharkSource:
    """Reads an input with tshark and makes resources and documents of what it carries.

    Event time is the frame's time. A frame that goes back behind a window already left puts its
    records into the latest window. Tunnels: a record belongs to the flow that the flow engine sees
    (see :mod:`capture.tshark.frame`).

    A tshark keeps state about every conversation it has seen: a file's is bounded by the file, a live one is
    followed by another when it holds too much (:mod:`capture.tshark.renewing`). What a connection carries across
    that moment may be missed; ``renewals`` counts them.
    """

    def __init__(self, observation: Observation, path_or_interface: str, settings: CaptureSettings) -> None:
        self._observation = observation
        self._input = path_or_interface
        self._settings = settings
        self._live = observation.stream == LIVE
        self._tunnels = settings.tunnels == "inner"
        self._lock = threading.Lock()
        self._pipeline: Pipeline | RenewedPipeline | None = None
        self._stopped = threading.Event()
        self._over = threading.Event()
        self._window = -1
        self._mint = Mint(observation)
        self._counts = self._mint.counts
        self._begin()
        self._expect_script = False
        self._scripted = False

    @property
    def name(self) -> str:
        """``tshark``."""
        return NAME

    def run(self, sink: Sink) -> None:
        program = find_tshark()
        if program is None:
            raise TaplineError("tshark is not installed: install it, or capture with depth light")
        if not program.lua:
            _log.warning("this tshark has no Lua: no URLs of HTTP/1, no mails, no files but those of SMB 1 and TFTP")
        ticker = self._ticker(sink)
        try:
            while self._read_input(sink, program):
                _log.warning("dumpcap has ended with interface %s: it is started again when that is back", self._input)
                while not self._stopped.is_set() and not is_up(self._input):
                    self._stopped.wait(_TICK_SECONDS / 5)
                self._mint.base += _FRAMES
                self._begin()
        finally:
            self._over.set()
            if ticker:
                ticker.join()

    def _read_input(self, sink: Sink, program: Program) -> bool:
        """Read to the end of the input; True when that is only the interface's, which may come back."""
        self._expect_script, self._scripted = program.lua, False
        commands = self._commands(program)
        pipeline = RenewedPipeline(commands, partial(self._renew, sink)) if self._live else Pipeline(commands)
        self._pipeline = pipeline
        if self._stopped.is_set():
            pipeline.stop()
        with pipeline:
            for line in pipeline.lines():
                if self._stopped.is_set() and self._observation.is_file:
                    return False
                self._line(sink, line)
            endings = pipeline.finish()
        if self._stopped.is_set() and self._observation.is_file:
            return False
        self._end(sink)
        try:
            return self._judge(endings)
        finally:
            self._report(sink)

    def _begin(self) -> None:
        """Know of no conversation."""
        http_logins = HttpLogins(self._mint)
        self._http = Http1(self._mint, http_logins)
        self._http2 = Http2(self._mint, http_logins)
        self._logins = Logins(self._mint)
        self._ssh = Greetings(self._mint)
        self._tls = Handshakes(self._mint)
        self._ftp = Ftp(self._mint)
        self._tftp = Tftp(self._mint)
        self._smb = Smb(self._mint)
        self._smb_versions = SmbVersions(self._mint)
        self._content: Content = NO_CONTENT

    def _renew(self, sink: Sink, said: list[str]) -> None:
        """Another tshark begins; ``said`` is what the dumpcap of the one before has said."""
        self._end(sink)
        self._note_missed(said)
        self._mint.base += _FRAMES
        self._begin()
        self._counts["renewals"] += 1
        self._report(sink)

    def _end(self, sink: Sink) -> None:
        for reader in (self._ftp, self._tftp, self._smb):
            self._put(sink, reader.finish())

    def stop(self) -> None:
        self._stopped.set()
        if self._pipeline:
            self._pipeline.stop()

    def _commands(self, program: Program) -> list[list[str]]:
        if self._live:
            return live_commands(program, self._input, self._settings)
        return [file_command(program, self._input, buffered=self._observation.is_file)]

    def _line(self, sink: Sink, line: bytes) -> None:
        if line.startswith(_INDEX_LINE):
            return
        try:
            news = _decoder.decode(line)
        except msgspec.DecodeError:
            self._counts["malformed.line"] += 1
            return
        if news.layers is not None:
            self._put(sink, self._records(news.layers))
        elif news.tapline == "content":
            self._content = news
        elif news.tapline == "window":
            self._scripted = True
            self._enter(sink, news.window)
            self._report(sink)
        elif news.tapline == "end":
            self._put(sink, self._ftp.end(f"tcp{news.stream}", news.port, news.sent))

    def _records(self, layers: dict[str, list[str]]) -> Iterator[Resource | Document]:
        self._counts["frames"] += 1
        if self._expect_script and not self._scripted:
            self._expect_script = False
            self._counts["failed.script"] += 1
            _log.warning("tshark does not run the script %s: no URLs, and few files", SCRIPT)
        try:
            number = int(layers["frame_number"][0])
            content = self._content if self._content.frame == number else NO_CONTENT
            moment = microseconds(layers["frame_time_epoch"][0])
            conversation = conversation_of(layers, tunnels=self._tunnels)
            frame = Frame(number, moment, layers, conversation, content)
            yield from self._read(frame)
        except Unusable as reason:
            self._counts[f"skipped.{reason}"] += 1
        except (ValueError, LookupError, TypeError, OverflowError) as error:
            self._counts["malformed.frame"] += 1
            _log.debug("frame %s: %r", layers.get("frame_number"), error)

    def _read(self, frame: Frame) -> Iterator[Resource | Document]:
        layers, content = frame.layers, frame.content
        if "dns_flags" in layers:
            yield from dns.read(frame, self._mint)
        if content.http:
            yield from self._http.read(frame)
        if "http2_type" in layers:
            yield from self._http2.read(frame)
        if "tls_handshake_type" in layers or "dtls_handshake_type" in layers:
            yield from self._tls.read(frame)
        if content.mail:
            yield from mail.read(frame, self._mint)
        if content.segment or "ftp" in frame.protocols:
            yield from self._ftp.read(frame)
        if content.tftp:
            yield from self._tftp.read(frame)
        if content.smb2 or "smb_cmd" in layers:
            yield from self._smb.read(frame)
        if "smb2_cmd" in layers or "smb_cmd" in layers:
            yield from self._smb_versions.read(frame)
        if "ssh_direction" in layers:
            yield from self._ssh.read(frame)
        if not _LOGIN_LAYERS.isdisjoint(layers):
            yield from self._logins.read(frame)

    def _put(self, sink: Sink, records: Iterable[Resource | Document]) -> None:
        for record in records:
            topic = DOCUMENT if isinstance(record, Document) else RESOURCE
            window = window_of(record.time)
            self._enter(sink, window)
            with self._lock:
                sink.put(topic, record.community_id, record, max(window, self._window))

    def _enter(self, sink: Sink, window: int) -> None:
        """Event time has come to this window: the ones before it are over."""
        with self._lock:
            if window <= self._window:
                return
            self._window = window
            sink.advance(NAME, window - WINDOW_SECONDS)

    def _report(self, sink: Sink) -> None:
        counts = dict(self._counts)
        self._counts.clear()
        for counter, amount in counts.items():
            sink.count(NAME, counter, amount)

    def _ticker(self, sink: Sink) -> threading.Thread | None:
        """Live, windows end by the clock too: frames that carry nothing for this engine are not printed."""
        if not self._live:
            return None

        def tick() -> None:
            while not self._over.wait(_TICK_SECONDS):
                self._enter(sink, window_of(time.time_ns() // 1000 - GRACE))

        ticker = threading.Thread(target=tick, name="tshark-windows", daemon=True)
        ticker.start()
        return ticker

    def _note_missed(self, said: list[str]) -> None:
        for line in said:
            # Not "dropped": those are the packets that flows lack.
            if (missed := DROPPED.search(line)) and missed[1] != "0":
                self._counts["missed.kernel"] += int(missed[1])

    def _judge(self, endings: list[tuple[int, list[str]]]) -> bool:
        """Raise what the ends of the processes mean, unless it is well or (True) the interface went away."""
        self._note_missed(endings[0][1])
        away = self._live and any(_AWAY.search(line) for line in endings[0][1])
        if away and not self._stopped.is_set():
            self._counts["interface_losses"] += 1
            return True
        for code, said in endings:
            if code == 0 or self._stopped.is_set():
                continue
            reason = reason_of(code, said).replace(self._input, self._observation.observation_point)
            if self._live:
                hint = PERMISSION_HINT if "permission" in reason else ""
                raise TaplineError(f"cannot capture on {self._input}: {reason}{hint}")
            if any(CUT_SHORT.search(line) for line in said):
                self._counts["truncated.input"] += 1
                raise CutShort(f"{self._observation.observation_point} is damaged or ends early: {reason}")
            raise TaplineError(f"cannot read {self._observation.observation_point}: {reason}")
        return False


_decoder = msgspec.json.Decoder(_Line)
