"""Logging: one event a line, JSON for programs and plain text for people, repetitions held back.

Modules log through the standard library and put what they know into ``extra``::

    log = logging.getLogger(__name__)
    log.warning("bulk refused, waiting", extra={"reason": "429", "seconds": 4})

The field names of the JSON events are those of ECS logging.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from tapline.process.printable import printable, printable_json

BURST: Final = 10
"""How often an event with the same text is written within :data:`PERIOD`."""

PERIOD: Final = 60.0
"""Seconds after which a held-back event is counted and written again."""

_OURS: Final = ("tapline", "topics", "capture", "workers", "exporters", "scripts")
_TOLD_BY_OURS: Final = ("elastic_transport",)
"""Libraries whose warnings repeat what our own events and errors say."""

_MOST_KEYS: Final = 1000
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "suppressed"}


class _Repeats:
    """How often one event came in its present period."""

    __slots__ = ("began", "last", "passed", "suppressed")

    def __init__(self, began: float, last: logging.LogRecord) -> None:
        self.began = began
        self.last = last
        self.passed = 0
        self.suppressed = 0


class EventHandler(logging.StreamHandler[TextIO]):
    """Writes events and holds back those that repeat.

    Within a period the first :data:`BURST` events of the same logger, level and text are written. The
    rest are counted, and the count is written with the next one, at the period's end or on closing.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self._repeats: dict[tuple[str, int, str], _Repeats] = {}
        self._swept = clock()

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        if now - self._swept >= 1.0 or len(self._repeats) > _MOST_KEYS:
            self._sweep(now, everything=len(self._repeats) > _MOST_KEYS)
        key = (record.name, record.levelno, str(record.msg))
        repeats = self._repeats.get(key)
        if repeats is None or now - repeats.began >= PERIOD:
            suppressed = repeats.suppressed if repeats else 0
            repeats = self._repeats[key] = _Repeats(now, record)
            if suppressed:
                record.suppressed = suppressed
        repeats.last = record
        if repeats.passed < BURST:
            repeats.passed += 1
            super().emit(record)
        else:
            repeats.suppressed += 1

    def close(self) -> None:
        self.acquire()
        try:
            self._sweep(self._clock(), everything=True)
        finally:
            self.release()
        super().close()

    def _sweep(self, now: float, *, everything: bool) -> None:
        self._swept = now
        for key, repeats in list(self._repeats.items()):
            if not everything and now - repeats.began < PERIOD:
                continue
            del self._repeats[key]
            if repeats.suppressed:
                repeats.last.suppressed = repeats.suppressed - 1
                super().emit(repeats.last)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "log.level": record.levelname.lower(),
            "message": record.getMessage(),
            "log.logger": record.name,
            "process.pid": record.process,
        }
        event.update(_extra(record))
        if record.exc_info and record.exc_info[1] is not None:
            event["error.type"] = type(record.exc_info[1]).__name__
            event["error.message"] = str(record.exc_info[1])
            event["error.stack_trace"] = self.formatException(record.exc_info)
        return printable_json(json.dumps(event, default=str, ensure_ascii=False))


class PlainFormatter(logging.Formatter):
    """One short line for a terminal; an exception shows as its type, message and place."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        line = f"{at} {record.levelname.lower():7} {record.name}: {record.getMessage()}"
        line += "".join(f" {name}={value}" for name, value in _extra(record).items())
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            place = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})" if trace else ""
            line += f": {type(error).__name__}: {error}{place}"
        return printable(" ".join(line.splitlines()))


def start_logging(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> EventHandler:
    """Send our events, and warnings of the libraries, to ``stream`` (standard error).

    ``form`` is ``json``, ``plain`` or ``auto``: plain on a terminal. Returns the handler, for
    :func:`stop_logging`.
    """
    stream = stream if stream is not None else sys.stderr
    plain = form == "plain" or (form == "auto" and stream.isatty())
    handler = EventHandler(stream)
    handler.setFormatter(PlainFormatter() if plain else JsonFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old, EventHandler):
            root.removeHandler(old)
            old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in _TOLD_BY_OURS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())
    return handler


def stop_logging(handler: EventHandler) -> None:
    """Write what was held back, and let logging be as it was: the stream may be closed from here on."""
    root = logging.getLogger()
    if handler not in root.handlers:
        return
    root.removeHandler(handler)
    handler.close()
    for name in (*_OURS, *_TOLD_BY_OURS):
        logging.getLogger(name).setLevel(logging.NOTSET)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    found = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    suppressed = getattr(record, "suppressed", 0)
    if suppressed:
        found["suppressed"] = suppressed
    return found
