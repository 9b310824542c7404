"""Both syslog formats, and what is sent as the older one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.syslog.message import REASONS, Parser, structured_data
from tests.unit.capture_syslog.made import NOW
from topics.records import Syslog

PARSER = Parser(UTC)


def parsed(text: str) -> tuple[Syslog, int, str, str]:
    result = PARSER.parse(text, NOW)
    assert not isinstance(result, str), result
    return result


def micro(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1_000_000)  # type: ignore[arg-type, misc]


def test_rfc_5424_in_full():
    head, time, text, _ = parsed(
        "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 ID47 "
        '[exampleSDID@32473 iut="3" eventSource="App \\"x\\" \\\\ \\]"][other] \ufeffIt\'s time'
    )
    assert head == Syslog(
        facility=20,
        severity=5,
        version=1,
        hostname="192.0.2.1",
        application="myproc",
        process_id="8710",
        message_id="ID47",
        structured_data={"exampleSDID@32473": {"iut": "3", "eventSource": 'App "x" \\ ]'}, "other": {}},
    )
    assert time == micro(2003, 8, 24, 12, 14, 15) + 3
    assert text == "It's time"


def test_what_rfc_5424_leaves_out_is_empty():
    head, time, text, _ = parsed("<0>1 - - - - - -")
    assert (head, time, text) == (Syslog(version=1), 0, "")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "no-priority"),
        ("hello", "no-priority"),
        ("<>hello", "no-priority"),
        ("<1234>hello", "no-priority"),
        ("<192>hello", "priority"),
        ("<192>Dec  2 16:31:03 host app: x", "priority"),
        ("<192>1 - - - - - -", "priority"),
        ("<1>0 - - - - - -", "version"),
        ("<1>1 2016-13-21T04:32:57Z - - - - - x", "time"),
        ("<1>1 2016-02-21T04:32:57 - - - - - x", "time"),
        ("<1>1 2016-02-21T04:32:57+99:00 - - - - - x", "time"),
        ("<1>1 - - - -", "header"),
        ("<1>1 - hôst - - - - x", "header"),
        ("<1>1 - - - - - [a", "structured-data"),
        ('<1>1 - - - - - [a b="c] x', "structured-data"),
        ("<1>1 - - - - - [a]x", "structured-data"),
    ],
)
def test_what_is_refused_says_why(line, reason):
    assert PARSER.parse(line, NOW) == reason
    assert REASONS[reason]


@pytest.mark.parametrize(
    ("line", "host", "application", "process", "text", "time"),
    [
        ("<13>Dec  2 16:31:03 host app: Test", "host", "app", "", "Test", micro(2026, 12, 2, 16, 31, 3)),
        ("<13>Dec 2 16:31:03 host app[12]: Test", "host", "app", "12", "Test", micro(2026, 12, 2, 16, 31, 3)),
        ("<13>Dec 02 2019 16:31:03 host app[a]:Test", "host", "app", "a", "Test", micro(2019, 12, 2, 16, 31, 3)),
        ("<13>Dec 02 16:31:03 2019 host app: Test", "host", "app", "", "Test", micro(2019, 12, 2, 16, 31, 3)),
        ("<13>Dec  2 16:31:03.250 host app: x", "host", "app", "", "x", micro(2026, 12, 2, 16, 31, 3) + 250_000),
        ("<13>Dec  4 16:31:03 host app: x", "host", "app", "", "x", micro(2025, 12, 4, 16, 31, 3)),
        ("<13>2026-12-02T16:31:03Z host app: x", "host", "app", "", "x", micro(2026, 12, 2, 16, 31, 3)),
        ("<13>2026-12-02 16:31:03,5 host app: x", "host", "app", "", "x", micro(2026, 12, 2, 16, 31, 3) + 500_000),
        ("<13>2026-12-02T16:31:03+0100 host app: x", "host", "app", "", "x", micro(2026, 12, 2, 15, 31, 3)),
        ("<34>Oct 11 22:14:15 su: 'su root' failed", "", "su", "", "'su root' failed", micro(2026, 10, 11, 22, 14, 15)),
        (
            "<13>Dec  2 16:31:03 10.0.0.99 Use the BFG!",
            "10.0.0.99",
            "",
            "",
            "Use the BFG!",
            micro(2026, 12, 2, 16, 31, 3),
        ),
        ("<13>Dec  2 16:31:03 10.0.0.1: %SYS-5-X: y", "10.0.0.1", "%SYS-5-X", "", "y", micro(2026, 12, 2, 16, 31, 3)),
        (
            "<189>29: *Mar  1 18:46:11.123: %SYS-5-X: y",
            "",
            "%SYS-5-X",
            "",
            "y",
            micro(2026, 3, 1, 18, 46, 11) + 123_000,
        ),
        ("<189>Mar 01 2026 18:46:11 fw1 : %ASA-6-3: y", "fw1", "%ASA-6-3", "", "y", micro(2026, 3, 1, 18, 46, 11)),
        ("<13>app[12]: hi", "", "app", "12", "hi", 0),
        ("<13>just a text", "", "", "", "just a text", 0),
        ("<13>Feb 30 16:31:03 host app: x", "host", "app", "", "x", 0),
        ("<13>", "", "", "", "", 0),
        ("<189>date=2026-01-01 time=10:00:00 devname=fw", "", "", "", "date=2026-01-01 time=10:00:00 devname=fw", 0),
        ("\ufeff<13>app: \ufeffx", "", "app", "", "x", 0),
    ],
)
def test_rfc_3164_as_it_is_sent(line, host, application, process, text, time):
    head, own, content, _ = parsed(line)
    assert (head.hostname, head.application, head.process_id, content, own) == (host, application, process, text, time)


def test_a_collector_puts_time_and_host_before():
    head, _, text, client = parsed("1609459200;10.1.2.3; <13>Dec  2 16:31:03 fw app[1]: x")
    assert (client, head.hostname, head.application, text) == ("10.1.2.3", "fw", "app", "x")


def test_the_29th_of_february_is_in_a_leap_year():
    _, time, _, _ = parsed("<13>Feb 29 10:00:00 host app: x")
    assert time == micro(2024, 2, 29, 10)


def test_a_time_without_a_zone_is_in_the_zone_that_is_set():
    berlin = Parser(ZoneInfo("Europe/Berlin"))
    for line in ("<13>Jul  2 16:00:00 host app: x", "<13>2026-07-02T16:00:00 host app: x"):
        result = berlin.parse(line, NOW)
        assert not isinstance(result, str)
        assert result[1] == micro(2026, 7, 2, 14)


def test_values_of_a_repeated_name_are_joined():
    assert structured_data('[a ip="1" ip="2"][a b="3"]') == {"a": {"ip": "1, 2", "b": "3"}}


NEAR = st.text(alphabet='<>0123456789 -:.[]="\\;TZ+JanFeb\ufeff\n\x00aä', max_size=120)


@given(st.one_of(st.text(max_size=200), NEAR, NEAR.map("<13>".__add__), NEAR.map("<13>1 ".__add__)))
def test_every_text_is_a_message_or_has_a_reason(text):
    result = PARSER.parse(text, NOW)
    assert result in REASONS if isinstance(result, str) else (0 <= result[0].facility <= 23 and result[2] in text)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(1, 7_000_000_000_000_000).map(lambda micro: EPOCH + timedelta(microseconds=micro))
NAME = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)
IDENTIFIER = st.text(
    alphabet=st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='="]'), min_size=1, max_size=10
)
DATA = st.dictionaries(IDENTIFIER, st.dictionaries(IDENTIFIER, st.text(max_size=20), max_size=3), max_size=3)


@given(
    st.integers(0, 191),
    NAME,
    NAME,
    DATA,
    st.text(max_size=50),
    MOMENTS,
)
def test_what_is_written_by_rfc_5424_is_read_again(priority, host, application, data, text, moment):
    def escaped(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")

    def element(name: str, values: dict[str, str]) -> str:
        parameters = (f' {key}="{escaped(value)}"' for key, value in values.items())
        return f"[{name}{''.join(parameters)}]"

    elements = "".join(element(name, values) for name, values in data.items())
    line = (
        f"<{priority}>1 {moment.isoformat().removesuffix('+00:00')}Z {host} {application} - - {elements or '-'} {text}"
    )
    head, time, content, _ = parsed(line)
    assert (head.facility * 8 + head.severity, head.structured_data) == (priority, data)
    assert (head.hostname or "-", head.application or "-") == (host, application)
    assert content == text.removeprefix("\ufeff")
    assert time == (moment - EPOCH) // timedelta(microseconds=1)
