"""State that cannot grow without end."""

from __future__ import annotations

from capture.tshark.recent import Recent


def test_the_entry_not_used_for_longest_goes_first_and_is_told():
    gone = []
    recent = Recent(2, gone.append)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)

    assert gone == [2]
    assert recent.get("b") is None
    assert recent.pop("a") == 1
    assert list(recent.drain()) == [3]
    assert len(recent) == 0
