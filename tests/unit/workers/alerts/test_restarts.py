"""Whatever happens to the worker, the same is told: nothing twice as something new, nothing lost, nothing stuck."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapline.policy.effective import PolicyView
from tapline.policy.model import Acknowledgement, Alerting, Exclusion, Policy
from tests.unit.workers.alerts.log import FIRST_WINDOW, Kafka, Log, alert, environment_of, once, run, started
from topics.records import Alert, AlertState

TIGHT = Policy(
    alerting=Alerting(per_identity_hour=3, per_type_minute=4, repeat_seconds=90, minimum_severity=3),
    exclusions={"quiet": Exclusion(entity="10.0.0.3")},
)
PRODUCERS = ("node", "other", "~flow/0", "~flow/1", "~partial/0<~flow")


def made(seed: int, windows: int = 6) -> Log:
    """Producers that trigger, release and store, each window by window, in any order among each other."""
    draw = random.Random(seed)
    log = Log()
    left = {producer: [FIRST_WINDOW + 60 * number for number in range(windows)] for producer in PRODUCERS}
    events: dict[str, list[list[Alert]]] = {}
    while left:
        producer = draw.choice(sorted(left))
        window = left[producer][0]
        if producer not in events:
            events[producer] = _bursts(draw, producer, window)
        if events[producer] and draw.random() < 0.8:
            log.put(producer, window, *events[producer].pop(0))
            if draw.random() < 0.1:
                log.messages.append(log.messages[-1])
            continue
        for burst in events.pop(producer):
            log.put(producer, window, *burst)
        log.mark(producer, window, final=len(left[producer]) == 1)
        left[producer].pop(0)
        if not left[producer]:
            del left[producer]
    return log


def _bursts(draw: random.Random, producer: str, window: int) -> list[list[Alert]]:
    times = sorted(window + draw.randint(0, 59) for _ in range(draw.randint(0, 5)))
    found: list[list[Alert]] = []
    for time in times:
        fields: dict[str, Any] = {
            "kind": draw.choice(["flood", "scan"]),
            "entity": f"10.0.0.{draw.randint(1, 3)}",
            "severity": draw.choice([2, 5, 5, 7]),
        }
        action = draw.choice(["store", "trigger", "trigger", "release"])
        if action != "store":
            fields["instance"] = producer
        fields["id"] = f"{producer}/{time}/{draw.randint(0, 9)}"
        event = alert(time, action, **fields)
        if found and draw.random() < 0.4:
            found[-1].append(event)
        else:
            found.append([event])
    return found


def summary(states: dict[str, AlertState]) -> dict[str, Any]:
    return {
        identity: (state.status, state.notifications, state.alert.episode, state.alert.count, sorted(state.holders))
        for identity, state in states.items()
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 1_000_000), kills=st.integers(1, 6))
def test_killed_anywhere_any_number_of_times_the_same_is_told(seed: int, kills: int) -> None:
    messages = made(seed).messages
    whole = once(messages, TIGHT)
    draw = random.Random(seed)
    kafka = Kafka()
    for _ in range(kills):
        begin = kafka.point.offset if kafka.point else 0
        if begin >= len(messages):
            break
        run(messages, kafka, environment_of(TIGHT), until=draw.randint(begin, len(messages) - 1), draw=draw)
    run(messages, kafka, environment_of(TIGHT))
    assert kafka.notifications().keys() == whole.notifications().keys()
    assert summary(kafka.standing()) == summary(whole.standing())
    assert kafka.outcomes() == whole.outcomes()


def test_every_alert_has_one_outcome_and_each_notification_is_counted() -> None:
    for seed in range(20):
        kafka = once(made(seed).messages, TIGHT)
        counted = kafka.outcomes()
        received = counted.pop("received")
        told = sum(counted[name] for name in ("stored", "raised", "changed", "released", "summaries", "expired"))
        beside = counted.pop("summaries", 0) + counted.pop("expired", 0)
        assert received == counted.total()
        assert told == len(kafka.told), (counted, beside)


@pytest.mark.parametrize("seed", range(5))
def test_replayed_from_every_commit_point_the_same_is_told(seed: int) -> None:
    messages = made(seed).messages
    whole = once(messages, TIGHT)
    points = []
    kafka = Kafka()
    stage, _ = started(kafka, environment_of(TIGHT))
    for offset, (envelope, body) in enumerate(messages):
        step = stage.message(offset, envelope.headers(), body)
        for out in step.outgoing:
            kafka.write(out)
        if step.point is not None:
            points.append(step.point)
    assert len(points) > 10
    for point in points:
        again = Kafka(states=list(kafka.states), stored=list(kafka.stored), point=point)
        run(messages, again, environment_of(TIGHT))
        assert again.notifications().keys() <= whole.notifications().keys()
        assert summary(again.standing()) == summary(whole.standing())


def conditions() -> Log:
    """One condition in each of its states: engaged, changed, refreshed, released by one of two, released, again."""
    log = Log()
    at = FIRST_WINDOW
    for number, (action, fields) in enumerate(
        [
            ("trigger", {}),
            ("trigger", {"instance": "flow-1"}),
            ("trigger", {"severity": 7}),
            ("trigger", {"severity": 7}),
            ("release", {"instance": "flow-1"}),
            ("release", {}),
            ("trigger", {}),
            ("release", {}),
        ]
    ):
        window = at + 60 * number
        log.put("~flow/0", window, alert(window + 1, action, **fields))
        log.mark("~flow/0", window)
    return log


@pytest.mark.parametrize("killed", range(16))
@pytest.mark.parametrize("seed", range(4))
def test_a_restart_in_every_state_of_an_alert(killed: int, seed: int) -> None:
    messages = conditions().messages
    whole = once(messages)
    assert [each.event for each in whole.told] == ["raised", "changed", "released", "raised", "released"]
    kafka = Kafka()
    run(messages, kafka, environment_of(), until=killed, draw=random.Random(seed))
    run(messages, kafka, environment_of())
    assert list(kafka.notifications()) == list(whole.notifications())
    (state,) = kafka.standing().values()
    assert state.status == "released"


@pytest.mark.parametrize("seed", range(40))
def test_what_was_told_is_not_taken_back_by_another_policy_after_the_restart(seed: int) -> None:
    messages = conditions().messages
    kafka, draw = Kafka(), random.Random(seed)
    run(messages, kafka, environment_of(), until=0, draw=draw)
    told = list(kafka.told)
    decided = bool(kafka.states)
    run(messages, kafka, environment_of(Policy(exclusions={"new": Exclusion(alert="flood")})))
    events = [each.event for each in kafka.notifications().values()]
    if decided:
        assert events == ["raised", "released"], "who was told that it began is told that it is over"
    else:
        assert events == [] == told


def test_who_has_seen_to_it_is_known_after_a_restart() -> None:
    messages = conditions().messages
    whole = once(messages)
    episode = whole.told[0].episode
    policy = Policy(acknowledgements={episode: Acknowledgement(episode=episode, author="ada")})
    kafka = Kafka()
    run(messages, kafka, environment_of(policy), until=3, draw=random.Random(1))
    environment = environment_of()
    environment.policy = PolicyView(policy, 7)
    run(messages, kafka, environment)
    events = [each.event for each in kafka.notifications().values()]
    assert events == ["raised", "released", "raised", "released"], "the change is not told, the next episode is"
    assert any(state.acknowledged == "ada" for state in kafka.states)
