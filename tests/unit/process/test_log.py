import io
import json
import logging
from collections.abc import Iterator

import pytest

from tapline.process.log import BURST, PERIOD, EventHandler, JsonFormatter, PlainFormatter, start_logging, stop_logging


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(stream: io.StringIO) -> Iterator[logging.Logger]:
    handler = start_logging("info", "json", stream)
    yield logging.getLogger("capture.node")
    stop_logging(handler)


def events(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json_with_its_fields(log: logging.Logger, stream: io.StringIO) -> None:
    log.warning("bulk refused\nby %s", "server", extra={"reason": "429", "count": 3})
    (event,) = events(stream)
    assert event["message"] == "bulk refused\nby server"
    assert event["log.level"] == "warning"
    assert event["log.logger"] == "capture.node"
    assert (event["reason"], event["count"]) == ("429", 3)
    assert event["@timestamp"].endswith("+00:00")


def test_an_exception_stays_on_its_line(log: logging.Logger, stream: io.StringIO) -> None:
    try:
        int("two\nlines")
    except ValueError:
        log.exception("script failed")
    (event,) = events(stream)
    assert event["error.type"] == "ValueError"
    assert "Traceback" in event["error.stack_trace"]


def test_levels_hold_for_ours_and_warnings_for_libraries(log: logging.Logger, stream: io.StringIO) -> None:
    log.debug("not now")
    logging.getLogger("kafka").info("chatter")
    logging.getLogger("kafka").warning("trouble")
    assert [event["message"] for event in events(stream)] == ["trouble"]


def test_a_terminal_gets_plain_lines_without_a_traceback() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    handler = start_logging("info", "auto", terminal)
    try:
        {}["no way"]
    except KeyError:
        logging.getLogger("workers").exception("script failed", extra={"script": "a.py"})
    stop_logging(handler)
    line = terminal.getvalue()
    assert line.count("\n") == 1
    assert "error   workers: script failed script=a.py: KeyError: 'no way'" in line


def test_nothing_in_an_event_commands_a_terminal() -> None:
    text = "a\x1b[2Jb\x9b1mc\u202ed\x07e\tf"
    record = logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": text, "key": text})
    plain = PlainFormatter().format(record)
    assert plain.endswith(r"x: a\x1b[2Jb\x9b1mc\u202ed\x07e" + "\tf " + r"key=a\x1b[2Jb\x9b1mc\u202ed\x07e" + "\tf")
    event = JsonFormatter().format(record)
    assert not {"\x1b", "\x9b", "\u202e", "\x07"} & set(event)
    assert (json.loads(event)["message"], json.loads(event)["key"]) == (text, text), "but a program reads what it was"


def test_repeated_events_are_held_back_and_counted(stream: io.StringIO) -> None:
    clock = Clock()
    handler = EventHandler(stream, clock)
    handler.setFormatter(JsonFormatter())
    again = logging.makeLogRecord({"name": "x", "levelno": 30, "levelname": "WARNING", "msg": "again"})
    for _ in range(BURST + 7):
        handler.handle(again)
    assert len(events(stream)) == BURST
    clock.now += PERIOD
    handler.handle(logging.makeLogRecord({"name": "x", "levelno": 30, "levelname": "WARNING", "msg": "other"}))
    repeated, other = events(stream)[BURST:]
    assert (repeated["message"], repeated["suppressed"]) == ("again", 6), "this line stands for one, six are not shown"
    assert "suppressed" not in other


def test_what_was_held_back_is_told_at_the_end(stream: io.StringIO) -> None:
    handler = EventHandler(stream, Clock())
    handler.setFormatter(PlainFormatter())
    for number in range(BURST + 3):
        handler.handle(logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": "n %d", "args": (number,)}))
    handler.close()
    assert len(stream.getvalue().splitlines()) == BURST + 1
    assert stream.getvalue().endswith("suppressed=2\n")
