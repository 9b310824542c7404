"""The Suricata engine: a source of flows, resources, documents, alerts and metrics."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

import msgspec

from capture.eve.decoder import EveDecoder
from capture.eve.errors import EveError
from capture.eve.events import StatsEvent
from capture.eve.intake import PUBLISHED, Intake
from capture.eve.lines import LONGEST, Lines
from capture.packets.compressed import is_compressed, unpack
from capture.packets.interfaces import InterfaceWatch, is_up
from capture.settings import CaptureSettings
from capture.source import LIVE, CutShort, Observation, Sink
from capture.suricata import NAME, news
from capture.suricata.command import events_of, file_command, live_command
from capture.suricata.ordering import EventFile
from capture.suricata.program import check_suricata
from capture.suricata.splitting import split_by_link
from capture.suricata.watch import Watch
from capture.syslog.rejected import Rejected
from capture.tshark.process import Pipeline
from topics.errors import TaplineError
from topics.partitions import digest
from topics.records import WINDOW_SECONDS

_CHUNK: Final = 1 << 18
_SETTLED: Final = 30.0
"""How many seconds a Suricata must have run to be started again when it ends."""

_PERMISSION_HINT: Final = " Run as root, or: setcap cap_net_raw,cap_net_admin,cap_ipc_lock=ep $(command -v suricata)"
_ELSE: Final = "--engine tshark may read it"

_log = logging.getLogger("tapline.capture")


class SuricataSource:
    """Starts Suricata over an input and makes records of its events.

    A capture file is read to its end first, its events wait in a temporary file (``TMPDIR``), and the records of each
    reading are the same. Of an interface or a stream they are made as they come; a Suricata that ends though the
    interface is still there is started again. ``flows`` says whether flows are put, ``deep`` whether anything else is.
    """

    def __init__(
        self, observation: Observation, path_or_interface: str, settings: CaptureSettings, *, flows: bool, deep: bool
    ) -> None:
        self._observation = observation
        self._input = path_or_interface
        self._settings = settings
        self._flows = flows
        self._deep = deep
        self._live = observation.stream == LIVE
        self._stopped = threading.Event()
        self._pipeline: Pipeline | None = None
        self._refused = news.RefusedRules()
        self._told_of_none = False

    @property
    def name(self) -> str:
        """``suricata``."""
        return NAME

    def run(self, sink: Sink) -> None:
        check_suricata()
        with tempfile.TemporaryDirectory(prefix="tapline-suricata-") as folder:
            if self._observation.is_file:
                self._read_whole(sink, Path(folder))
            else:
                self._read_on(sink, Path(folder))

    def stop(self) -> None:
        self._stopped.set()
        if self._pipeline:
            self._pipeline.stop()

    def _read_whole(self, sink: Sink, folder: Path) -> None:
        """Read a file to its end, then put what it holds."""
        name = self._observation.observation_point
        path = Path(self._input)
        if is_compressed(path):
            # Suricata reads none.
            path = folder / "unpacked"
            unpack(Path(self._input), path)
        code, said = self._run_to_end(str(path), folder)
        if self._stopped.is_set():
            return
        self._tell_rules(sink)
        if news.is_refused(said):
            self._read_parts(sink, folder, said)
        elif code and not news.is_stuck(said):
            raise TaplineError(f"Suricata did not read {name} to its end: {news.reason(code, said)}: try again")
        if self._stopped.is_set():
            return
        events = events_of(folder)
        if events.exists():
            file = EventFile(events, self._observation)
            try:
                self._put_all(sink, file)
            finally:
                file.close()
        if broken := news.broke_off(said):
            sink.count(NAME, "truncated.input")
            raise CutShort(f"{name} is damaged or ends early: {broken}")

    def _read_parts(self, sink: Sink, folder: Path, said: list[str]) -> None:
        """Read a file that Suricata refuses by its link types, one after the other: its events come to one file."""
        name = self._observation.observation_point
        events_of(folder).unlink(missing_ok=True)
        read = 0
        for part in split_by_link(self._input, folder):
            code, news_of_part = self._run_to_end(str(part), folder)
            if self._stopped.is_set():
                return
            if news.is_refused(news_of_part):
                sink.count(NAME, "skipped.link-type")
                _log.warning("packets of %s are left out: %s", name, news.reason(code, news_of_part))
            else:
                read += 1
        if not read:
            raise TaplineError(f"Suricata cannot read {name}: {news.reason(0, said)}: {_ELSE}")

    def _run_to_end(self, path: str, folder: Path) -> tuple[int, list[str]]:
        program = check_suricata()
        command = file_command(program, path, self._settings, folder, whole=True, flows=True, deep=self._deep)
        pipeline = self._pipeline = Pipeline([command], self._refused.hear)
        if self._stopped.is_set():
            pipeline.stop()
        with pipeline:
            for _ in pipeline.chunks(_CHUNK):
                if news.is_stuck(pipeline.said()):
                    pipeline.kill()
            return pipeline.finish()[0]

    def _put_all(self, sink: Sink, file: EventFile) -> None:
        watch = Watch(self._observation, sink, flows=self._flows)
        decoder = EveDecoder(self._observation, texts=True, joined=True)
        rejected = Rejected(self._observation, NAME, PUBLISHED, sink)
        decode, put = decoder.decode, sink.put
        number = 0
        for window in file.windows:
            if number:
                sink.advance(NAME, window - WINDOW_SECONDS)
            used = 0
            # This loop runs for every event.
            for time_, identity, line, reason in file.events(window):
                if self._stopped.is_set():
                    return
                number += 1
                if reason and not self._flows:
                    continue
                try:
                    made = decode(line, NAME, identity, time_, reason)
                except EveError as error:
                    rejected.add(line[:LONGEST], number, error.reason, error.detail, time_, window)
                    continue
                used += 1
                if reason:
                    watch.take(made)
                for topic, key, record in made:
                    put(topic, key, record, window)
            sink.count(NAME, "used", used)
        sink.count(NAME, "lines", number)
        watch.end([_statistics(line) for line in file.statistics])

    def _read_on(self, sink: Sink, folder: Path) -> None:
        """Put what Suricata tells while it reads."""
        watch = Watch(self._observation, sink, flows=self._flows)
        intake = Intake(self._observation, watch, _now(), name=NAME, joined=True)
        # The flow engine looks after the interface where there is one.
        interface = InterfaceWatch(self._input) if self._live and self._flows else None
        number = 0
        while True:
            program = check_suricata()
            began = time.monotonic()
            if self._live:
                command = live_command(program, self._input, self._settings, folder, flows=self._flows, deep=self._deep)
            else:
                command = file_command(
                    program, self._input, self._settings, folder, whole=False, flows=self._flows, deep=self._deep
                )
            pipeline = self._pipeline = Pipeline([command], self._refused.hear)
            if self._stopped.is_set():
                pipeline.stop()
            lines = Lines()
            prefix = digest(self._observation.identity, NAME)[:20]
            with pipeline:
                for chunk in pipeline.chunks(_CHUNK):
                    intake.at(_now())
                    self._tell_rules(sink)
                    if interface is not None:
                        self._look(interface, sink)
                    whole = lines.feed(chunk)
                    if whole:
                        intake.take(whole, prefix, number + 1, NAME)
                        number += len(whole)
                    if not self._live and news.is_stuck(pipeline.said()):
                        pipeline.kill()
                code, said = pipeline.finish()[0]
            if lines.rest:
                number += 1
                intake.refuse(lines.rest, number, "Suricata ended in the middle of a line")
            watch.begin_again()
            self._tell_rules(sink)
            if self._stopped.is_set() or not self._goes_on(code, said, time.monotonic() - began):
                return
            sink.count(NAME, "restarts")
            _log.warning("Suricata ended (%s): it is started again", news.reason(code, said))

    def _goes_on(self, code: int, said: list[str], seconds: float) -> bool:
        """Whether a Suricata that has ended is started again; raises what it means where it is not."""
        name = self._observation.observation_point
        if self._live:
            if seconds >= _SETTLED:
                return True
            hint = _PERMISSION_HINT if news.lacks_permission(said) else ""
            raise TaplineError(f"Suricata cannot capture on {self._input}: {news.reason(code, said)}{hint}")
        if news.is_refused(said):
            raise TaplineError(f"Suricata cannot read {name}: {news.reason(code, said)}: {_ELSE}")
        if code and not news.is_stuck(said):
            raise TaplineError(f"Suricata did not read {name} to its end: {news.reason(code, said)}: try again")
        if broken := news.broke_off(said):
            raise CutShort(f"{name} is damaged or ends early: {broken}")
        return False

    def _look(self, interface: InterfaceWatch, sink: Sink) -> None:
        """Tell when the interface goes away, which Suricata waits for, and when it is back."""
        interface.look(there=is_up(self._input))
        if interface.losses:
            sink.count(NAME, "interface_losses", interface.losses)
            interface.losses = 0

    def _tell_rules(self, sink: Sink) -> None:
        for rule in self._refused.take():
            sink.count(NAME, "refused.rule")
            _log.warning("a rule is left out: %s", rule)
        if self._refused.all and not self._told_of_none:
            self._told_of_none = True
            sink.count(NAME, "no-rules")
            _log.warning("capture.suricata.rules: %s holds no rule that is used", self._settings.suricata.rules)


def _statistics(line: bytes) -> StatsEvent:
    try:
        return msgspec.json.decode(line, type=StatsEvent)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise TaplineError(f"Suricata's counters cannot be read ({error}): capture with --engine tshark") from error


def _now() -> int:
    return time.time_ns() // 1000
