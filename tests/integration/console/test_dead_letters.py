"""Dead letters in a real browser and a real Kafka: dropped by who may, with a trace of it."""

from __future__ import annotations

from tests.integration.console.seat import Seat, faults, live
from topics.dead_log import read_standings


def test_an_operator_deals_with_them(seat: Seat) -> None:
    waiting = [each for each in read_standings(seat.console.kafka).values() if each.state == "waiting"]
    assert waiting, "the demonstration leaves a broken message"
    identity = waiting[-1].letter.id
    with seat.sitting("operator") as page:
        page.goto("/pipeline")
        live(page)
        assert faults(page) == []
        page.get_by_role("button", name=f"Drop {identity[:12]}").click()
        page.get_by_text("1 dead letter dropped").wait_for()
    standing = read_standings(seat.console.kafka)[identity]
    assert standing.state == "dropped"
    assert standing.mark is not None
    assert standing.mark.author == "operator"
    deed = next(deed for deed in seat.console.audit.newest() if deed.what == "dropped dead letters")
    assert (deed.who, deed.about) == ("operator", identity)


def test_a_viewer_sees_them_and_can_do_nothing(seat: Seat) -> None:
    letter = next(each.letter for each in read_standings(seat.console.kafka).values())
    with seat.sitting("viewer") as page:
        page.goto("/pipeline")
        live(page)
        page.get_by_role("cell", name=letter.id[:12]).wait_for()
        assert page.locator("#dead-letters button").count() == 0
