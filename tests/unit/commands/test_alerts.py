"""`tapline alerts`, over alerts made by hand."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tapline.commands import alert_changes, alert_listing
from tests.unit.exporters.samples import alert, alert_state
from topics.records import Alert, AlertState, PolicyEntry

ENGAGED = msgspec.structs.replace(
    alert_state(), status="engaged", alert=alert(), acknowledged="", withheld="", told=[], id="5" * 32
)
QUIET = msgspec.structs.replace(
    ENGAGED,
    id="6" * 32,
    withheld="excluded",
    alert=msgspec.structs.replace(alert(), entity="10.0.0.9", severity=7, episode="c" * 32, event="", id=""),
)
STORED = msgspec.structs.replace(alert(3, "stored"), id="7" * 32, episode="7" * 32, entity="10.0.0.9", type="dyndns")


class Kafka:
    """What the topics hold, and what commands write to them."""

    def __init__(self) -> None:
        self.conditions: dict[str, AlertState] = {each.id: each for each in (ENGAGED, QUIET)}
        self.told: list[Alert] = [STORED, alert()]
        self.entries: dict[str, PolicyEntry] = {}
        self.released: list[tuple[str, str, str]] = []

    def write(self, _kafka: Any, entries: list[tuple[str, str]], author: str, comment: str = "") -> int:
        for key, value in entries:
            self.entries.pop(key, None)
            if value:
                self.entries[key] = PolicyEntry(id="", time=0, key=key, value=value, author=author, comment=comment)
        return len(entries)

    def release(self, _kafka: Any, alerts: list[Alert], author: str, comment: str = "") -> int:
        self.released += [(each.episode, author, comment) for each in alerts]
        return len(alerts)


@pytest.fixture(autouse=True)
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    made = Kafka()
    monkeypatch.setattr(alert_listing, "read_conditions", lambda _: made.conditions)
    monkeypatch.setattr(alert_listing, "read_notifications", lambda _: made.told)
    for module in (alert_listing, alert_changes):
        monkeypatch.setattr(module, "read_entries", lambda _: made.entries)
    monkeypatch.setattr(alert_changes, "write_entries", made.write)
    monkeypatch.setattr(alert_changes, "write_releases", made.release)
    return made


def test_what_is_engaged_is_listed_the_most_severe_first(tapline: Any) -> None:
    lines = tapline("alerts", "list").out.splitlines()
    assert lines[0].split() == ["id", "since", "severity", "type", "entity", "message", "seen", "by"]
    assert [line.split()[0] for line in lines[1:]] == ["6" * 12, "5" * 12]
    assert "alert (not told)" in lines[1]
    assert "2023-11-14 22:13:10  error" in lines[2]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--entity", "192.0.2.0/24"), ["5" * 32]),
        (("--entity", "10.0.0.*"), ["6" * 32]),
        (("--alert", "dns*"), []),
        (("--limit", "1"), ["6" * 32]),
    ],
)
def test_what_is_engaged_can_be_narrowed(tapline: Any, options: tuple[str, ...], found: list[str]) -> None:
    printed = tapline("alerts", "list", "--json", *options).out.splitlines()
    assert [json.loads(line)["id"] for line in printed] == found


def test_what_is_past(tapline: Any) -> None:
    (line,) = tapline("alerts", "list", "--past").out.splitlines()[1:]
    assert line.split()[:4] == ["7" * 12, "2023-11-14", "22:14:10", "stored"]
    assert json.loads(tapline("alerts", "list", "--past", "--json").out)["id"] == STORED.id


def test_an_alert_says_why(tapline: Any) -> None:
    said = tapline("alerts", "show", "5555").out
    for expected in (
        "alert:          short-ssh bytes",
        "with:           2001:db8::1",
        "severity:       error (5)",
        "score:          30 (security)",
        "script:         short_ssh.py",
        "configuration:  checks/short_ssh/overrides/0",
        "value:          900, threshold 1000",
        "since:          2023-11-14 22:13:10",
        "evidence:       " + "f" * 32,
        "links:          https://wiki.example.org/short-ssh",
        "held by:        flow-0/short_ssh.py",
        "2023-11-14 22:14:10  raised    error     a session of 900 bytes",
    ):
        assert expected in said
    assert "nothing: excluded" in tapline("alerts", "show", "6666").out
    shown = json.loads(tapline("alerts", "show", "7777", "--json").out)
    assert (shown["condition"], [each["id"] for each in shown["told"]]) == (None, [STORED.id])


def test_an_alert_is_found_by_the_beginning_of_any_of_its_ids(tapline: Any) -> None:
    for identity in ("5555", ENGAGED.alert.episode[:6], alert().id[:8], "5" * 32):
        assert "short-ssh" in tapline("alerts", "show", identity).out


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("show", "555"), "'555' is too short for an id: give 4 letters or more"),
        (("show", "ffff"), "there is no alert ffff: see `tapline alerts list`, or `tapline alerts list --past`"),
        (("release", "7777"), "7777 is not engaged: there is nothing to release"),
        (("exclude",), "this would exclude every alert: give an ID, or what is to fit (see --help)"),
        (
            ("exclude", "5555", "--for", "1 h", "--until", "2026-01-01"),
            "--for and --until exclude each other",
        ),
        (("exclude", "5555", "--for", "soon"), "soon"),
        (("unexclude", "none"), "no exclusion none was set: see `tapline alerts exclusions`"),
    ],
)
def test_mistakes_are_told_in_a_line(tapline: Any, arguments: tuple[str, ...], error: str) -> None:
    result = tapline("alerts", *arguments)
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert error in result.err


def test_seen_by_somebody(tapline: Any, kafka: Kafka) -> None:
    said = tapline("alerts", "ack", "5555", "--comment", "known", "--author", "ada").out
    assert said == f"{ENGAGED.alert.episode[:12]} short-ssh 192.0.2.10: seen by ada\n"
    (entry,) = kafka.entries.values()
    assert entry.key == f"acknowledgements/{ENGAGED.alert.episode}"
    assert json.loads(entry.value)["author"] == "ada"
    assert tapline("alerts", "list").out.splitlines()[2].endswith(" ada")
    assert "seen by:        ada" in tapline("alerts", "show", "5555").out


def test_a_release_by_hand(tapline: Any, kafka: Kafka) -> None:
    assert "released by ada" in tapline("alerts", "release", "5555", "6666", "--author", "ada", "--comment", "gone").out
    assert kafka.released == [(ENGAGED.alert.episode, "ada", "gone"), (QUIET.alert.episode, "ada", "gone")]


def test_exclusions_are_set_listed_and_taken_back(tapline: Any, kafka: Kafka) -> None:
    said = tapline("alerts", "exclude", "5555", "--until", "2026-12-24", "--comment", "audit", "--author", "ada").out
    assert said.startswith("alert short-ssh, entity 192.0.2.10, signature SSH session that moved nothing: excluded; ")
    (entry,) = kafka.entries.values()
    assert json.loads(entry.value)["until"] == 1_798_070_400_000_000
    key = entry.key.removeprefix("exclusions/")
    assert f"`tapline alerts unexclude {key}` takes it back" in said
    assert tapline("alerts", "exclude", "5555", "--until", "2026-12-24").code == 0
    assert len(kafka.entries) == 1, "the same exclusion is one"
    (row,) = tapline("alerts", "exclusions").out.splitlines()[1:]
    assert row.split()[0] == key
    assert "2026-12-24 00:00" in row
    assert tapline("alerts", "unexclude", key).out == f"{key}: taken back\n"
    assert kafka.entries == {}
