"""A stream is cut between packets, and goes on being readable from every one of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.packet_scripts.framing import MOST_BYTES, Framing
from capture.packets.files import PacketFile
from tests.unit.capture.wire import ETHERNET, Frame, pcap, pcapng
from topics.errors import TaplineError

LOOPBACK = 0
FRAMES = st.lists(st.binary(max_size=70), max_size=8).map(
    lambda texts: [Frame(1_700_000_000_000_000 + place, text or b"-") for place, text in enumerate(texts)]
)
STREAMS = st.one_of(
    st.tuples(FRAMES, st.sampled_from("<>"), st.booleans()).map(
        lambda made: (made[0], pcap(made[0], order=made[1], nanoseconds=made[2]))
    ),
    st.tuples(FRAMES, st.sampled_from("<>")).map(lambda made: (made[0], pcapng(made[0], order=made[1]))),
    # A section of other interfaces follows, as where files are put one behind the other.
    st.tuples(FRAMES, FRAMES).map(
        lambda made: (
            [*made[0], *made[1]],
            pcapng(made[0], interfaces=((ETHERNET, 6), (LOOPBACK, 6))) + pcapng(made[1], order=">"),
        )
    ),
)
UNHURRIED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=60,
)


def framed(stream: bytes, sizes: list[int]) -> tuple[Framing, list]:
    framing = Framing()
    found = []
    at = 0
    for size in [*sizes, len(stream)]:
        if at < len(stream):
            found += framing.take(stream[at : at + size])
            at += size
    return framing, found


def packets_of(data: bytes, path) -> list[tuple[int, bytes]]:
    path.write_bytes(data)
    with PacketFile(str(path)) as file:
        read = [(time, bytes(buffer[start:end])) for time, _, _, buffer, start, end in file.packets()]
    assert not file.problem
    return read


@UNHURRIED
@given(STREAMS, st.lists(st.integers(1, 60), max_size=60))
def test_a_reader_can_begin_at_every_packet(tmp_path, made, sizes) -> None:
    frames, stream = made
    framing, pieces = framed(stream, sizes)
    assert not framing.inside
    assert len(pieces) == len(frames)
    for first, piece in enumerate(pieces):
        rest = piece.preamble + b"".join(each.packet for each in pieces[first:])
        assert packets_of(rest, tmp_path / "rest.pcap") == [(frame.time, frame.data) for frame in frames[first:]]


def test_a_stream_that_ends_inside_a_packet_says_so() -> None:
    stream = pcap([Frame(1, b"one"), Frame(2, b"two")])
    framing, pieces = framed(stream[:-1], [])
    assert (len(pieces), framing.inside) == (1, True)


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (b"GET / HTTP/1.1\r\nHost: example.com\r\n", "neither pcap nor pcapng"),
        (pcap([])[:24] + (MOST_BYTES + 1).to_bytes(4, "little") * 4, "a packet of 16,777,217 bytes"),
        (pcapng([]) + b"\x06\0\0\0\x03\0\0\0" + bytes(8), "a block of 3 bytes"),
        (b"\x0a\x0d\x0d\x0a" + bytes(30), "in no byte order"),
        (pcapng([], interfaces=((ETHERNET, 6),) * 40_000), "more interfaces than can be"),
    ],
)
def test_what_cannot_be_is_refused(stream: bytes, problem: str) -> None:
    with pytest.raises(TaplineError, match=problem):
        framed(stream, [])


@UNHURRIED
@given(STREAMS, st.data())
def test_damage_is_told_or_passed_over_and_never_kept(made, data) -> None:
    _, stream = made
    damaged = bytearray(stream)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    framing = Framing()
    try:
        for at in range(0, len(damaged), 7):
            framing.take(bytes(damaged[at : at + 7]))
    except TaplineError:
        pass
