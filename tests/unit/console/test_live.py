"""How pages hear of changes."""

from __future__ import annotations

import asyncio

from console.live.hub import Hub
from console.live.standing import Standing
from topics.records import Alert, AlertState, PolicyEntry
from topics.settings import KafkaSettings


def test_a_slow_page_hears_of_each_kind_once() -> None:
    async def listen() -> list[str]:
        hub = Hub()
        changes = hub.changes(tick=60)
        first = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        hub.tell("alerts")
        found = [await first]
        for _ in range(1000):
            hub.tell("policy")
            hub.tell("alerts")
        await asyncio.sleep(0)
        found += [await anext(changes), await anext(changes)]
        hub.close()
        found += [kind async for kind in changes]
        return found

    assert asyncio.run(listen()) == ["alerts", "alerts", "policy"]


def test_a_page_hears_now_and_then_even_if_nothing_happens() -> None:
    async def listen() -> str:
        async for kind in Hub().changes(tick=0.001):
            return kind
        return ""

    assert asyncio.run(listen()) == "tick"


def test_a_hub_that_is_closed_keeps_nobody() -> None:
    async def listen() -> list[str]:
        hub = Hub()
        hub.close()
        return [kind async for kind in hub.changes()]

    assert asyncio.run(listen()) == []


def test_what_is_engaged_is_what_the_newest_record_says() -> None:
    standing = Standing(KafkaSettings(), lambda _: None)
    alert = Alert(id="a", time=1, type="t", message="m")
    standing._take_state(AlertState(id="c", time=1, alert=alert, status="engaged"))
    assert len(standing.engaged()) == 1
    standing._take_state(AlertState(id="c", time=2, alert=alert, status="released"))
    assert standing.engaged() == []


def test_an_entry_that_is_older_changes_nothing() -> None:
    standing = Standing(KafkaSettings(), lambda _: None)
    standing._take_entry(PolicyEntry(id="1", time=2, key="rules/a", value="{}"))
    standing._take_entry(PolicyEntry(id="2", time=1, key="rules/a", value=""))
    assert list(standing.entries()) == ["rules/a"]
    assert standing.wait_until_set("rules/a", "{}", 0)
    assert not standing.wait_until_set("rules/a", "", 0)
