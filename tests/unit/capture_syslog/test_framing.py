"""Where messages begin and end in a stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.syslog.framing import BrokenFrame, Framer

MESSAGE = st.binary(min_size=1, max_size=40).map(lambda text: b"<13>" + text.replace(b"\n", b".") + b".")


def framed(data: bytes, longest: int = 1000, step: int = 1 << 20) -> tuple[list[bytes], bytes, Framer]:
    framer = Framer(longest)
    messages: list[bytes] = []
    for start in range(0, len(data), step):
        messages += framer.feed(data[start : start + step])
    last, rest = framer.end()
    return messages + last, rest, framer


@given(st.lists(MESSAGE, max_size=6), st.integers(1, 50))
def test_octets_are_counted_however_they_arrive(messages, step):
    data = b"".join(b"%d %b" % (len(message), message) for message in messages)
    assert framed(data, step=step)[:2] == (messages, b"")


@given(st.lists(MESSAGE, max_size=6), st.integers(1, 50), st.sampled_from([b"\n", b"\r\n", b"\0\n"]), st.booleans())
def test_lines_are_messages_however_they_arrive(messages, step, ending, ended):
    data = ending.join(messages) + (ending if ended and messages else b"")
    assert framed(data, step=step)[:2] == (messages, b"")


def test_the_first_bytes_decide():
    assert framed(b"5 <1>ab6 <1>abc")[0] == [b"<1>ab", b"<1>abc"]
    assert framed(b"<1>a\n5 <1>b\n")[0] == [b"<1>a", b"5 <1>b"]
    assert framed(b"1609459200;10.0.0.1; <1>a\n")[0] == [b"1609459200;10.0.0.1; <1>a"]
    assert framed(b"\n\n5 <1>ab")[0] == [b"<1>ab"]
    assert framed(b"123")[0] == [b"123"]


def test_a_message_may_hold_line_ends_where_octets_are_counted():
    assert framed(b"9 <1>a\nb\nc\n\n5 <1>ab")[0] == [b"<1>a\nb\nc", b"<1>ab"]


def test_half_a_message_at_the_end_is_none_where_octets_are_counted():
    assert framed(b"16 <1>2")[:2] == ([], b"16 <1>2")
    assert framed(b"5 <1>ab99")[:2] == ([b"<1>ab"], b"99")


def test_without_a_length_nothing_more_can_be_read():
    framer = Framer(1000)
    with pytest.raises(BrokenFrame) as raised:
        framer.feed(b"5 <1>ab<1>abc")
    assert raised.value.args == ([b"<1>ab"], b"<1>abc")


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_what_is_too_long_is_cut_and_its_rest_skipped(step):
    text = b"<1>" + b"x" * 97
    by_line = framed(text + b"\n<1>y\n", longest=10, step=step)
    by_count = framed(b"100 " + text + b"4 <1>y", longest=10, step=step)
    for messages, rest, framer in (by_line, by_count):
        assert (messages, rest, framer.cut) == ([text[:10], b"<1>y"], b"", 1)


def test_no_more_is_kept_than_a_message_may_have():
    for begin in (b"<1>", b"900000000 <1>"):
        framer = Framer(100)
        framer.feed(begin)
        for _ in range(1000):
            framer.feed(b"x" * 50)
        assert len(framer._rest) <= 150
        assert framer.pending


@given(st.lists(st.binary(max_size=60), max_size=8), st.integers(1, 30))
def test_any_bytes_come_to_an_end(chunks, longest):
    framer = Framer(longest)
    for chunk in chunks:
        try:
            messages = framer.feed(chunk)
        except BrokenFrame:
            return
        assert all(0 < len(message) <= longest for message in messages)
    framer.end()
    assert not framer.pending
