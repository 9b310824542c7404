"""What recipients say of themselves: each notification that is read has one outcome, and what waits is seen."""

from __future__ import annotations

import uuid

import msgspec
from prometheus_client import REGISTRY

from exporters.recipients.settings import Webhook, When
from tests.integration.exporters.recipients.lab import RecipientsLab, outcomes, stored
from tests.integration.exporters.recipients.servers import WebServer
from tests.waiting import wait_for

LAG = "tapline_recipient_lag_messages"
OLDEST = "tapline_recipient_oldest_unexported_seconds"


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def hook(url: str, **changes: object) -> Webhook:
    """A webhook under a name that no other test counts under."""
    usual = Webhook(name=f"hook-{uuid.uuid4().hex[:8]}", url=f"{url}/", per_minute=0, timeout=60)
    return msgspec.structs.replace(usual, **changes)


def test_what_is_read_has_one_outcome_each(lab: RecipientsLab, other_web: WebServer) -> None:
    other_web.answers.append((400, {}))
    recipient = hook(other_web.url, when=[When(severity=5)])
    with lab.telling(recipient):
        lab.tell([stored(1), stored(2)])
        lab.tell([stored(2), stored(3, severity=2)])
        lab.send_broken()
        lab.acknowledge("an episode that it knows nothing of", "ada", "")
        lab.wait_until_done(recipient.name)
        wait_for(lambda: outcomes(recipient.name).get("not-told"), "the acknowledgement to be read")
    found = outcomes(recipient.name)
    assert found.pop("read") == sum(found.values())
    assert found == {"rejected": 2, "sent": 1, "duplicate": 1, "not-routed": 1, "not-told": 1}


def test_what_waits_is_seen_and_how_long(lab: RecipientsLab, other_web: WebServer) -> None:
    recipient = hook(other_web.url)
    partition = {"recipient": recipient.name, "partition": "notification/0"}
    with lab.telling(recipient):
        other_web.let_go.clear()
        lab.tell([stored(1)])
        for number in range(2, 6):
            lab.tell([stored(number)])
        wait_for(lambda: (gauge(OLDEST, recipient=recipient.name) or 0) > 0, "the first to be in hand")
        before = gauge(OLDEST, recipient=recipient.name) or 0
        wait_for(lambda: (gauge(OLDEST, recipient=recipient.name) or 0) > before, "it to grow older")
        other_web.let_go.set()
        lab.wait_until_done(recipient.name)
        wait_for(lambda: gauge(OLDEST, recipient=recipient.name) == 0, "nothing to be in hand")
        wait_for(lambda: gauge(LAG, **partition) == 0, "the lag to be measured")

        other_web.answers.extend([(503, {})] * 1_000_000)
        for number in range(6, 10):
            lab.tell([stored(number)])
        wait_for(lambda: (gauge(LAG, **partition) or 0) >= 3, "the lag to be seen", seconds=90)
    assert gauge(OLDEST, recipient=recipient.name) is None, "who has left says nothing"
    assert gauge(LAG, **partition) is None
