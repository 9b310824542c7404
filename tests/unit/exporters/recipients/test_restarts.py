"""Processes are killed and lose partitions at any moment: nothing is lost, and what comes twice is the same."""

from __future__ import annotations

import contextlib
import itertools
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters import consumer
from exporters.recipients import backoff, recipient
from exporters.recipients.notification import Message
from exporters.recipients.senders.sender import Rejected, Sender, Unavailable
from exporters.recipients.settings import Script, When
from tapline.process.health import Health
from tests.unit.exporters.recipients.log import KAFKA, Killed, Log, LogConsumer
from tests.unit.exporters.samples import alert
from topics.catalog import NOTIFICATION, POLICY
from topics.records import Alert, PolicyEntry


class Inbox(Sender):
    """Somebody who takes messages, sometimes not at once, and now and then never."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.messages: list[Message] = []
        self.refused: list[Message] = []

    def send(self, message: Message) -> None:
        self.log.danger()
        if self.log.random.random() < 0.1:
            raise Unavailable("503", "later")
        if self.log.random.random() < 0.03:
            self.refused.append(message)
            raise Rejected("400", "never")
        self.messages.append(message)
        self.log.danger()


class Letters:
    """Dead letters that are always taken."""

    def __init__(self, _kafka: Any) -> None:
        pass

    def start(self) -> None:
        pass

    def add(self, letter: Any) -> None:
        assert letter.reason == "400"

    def settle(self, _seconds: float) -> bool:
        return True


def history(random: Random, partitions: int) -> list[tuple[int, list[Alert]]]:
    """Messages of the notification topic, some told twice; one in four is of no interest."""
    told: list[tuple[int, list[Alert]]] = []
    numbers = itertools.count(1)
    for _ in range(random.randint(1, 25)):
        partition = random.randrange(partitions)
        if told and random.random() < 0.15:
            told.append(random.choice(told))
            continue
        batch = []
        for _ in range(random.choice((1, 1, 1, 2, 5))):
            number = next(numbers)
            severity = 2 if number % 4 == 0 else 5
            batch.append(
                Alert(
                    id=alert(number).id,
                    time=number,
                    type=f"type-{number % 3}",
                    message="",
                    severity=severity,
                    event="raised",
                    episode=f"episode-{number}",
                )
            )
        told.append((partition, batch))
    return told


@pytest.mark.parametrize(("digest_seconds", "per_minute"), [(0.0, 0), (20.0, 0), (0.0, 3), (20.0, 3)])
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=25)
@given(st.integers(0, 2**32))
def test_killed_at_any_moment(digest_seconds: float, per_minute: int, seed: int) -> None:
    random = Random(seed)
    partitions = random.randint(1, 3)
    log = Log(random, partitions)
    inbox = Inbox(log)
    somebody = Script(
        name="x",
        command=["/bin/true"],
        when=[When(severity=4)],
        digest_seconds=digest_seconds,
        per_minute=per_minute,
    )
    ticks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: float(next(ticks)), time=lambda: 1_700_000_000.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consumer, "Consumer", type("Consumer", (LogConsumer,), {"log": log}))
        patch.setattr(recipient, "sender_for", lambda _: inbox)
        patch.setattr(recipient, "DeadLetters", Letters)
        patch.setattr(recipient, "time", clock)
        patch.setattr(backoff, "FIRST", 0.0)
        log.append(NOTIFICATION, 0, [alert(9999)])
        run(log, somebody)
        assert inbox.messages == []
        told = history(random, partitions)
        for partition, batch in told:
            log.append(NOTIFICATION, partition, batch)
        episodes = [each.episode for _, batch in told for each in batch if each.severity >= 4]
        for number, episode in enumerate(random.sample(episodes, min(2, len(episodes)))):
            entry = PolicyEntry(id=f"p{number}", time=1, key=f"acknowledgements/{episode}", value="{}", author="ada")
            log.append(POLICY, 0, [entry])
        log.is_dangerous = True
        while not log.is_done():
            with contextlib.suppress(Killed):
                run(log, somebody)
        log.is_dangerous = False
        run(log, somebody)
    compare(log, inbox, told)


def run(log: Log, somebody: Script) -> None:
    """One process, from its start until it has nothing more to do or is killed."""
    process = recipient.RecipientExporter(KAFKA, somebody, lambda _kind, _name: (), Health())
    process.start()
    log.when_done = process.leave
    process.run()


def compare(log: Log, inbox: Inbox, told: list[tuple[int, list[Alert]]]) -> None:
    contents: dict[str, tuple[int, frozenset[str]]] = {}
    heard: dict[str, str] = {}
    for message in inbox.messages + inbox.refused:
        content = (message.count, frozenset(each.id for each in message.listed))
        assert contents.setdefault(message.key, content) == content, "the same key is the same message"
        for each in message.listed:
            if each.event != "acknowledged":
                assert heard.setdefault(each.id, message.key) == message.key or log.losses, "in one message"
    wanted = {each.id: partition for partition, batch in told for each in batch if each.severity >= 4}
    assert heard.keys() == wanted.keys(), "all that was told, and nothing else"
    everything = sorted(contents)
    repetitions = len(inbox.messages) + len(inbox.refused) - len(everything)
    assert repetitions <= log.kills + log.losses
    order = list(dict.fromkeys(each.id for message in inbox.messages for each in message.listed))
    for number in set(wanted.values()):
        first = dict.fromkeys(each.id for at, batch in told for each in batch if at == number and each.severity >= 4)
        if not log.losses:
            assert [each for each in order if each in first] == [each for each in first if each in order]
