"""`tapline dlq`, over dead letters made by hand and a stand-in for Kafka's producer."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapline.commands import dead_letter_listing
from tapline.commands.dead_letter_choice import kind_of
from tapline.commands.dead_letter_listing import body_lines
from tapline.process.printable import printable
from tests.unit.dead_letter_lab import ALL, FAILED, FLOWS, GARBAGE, LINE, PARTITIONS, REFUSED, Kafka, letter
from tests.unit.exporters.samples import flow
from topics import dead_deeds, dead_log
from topics.catalog import ALERT_STATE, DEAD, FLOW, RANKING, Topic
from topics.codec import Envelope, encode
from topics.dead_letters import EXPORTER, WORKER
from topics.records import DeadLetter
from topics.resending import NotAgain, resent


@pytest.fixture(autouse=True)
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    made = Kafka()
    monkeypatch.setattr(dead_log, "_records", made.records)
    monkeypatch.setattr(dead_log, "Producer", lambda _: made)
    for module in (dead_letter_listing, dead_deeds):
        monkeypatch.setattr(module, "partition_counts", lambda _: PARTITIONS)
    return made


def listed(tapline: Any, *options: str) -> list[DeadLetter]:
    ids = [json.loads(line)["id"] for line in tapline("dlq", "list", "--json", *options).out.splitlines()]
    return [next(each for each in ALL if each.id == found) for found in ids]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), [LINE, REFUSED, FAILED, GARBAGE]),
        (("--limit", "1"), [LINE]),
        (("--topic", "flow"), [REFUSED, FAILED, GARBAGE]),
        (("--topic", "tapline.*"), [REFUSED, FAILED, GARBAGE]),
        (("--topic", "flow", "--stage", "exporter*"), [REFUSED]),
        (("--reason", "*parsing*"), [REFUSED]),
        (("--since", "2023-11-14T22:14:13Z"), [LINE, REFUSED]),
        (("--since", "1 h"), []),
        (("--state", "dropped"), []),
        (("--state", "all"), [LINE, REFUSED, FAILED, GARBAGE]),
    ],
)
def test_letters_are_listed_the_newest_first_and_narrowed(
    tapline: Any, options: tuple[str, ...], found: list[DeadLetter]
) -> None:
    assert listed(tapline, *options) == found


def test_a_list_is_a_table_for_people(tapline: Any) -> None:
    lines = tapline("dlq", "list", "--limit", "2").out.splitlines()
    assert lines[0].split() == ["id", "when", "topic", "place", "stage", "reason", "state", "error"]
    assert lines[2].split()[:8] == [
        REFUSED.id[:12], "2023-11-14", "22:14:13", "tapline.flow.v1", "3/3", EXPORTER, REFUSED.reason, "waiting",
    ]  # fmt: skip
    assert lines[3] == "… and 2 more (--limit)"


def test_a_letter_is_shown_with_what_can_be_read_of_it(tapline: Any) -> None:
    shown = tapline("dlq", "show", REFUSED.id[:8]).out
    for each in (
        "from:      tapline.flow.v1, partition 3, offset 3, record 1 of the message",
        "state:     waiting",
        "retry:     goes to exporter-elasticsearch alone",
        "  trace: 1234",
        f'  {{"id": "{flow(1).id}"',
    ):
        assert each in shown
    assert "  00000000  00 01 ff" in tapline("dlq", "show", GARBAGE.id).out
    assert "retry:     no: it still cannot be read" in tapline("dlq", "show", GARBAGE.id).out
    assert "retry:     no: it was read from syslog, not from a topic in Kafka" in tapline("dlq", "show", LINE.id).out
    whole = json.loads(tapline("dlq", "show", FAILED.id, "--json").out)
    assert (whole["value"], whole["headers"][-1]) == (encode(FLOWS).decode(), ["trace", "1234"])


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"", ["nothing"]),
        (b"[]", ["nothing"]),
        (b'[{"a":1},{"b":2}]', ['{"a": 1}', '{"b": 2}']),
        (b'[{"a":1},{"b":', ['{"a": 1}', 'from here on it is no JSON: {"b":']),
        (b'{"a":1}', ['{"a": 1}']),
        (b"not json", ["no JSON: not json"]),
        (b"\xff\xfe", ["00000000  ff fe" + " " * 43 + " .."]),
    ],
)
def test_of_a_body_all_is_shown_that_can_be_read(body: bytes, lines: list[str]) -> None:
    assert body_lines(body) == lines


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_body_can_be_shown_on_a_terminal(body: bytes) -> None:
    lines = body_lines(body)
    assert lines
    assert lines == [printable(line) for line in lines]


def test_letters_are_sent_again_to_where_they_were_for_the_stage_that_failed(tapline: Any, kafka: Kafka) -> None:
    result = tapline("dlq", "retry", "--topic", "flow", "--comment", "mended", "--author", "ada")
    assert result.out.splitlines()[0] == "2 dead letters sent again: 2 of tapline.flow.v1"
    assert result.out.splitlines()[1].startswith("1 not: it still cannot be read (undecodable")
    assert result.code == 1
    assert result.err.startswith("tapline: 1 dead letter cannot be sent again")
    first, record = kafka.sent
    assert {each[:2] for each in kafka.sent} == {("tapline.flow.v1", 3)}
    node = f"~retry/{FAILED.id[:16]}<node-1"
    assert first[2] == Envelope(FLOW.schema, node, "live", 60, 0, 3, WORKER)
    assert first[3] == encode(FLOWS)
    assert ("trace", b"1234") in first[4]
    assert record[2] == Envelope(FLOW.schema, "node-1", "live", 60, 11, 1, EXPORTER)
    assert record[3] == encode([flow(1)])
    assert listed(tapline) == [LINE, GARBAGE]
    assert listed(tapline, "--state", "retried") == [REFUSED, FAILED]
    assert "by ada: mended" in tapline("dlq", "show", FAILED.id).out


def test_what_was_sent_is_not_sent_again_unless_forced(tapline: Any, kafka: Kafka) -> None:
    assert tapline("dlq", "retry", FAILED.id[:12], "--author", "ada").code == 0
    assert tapline("dlq", "retry", "--stage", WORKER, "--reason", "failed").out == "0 dead letters sent again\n"
    refused = tapline("dlq", "retry", FAILED.id)
    assert (refused.code, refused.err) == (
        1,
        f"tapline: {FAILED.id[:12]} was retried by ada: give --force to do it all the same\n",
    )
    assert len(kafka.sent) == 1
    before = kafka.sent.copy()
    assert tapline("dlq", "retry", FAILED.id, "--force").code == 0
    assert kafka.sent == before + before, "the same messages, by which readers know them"


def test_a_dry_run_changes_nothing(tapline: Any, kafka: Kafka) -> None:
    for verb, said in (("retry", "would be sent again"), ("drop", "would be dropped")):
        result = tapline("dlq", verb, "--all", "--dry-run")
        assert said in result.out
    assert kafka.sent == []
    assert kafka.letters == ALL


def test_a_letter_waits_until_kafka_has_what_was_sent_for_it(tapline: Any, kafka: Kafka) -> None:
    """As after a kill between the two: it is sent once more, and is the same message."""
    kafka.refuses = lambda topic: topic == DEAD.name("tapline")
    failed = tapline("dlq", "retry", FAILED.id)
    assert failed.code == 1
    assert "did not take it (no room)" in failed.err
    assert FAILED in listed(tapline)
    kafka.refuses = lambda topic: topic != DEAD.name("tapline")
    assert tapline("dlq", "retry", FAILED.id).code == 1
    assert FAILED in listed(tapline), "nothing was sent: it is not marked"
    kafka.refuses = lambda _: False
    assert tapline("dlq", "retry", FAILED.id).code == 0
    assert kafka.sent[:1] == kafka.sent[1:]
    assert FAILED not in listed(tapline)


def test_many_letters_are_sent_and_marked_in_parts(tapline: Any, kafka: Kafka) -> None:
    kafka.letters = [letter(EXPORTER, number, encode(FLOWS), "busy") for number in range(250)]
    assert json.loads(tapline("dlq", "retry", "--all", "--json").out)["letters"] == {"tapline.flow.v1": 250}
    assert len(kafka.sent) == 250
    assert [each.state for each in kafka.letters[250:]] == ["retried"] * 250


def test_letters_are_dropped_with_who_and_why(tapline: Any, kafka: Kafka) -> None:
    result = tapline("dlq", "drop", LINE.id[:12], GARBAGE.id[:12], "--author", "ada", "--comment", "a scanner")
    assert result.out == "2 dead letters dropped: 1 of syslog, 1 of tapline.flow.v1\n"
    assert listed(tapline) == [REFUSED, FAILED]
    (told,) = [json.loads(line) for line in tapline("dlq", "list", "--state", "dropped", "--limit", "1", "--json").out.splitlines()]  # fmt: skip  # noqa: E501
    assert (told["id"], told["author"], told["comment"]) == (LINE.id, "ada", "a scanner")
    assert tapline("dlq", "retry", LINE.id).code == 1
    assert kafka.sent == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("retry",), "which dead letters? Give IDs, --topic, --reason, --stage or --since, or --all"),
        (("drop",), "which dead letters?"),
        (("retry", "abcd", "--all"), "an ID says which dead letter"),
        (("retry", "--since", "yesterday"), "--since 'yesterday' is neither a length of time, as 2 h, nor a date"),
        (("show", "zzzz"), "there is no dead letter zzzz: see `tapline dlq list --state all`"),
        (("show", "z"), "'z' is too short for an id: give 4 letters or more"),
    ],
)
def test_a_mistake_is_told_in_one_line(tapline: Any, arguments: tuple[str, ...], said: str) -> None:
    result = tapline("dlq", *arguments)
    assert result.code == 1
    assert result.err.startswith(f"tapline: {said}")
    assert result.err.count("\n") == 1


def test_a_mark_whose_letter_is_gone_says_nothing(tapline: Any, kafka: Kafka) -> None:
    tapline("dlq", "drop", GARBAGE.id)
    kafka.letters.remove(GARBAGE)
    assert listed(tapline, "--state", "all") == [LINE, REFUSED, FAILED]


@pytest.mark.parametrize(
    ("topic", "changes", "why"),
    [
        (ALERT_STATE, {}, "the newest holds"),
        (RANKING, {}, "a top list is merged"),
        (FLOW, {"partition": 4}, "no longer has a partition 4"),
        (FLOW, {"whole_bytes": 5_000_000}, "only a part of its 5,000,000 bytes"),
        (FLOW, {"value": "abc"}, "the letter itself is damaged"),
    ],
)
def test_what_cannot_be_sent_again_says_why(topic: Topic, changes: dict[str, Any], why: str) -> None:

    made = letter(EXPORTER, 1, encode(FLOWS), "busy", topic=topic.name("tapline"))
    with pytest.raises(NotAgain, match=why):
        resent(msgspec.structs.replace(made, **changes), "tapline", PARTITIONS)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("tapline.flow.v1", "flow"), ("a.b.alert-state.v12", "alert-state"), ("syslog", "syslog"), ("x.vy", "x.vy")],
)
def test_the_kind_of_a_topic_is_in_its_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind
