"""What people do about dead letters in the console is what they do by `tapline dlq`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.console.lab import NOTHING, Lab
from tests.unit.dead_letter_lab import ALL, FAILED, GARBAGE, LINE, PARTITIONS, REFUSED, Kafka
from topics import dead_deeds, dead_log
from topics.catalog import DEAD
from topics.dead_log import read_standings
from topics.settings import KafkaSettings


@pytest.fixture(autouse=True)
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    made = Kafka()
    monkeypatch.setattr(dead_log, "_records", made.records)
    monkeypatch.setattr(dead_log, "Producer", lambda _: made)
    monkeypatch.setattr(dead_deeds, "partition_counts", lambda _: PARTITIONS)
    return made


def states() -> dict[str, str]:
    return {identity: standing.state for identity, standing in read_standings(KafkaSettings()).items()}


def shown(_what: str, question: dict[str, Any]) -> dict[str, Any]:
    """Elasticsearch, as the exporter has written the letters there."""
    if DEAD.kind not in question.get("index", "") or "aggs" in question:
        return NOTHING
    hits = [
        {
            "_source": {
                "error": {"type": each.reason, "message": each.error},
                "tapline": {"dead": {"letter": each.id, "topic": each.topic, "stage": each.stage}},
            }
        }
        for each in ALL
    ]
    return NOTHING | {"hits": {"hits": hits}}


def test_an_operator_finds_the_buttons_and_a_viewer_does_not(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.store.answer = shown
    page = lab.client("operator").get("/pipeline").text
    for each in ALL:
        assert f'name="letter" value="{each.id}"' in page
        assert f'<option value="{each.reason}">' in page
    page = lab.client("viewer").get("/pipeline").text
    assert FAILED.reason in page
    assert "dead-letters/" not in page


def test_one_is_sent_again_and_no_second_time(tmp_path: Path, kafka: Kafka) -> None:
    lab = Lab(tmp_path)
    client = lab.client("operator")
    answer = client.post("/pipeline/dead-letters/retry", data={"letter": FAILED.id})
    assert answer.status_code == 303
    assert "1+dead+letter+sent+again%3A+1+of+tapline.flow.v1" in answer.headers["location"]
    assert len(kafka.sent) == 1
    assert states()[FAILED.id] == "retried"
    again = client.post("/pipeline/dead-letters/retry", data={"letter": FAILED.id})
    assert again.status_code == 422
    assert "it was retried by operator already" in again.text
    assert len(kafka.sent) == 1


def test_all_of_a_reason_are_dropped_with_who_and_why(tmp_path: Path, kafka: Kafka) -> None:
    lab = Lab(tmp_path)
    answer = lab.client("operator").post(
        "/api/dead-letters/drop", json={"reason": LINE.reason, "comment": "a scanner's"}
    )
    assert answer.json() == {"said": "1 dead letter dropped: 1 of syslog", "letters": {"syslog": 1}, "refused": {}}
    assert states() == dict.fromkeys((each.id for each in ALL), "waiting") | {LINE.id: "dropped"}
    assert (kafka.letters[-1].author, kafka.letters[-1].comment) == ("operator", "a scanner's")
    (deed,) = lab.console.audit.newest()
    assert (deed.who, deed.what) == ("operator", "dropped dead letters")
    assert (deed.about, deed.detail) == (f"all of the reason {LINE.reason}", "1 of them. a scanner's")


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({}, 422, "which dead letters?"),
        ({"letter": FAILED.id, "reason": "failed"}, 422, "which dead letters?"),
        ({"letter": "no such"}, 404, "Kafka holds no such dead letter"),
        ({"reason": "no such"}, 404, "no dead letter of this reason waits"),
        ({"letter": GARBAGE.id}, 422, "1 not: it still cannot be read"),
        ({"letter": LINE.id}, 422, "1 not: it was read from syslog, not from a topic in Kafka"),
    ],
)
def test_what_cannot_be_done_is_told(
    given: dict[str, str], status: int, said: str, tmp_path: Path, kafka: Kafka
) -> None:
    answer = Lab(tmp_path).client("operator").post("/api/dead-letters/retry", json=given)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert kafka.sent == []
    assert set(states().values()) == {"waiting"}


def test_a_kafka_that_does_not_take_it_is_told_and_the_letter_waits(tmp_path: Path, kafka: Kafka) -> None:
    kafka.refuses = lambda _topic: True
    answer = Lab(tmp_path).client("operator").post("/api/dead-letters/retry", json={"letter": REFUSED.id})
    assert answer.status_code == 503
    assert "did not take it (no room)" in answer.json()["detail"]
    assert states()[REFUSED.id] == "waiting"
