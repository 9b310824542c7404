"""Content that comes in pieces."""

from __future__ import annotations

import hashlib

import pytest

from capture.tshark.assembly import AHEAD_LIMIT, Assembly

DATA = bytes(range(256)) * 8
PIECES = [(at, DATA[at : at + 256]) for at in range(0, len(DATA), 256)]


def hashes(assembly):
    file = assembly.file("p", "n")
    return file.size, file.complete, file.sha256


@pytest.mark.parametrize(
    "pieces",
    [
        PIECES,
        PIECES[::-1],
        PIECES[:3] + PIECES[1:],
        [(0, DATA[:300]), (200, DATA[200:900]), (100, DATA[100:500]), (900, DATA[900:])],
        PIECES[4:] + PIECES[4:] + PIECES[:4],
    ],
    ids=["in order", "backwards", "repeated", "overlapping", "ahead twice"],
)
def test_pieces_in_any_order_make_the_content(pieces):
    assembly = Assembly()
    for offset, piece in pieces:
        assembly.add(offset, piece)

    assert hashes(assembly) == (len(DATA), True, hashlib.sha256(DATA).hexdigest())


def test_content_with_a_gap_is_incomplete_and_has_no_hash():
    assembly = Assembly()
    assembly.add(0, b"abc")
    assembly.add(5, b"fg")

    assert hashes(assembly) == (5, False, "")


def test_what_lies_too_far_ahead_is_given_up_and_said():
    assembly = Assembly()
    for number in range(AHEAD_LIMIT // (1 << 20) + 1):
        assembly.add(1 + number * (1 << 20), bytes(1 << 20))
    assembly.add(0, b"x")

    file = assembly.file("p", "n")

    assert (file.complete, file.sha256) == (False, "")
    assert file.size <= AHEAD_LIMIT + 1
