"""How pages hear of changes."""

from __future__ import annotations

import asyncio

from console.live.hub import Hub
from console.live.reach import Reach
from console.live.standing import Standing
from topics.records import Alert, AlertState, PolicyEntry
from topics.settings import KafkaSettings
from topics.worker_reports import GONE_SECONDS, WorkerReport


def test_a_slow_page_hears_of_each_kind_once() -> None:
    async def listen() -> list[str]:
        hub = Hub()
        changes = hub.changes(tick=60)
        first = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        hub.tell("alerts")
        found = [(await first).kind]
        for _ in range(1000):
            hub.tell("policy")
            hub.tell("alerts")
        await asyncio.sleep(0)
        found += [(await anext(changes)).kind, (await anext(changes)).kind]
        hub.close()
        found += [change.kind async for change in changes]
        return found

    assert asyncio.run(listen()) == ["alerts", "alerts", "policy"]


def test_a_page_hears_of_what_changed_before_it_listened_and_while_it_was_not_heard() -> None:
    async def listen() -> list[str]:
        hub = Hub()
        hub.tell("workers")
        drawn = hub.moment
        hub.tell("policy")
        changes = hub.changes(drawn, tick=60)
        found = [await anext(changes)]
        hub.tell("alerts")
        hub.tell("policy")
        found.append(await anext(changes))
        await changes.aclose()
        again = hub.changes(found[-1].moment, tick=60)
        found += [await anext(again), await anext(again)]
        await again.aclose()
        late = hub.changes(found[-1].moment, tick=0.001)
        found.append(await anext(late))
        await late.aclose()
        return [change.kind for change in found]

    assert asyncio.run(listen()) == ["policy", "alerts", "alerts", "policy", "tick"]


def test_a_page_of_a_console_that_was_started_anew_hears_of_all_that_this_one_knows() -> None:
    async def listen() -> str:
        before = Hub()
        hub = Hub()
        hub.tell("alerts")
        async for change in hub.changes(before.moment, tick=60):
            return change.kind
        return ""

    assert asyncio.run(listen()) == "alerts"


def test_a_page_hears_now_and_then_even_if_nothing_happens() -> None:
    async def listen() -> str:
        async for change in Hub().changes(tick=0.001):
            return change.kind
        return ""

    assert asyncio.run(listen()) == "tick"


def test_a_hub_that_is_closed_keeps_nobody() -> None:
    async def listen() -> list[str]:
        hub = Hub()
        hub.close()
        return [change.kind async for change in hub.changes()]

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


def test_a_change_has_reached_the_workers_that_say_so() -> None:
    clock = [100.0]
    reach = Reach(lambda: clock[0])
    entry = PolicyEntry(id="1", time=1_700_000_000_000_000, key="rules/a", value="{}", author="somebody")
    assert reach.now().workers == 0
    reach.heard(report("w/1/a", 3))
    reach.heard(report("w/2/b", 3))
    reach.change(entry, 4, live=True)
    assert (reach.now().path, reach.now().reached, reach.now().missing) == ("rules/a", 0, ["w/1", "w/2"])
    clock[0] += 0.5
    assert reach.heard(report("w/1/a", 4))
    assert (reach.now().reached, reach.now().seconds) == (1, None)
    clock[0] += 0.7
    assert reach.heard(report("w/2/b", 4, {"rules/a": "there is no pool"}))
    assert not reach.heard(report("w/2/b", 4, {"rules/a": "there is no pool"}))
    now = reach.now()
    assert (now.reached, now.workers, now.seconds) == (2, 2, 1.2)
    assert [(each.path, each.workers) for each in now.refused] == [("rules/a", 1)]


def test_a_worker_that_says_nothing_any_more_is_gone() -> None:
    clock = [0.0]
    reach = Reach(lambda: clock[0])
    reach.heard(report("w/1/a", 1))
    clock[0] = GONE_SECONDS + 1
    reach.heard(report("w/2/b", 1))
    assert [each.worker for each in reach.reports()] == ["w/2/b"]


def report(worker: str, policy: int, refused: dict[str, str] | None = None) -> WorkerReport:
    return WorkerReport(worker=worker, host="w", time=1, policy=policy, refused=refused or {})
