"""Recipients against a real Kafka and real servers: in order, once, and none waits for another."""

from __future__ import annotations

import base64
import itertools
import json
import uuid
from pathlib import Path

import msgspec
import pytest

from exporters.recipients import pools
from exporters.recipients import recipient as recipients
from exporters.recipients.digest import MOST_LISTED
from exporters.recipients.settings import PagerDuty, Webhook, When
from tests.integration.exporters.recipients.lab import RecipientsLab, outcomes, stored
from tests.integration.exporters.recipients.servers import WebServer
from tests.unit.exporters.samples import alert
from tests.waiting import wait_for
from topics.errors import TaplineError
from topics.policy_log import write_entries

ALL = tuple(f"192.0.2.{number}" for number in range(1, 5))


def unique(name: str) -> str:
    """A name that no other test counts under."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


def keys(web: WebServer, path: str = "/") -> list[str]:
    return [request.headers["Idempotency-Key"] for request in web.requests if request.path == path]


@pytest.fixture
def hook(web: WebServer, certificate) -> Webhook:
    return Webhook(name=unique("hook"), url=f"{web.url}/", ca_file=str(certificate[0]), per_minute=0, timeout=60)


def test_what_is_told_arrives_in_order_and_once(lab: RecipientsLab, web: WebServer, hook: Webhook) -> None:
    before = [stored(number) for number in range(3)]
    lab.tell(before)
    told = [stored(number) for number in range(10, 40)]
    with lab.telling(hook):
        lab.tell(told[:20])
        lab.tell(told[20:])
        lab.tell(told[5:8])
        lab.wait_until_done(hook.name)
    assert keys(web) == [each.id for each in told], "neither what was told before it began nor anything twice"
    first = web.requests[0]
    assert first.json["event"] == "stored"
    assert first.json["alerts"][0]["event"]["id"] == told[0].id
    assert outcomes(hook.name) == {"read": 33, "sent": 30, "duplicate": 3}
    with lab.telling(hook):
        lab.tell([stored(7), told[29]])
        lab.wait_until_done(hook.name)
    assert keys(web)[30:] == [stored(7).id], "what was told is known after a restart"
    assert lab.dead_letters() == []


def test_one_that_fails_for_now_is_tried_again_before_the_next(
    lab: RecipientsLab, web: WebServer, hook: Webhook
) -> None:
    web.answers.extend([(503, {}), (429, {"Retry-After": "0"}), (408, {})])
    with lab.telling(hook):
        lab.tell([stored(1), stored(2)])
        lab.wait_until_done(hook.name)
    assert keys(web) == [stored(1).id] * 4 + [stored(2).id]
    assert outcomes(hook.name) == {"read": 2, "sent": 2}


def test_one_that_is_refused_for_good_is_a_dead_letter_and_the_next_passes(
    lab: RecipientsLab, web: WebServer, hook: Webhook
) -> None:
    web.answers.append((400, {}))
    with lab.telling(hook):
        lab.send_broken()
        lab.tell([stored(1), stored(2)])
        lab.wait_until_done(hook.name)
    assert keys(web) == [stored(1).id, stored(2).id]
    broken, refused = lab.dead_letters()
    assert (broken.reason, base64.b64decode(broken.value)) == ("undecodable", b"{")
    assert refused.reason == "400"
    assert refused.error == f"recipient {hook.name}: 400: it answers 400: no more of this"
    assert json.loads(base64.b64decode(refused.value))["id"] == stored(1).id
    assert outcomes(hook.name) == {"read": 3, "sent": 1, "rejected": 2}


def test_what_a_recipient_refused_is_told_again_to_it_alone(
    lab: RecipientsLab, web: WebServer, other_web: WebServer, hook: Webhook
) -> None:
    other = Webhook(name=unique("other"), url=f"{other_web.url}/", per_minute=0, timeout=60)
    web.answers.append((403, {}))
    with lab.telling(hook, other):
        lab.tell([stored(1), stored(2)])
        lab.wait_until_done(hook.name)
        (letter,) = lab.dead_letters()
        assert (letter.stage, letter.index) == (f"recipient-{hook.name}", 0)
        lab.send_again(letter)
        lab.wait_until_done(hook.name)
        lab.wait_until_done(other.name)
    assert keys(web) == [stored(1).id, stored(2).id, stored(1).id]
    assert keys(other_web) == [stored(1).id, stored(2).id]
    assert outcomes(hook.name) == {"read": 3, "sent": 2, "rejected": 1}


def test_pools_are_those_of_the_policy_as_it_is_now(
    lab: RecipientsLab, web: WebServer, hook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "LOOK_EVERY", 0.0)
    file = tmp_path / "policy.yaml"
    file.write_text("pools: {ours: {members: [192.0.2.1]}}", encoding="utf-8")
    lab.set_pool("ours", "192.0.2.2")
    numbers = itertools.count(1)

    def reach(*entities: str) -> None:
        """Tell of these until what arrives is of them alone: a change is not in force at once."""
        told = {address: [stored(next(numbers), entity=address) for _ in range(40)] for address in ALL}

        def arrives() -> bool:
            before = len(web.requests)
            lab.tell([told[address].pop() for address in ALL])
            lab.wait_until_done(hook.name)
            return {each.json["alerts"][0]["tapline"]["alert"]["entity"] for each in web.requests[before:]} == {
                *entities
            }

        wait_for(arrives, f"{', '.join(entities)} to be told of", seconds=60)

    with lab.telling(msgspec.structs.replace(hook, when=[When(pools=["ours"])]), policy=[str(file)]):
        reach("192.0.2.2")
        lab.set_pool("ours", "192.0.2.3", "192.0.2.4")
        reach("192.0.2.3", "192.0.2.4")
        write_entries(lab.kafka, [("pools/ours", "")], "ada")
        reach("192.0.2.1")
        file.write_text("pools: {ours: {members: [192.0.2.0/30]}}", encoding="utf-8")
        reach("192.0.2.1", "192.0.2.2", "192.0.2.3")


def test_what_is_too_old_and_not_delivered_is_given_up(lab: RecipientsLab, web: WebServer, hook: Webhook) -> None:
    web.answers.append((503, {}))
    with lab.telling(msgspec.structs.replace(hook, give_up_seconds=0)):
        lab.tell([stored(1), stored(2)])
        lab.wait_until_done(hook.name)
    assert [letter.reason for letter in lab.dead_letters()] == ["503"]
    assert outcomes(hook.name) == {"read": 2, "sent": 1, "expired": 1}


def test_a_recipient_that_is_down_does_not_stop_the_others(
    lab: RecipientsLab, web: WebServer, other_web: WebServer, hook: Webhook
) -> None:
    down = Webhook(name=unique("down"), url=f"{other_web.url}/", per_minute=0, timeout=60)
    other_web.answers.extend([(503, {})] * 1_000_000)
    told = [stored(number) for number in range(20)]
    with lab.telling(down, hook):
        lab.tell(told)
        lab.wait_until_done(hook.name)
        wait_for(lambda: len(other_web.requests) > 3, "attempts at the one that is down")
        assert lab.health.states()[f"recipient-{down.name}"]["problem"].startswith("503")
        assert lab.health.alive()
        assert not lab.health.ready()
    assert keys(web) == [each.id for each in told]
    assert set(keys(other_web)) == {told[0].id}
    other_web.answers.clear()
    other_web.requests.clear()
    with lab.telling(down):
        lab.wait_until_done(down.name)
    assert keys(other_web) == [each.id for each in told], "nothing is lost over a restart"


def test_a_digest_is_one_message_and_the_same_one_after_a_restart(
    lab: RecipientsLab, web: WebServer, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporters.recipients.digest.MOST", MOST_LISTED + 20)
    quiet = msgspec.structs.replace(hook, digest_seconds=3600.0, when=[When(severity=5)])
    told = [stored(number, type="a" if number % 3 else "b") for number in range(MOST_LISTED + 20)]
    web.answers.extend([(503, {})] * 1_000_000)
    with lab.telling(quiet):
        lab.tell(told[:60], 0)
        lab.tell([stored(5000, severity=2)], 1)
        lab.tell(told[60:], 1)
        wait_for(lambda: len(web.requests) > 1, "the digest to be tried")
    (key,) = set(keys(web))
    first = web.requests[0].json
    assert first["count"] == 120
    assert first["event"] == "digest"
    assert first["title"] == "120 alerts: 80 a, 40 b"
    assert first["text"].splitlines()[-1] == "… and 70 more"
    assert len(first["alerts"]) == MOST_LISTED
    web.answers.clear()
    web.requests.clear()
    # What comes after it was announced is not in it, though it is there when it is put together again.
    lab.tell([stored(6000)], 0)
    with lab.telling(msgspec.structs.replace(quiet, digest_seconds=0.0)):
        lab.wait_until_done(quiet.name)
    digest, single = web.requests
    assert digest.headers["Idempotency-Key"] == key
    assert {each["event"]["id"] for each in digest.json["alerts"]} <= {each.id for each in told}
    assert (digest.json["count"], digest.json["title"]) == (120, first["title"])
    assert single.headers["Idempotency-Key"] == stored(6000).id
    assert outcomes(quiet.name)["digested"] == 120


def test_what_is_beyond_the_limit_comes_as_one_message(
    lab: RecipientsLab, web: WebServer, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lab.telling(msgspec.structs.replace(hook, per_minute=2)):
        lab.tell([stored(number) for number in range(10)])
        wait_for(lambda: outcomes(hook.name).get("read") == 10, "all to be read")
        assert len(web.requests) == 2
        monkeypatch.setattr("exporters.recipients.rate_limit.PERIOD", 0.0)
        lab.wait_until_done(hook.name)
    assert keys(web)[:2] == [stored(0).id, stored(1).id]
    (rest,) = [request.json for request in web.requests[2:]]
    assert [each["event"]["id"] for each in rest["alerts"]] == [stored(number).id for number in range(2, 10)]
    assert outcomes(hook.name) == {"read": 10, "sent": 2, "suppressed": 8}


def test_an_incident_is_triggered_acknowledged_and_resolved(
    lab: RecipientsLab, web: WebServer, certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTING_KEY", "r" * 32)
    pager = PagerDuty(
        name=unique("pager"),
        routing_key="env:ROUTING_KEY",
        url=f"{web.url}/v2/enqueue",
        ca_file=str(certificate[0]),
        when=[When(severity=5)],
        timeout=60,
    )
    raised = alert(1, "raised")
    calmer = msgspec.structs.replace(alert(2, "changed"), severity=2)
    released = msgspec.structs.replace(alert(3, "released"), severity=2)
    with lab.telling(pager):
        lab.tell([raised])
        wait_for(lambda: web.requests, "the incident")
        lab.acknowledge(raised.episode, "ada", "on it")
        wait_for(lambda: len(web.requests) == 2, "the acknowledgement")
    # Another process knows what the one before it has told of.
    lab.acknowledge("f" * 32, "bob", "of something else")
    with lab.telling(pager):
        lab.tell([calmer, released])
        lab.wait_until_done(pager.name)
        wait_for(lambda: outcomes(pager.name).get("not-told") == 1, "the other acknowledgement")
    events = [request.json for request in web.requests]
    assert [event["event_action"] for event in events] == ["trigger", "acknowledge", "trigger", "resolve"]
    assert {event["dedup_key"] for event in events} == {raised.episode}
    assert {event["routing_key"] for event in events} == {"r" * 32}
    assert outcomes(pager.name) == {"read": 5, "sent": 4, "not-told": 1}


def test_an_unexpected_error_is_tried_again(
    lab: RecipientsLab, web: WebServer, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []
    made = recipients.sender_for

    def stumbling(recipient):
        sender = made(recipient)
        send = sender.send

        def stumble(message):
            attempts.append(message.key)
            if len(attempts) == 1:
                raise ZeroDivisionError
            send(message)

        sender.send = stumble
        return sender

    monkeypatch.setattr(recipients, "sender_for", stumbling)
    with lab.telling(hook):
        lab.tell([stored(1)])
        lab.wait_until_done(hook.name)
    assert attempts == [stored(1).id] * 2
    assert keys(web) == [stored(1).id]


def test_one_whose_sending_fails_each_time_is_given_up(
    lab: RecipientsLab, web: WebServer, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporters.recipients.senders.webhook.signature", lambda *_: 1 // 0)
    monkeypatch.setenv("SIGNING", "key")
    with lab.telling(msgspec.structs.replace(hook, secret="env:SIGNING")):
        lab.tell([stored(1)])
        lab.wait_until_done(hook.name)
    assert [(letter.reason, letter.error[-17:]) for letter in lab.dead_letters()] == [
        ("unexpected", "ZeroDivisionError")
    ]
    assert outcomes(hook.name) == {"read": 1, "rejected": 1}


def test_two_exporters_share_a_recipient(lab: RecipientsLab, web: WebServer, hook: Webhook) -> None:
    with lab.telling(hook):
        lab.tell([stored(number) for number in range(10)], 0)
        with lab.telling(hook):
            lab.tell([stored(number) for number in range(10, 20)], 0)
            lab.tell([stored(number) for number in range(20, 30)], 1)
            lab.wait_until_done(hook.name)
    assert sorted(set(keys(web))) == sorted(stored(number).id for number in range(30))


def test_missing_topics_are_told(lab: RecipientsLab, hook: Webhook) -> None:
    elsewhere = RecipientsLab.__new__(RecipientsLab)
    elsewhere.__dict__.update(lab.__dict__)
    elsewhere.kafka = msgspec.structs.replace(lab.kafka, prefix=unique("nowhere"))
    with pytest.raises(TaplineError, match="run `tapline topics create`"), elsewhere.telling(hook):
        pass
