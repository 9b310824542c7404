"""What the tests of Zeek's logs share: logs made by hand, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from capture.settings import CaptureSettings
from capture.source import CutShort, Observation
from capture.zeek.opening import open_zeek
from tests.unit.capture.sinks import KeepingSink
from topics.catalog import ALERT, DEAD, RESOURCE
from topics.codec import decode, encode
from topics.records import Alert, DeadLetter, Resource

BEGAN = 1_600_000_000
"""13 September 2020, 12:26:40 UTC: 40 seconds into a window."""

ENDS = {"uid": "C1", "id.orig_h": "192.0.2.1", "id.orig_p": 40_000, "id.resp_h": "198.51.100.2", "id.resp_p": 443}
CONN = {
    "ts": BEGAN, **ENDS, "proto": "tcp", "service": "ssl", "duration": 2.5, "orig_bytes": 100, "resp_bytes": 2000,
    "conn_state": "SF", "history": "ShADadFf", "orig_pkts": 6, "orig_ip_bytes": 420, "resp_pkts": 5,
    "resp_ip_bytes": 2260,
}  # fmt: skip


class Taken(KeepingSink):
    """A sink with the questions tests ask."""

    def __init__(self, observation: Observation) -> None:
        super().__init__()
        self.observation = observation
        self.problem = ""

    @property
    def resources(self) -> list[Resource]:
        return [put.record for put in self.put_all if put.topic is RESOURCE]  # type: ignore[misc]

    @property
    def alerts(self) -> list[Alert]:
        return [put.record for put in self.put_all if put.topic is ALERT]  # type: ignore[misc]

    @property
    def letters(self) -> list[DeadLetter]:
        return [put.record for put in self.put_all if put.topic is DEAD]  # type: ignore[misc]

    @property
    def reasons(self) -> dict[str, int]:
        return self.family("rejected.")

    def family(self, prefix: str) -> dict[str, int]:
        return {
            counter.removeprefix(prefix): amount
            for counter, amount in self.counts.items()
            if counter.startswith(prefix)
        }

    def sums_up(self) -> bool:
        """True when every line has become something that is counted."""
        accounted = self.counts["headers"] + self.counts["used"]
        accounted += sum(self.reasons.values()) + sum(self.family("ignored.").values())
        return accounted == self.counts["lines"]


def read(path: Path) -> Taken:
    """What becomes of a log, or of a folder of them; every record can be published and read again."""
    observation, (source,) = open_zeek(f"zeek:{path}", CaptureSettings(node="node"))
    taken = Taken(observation)
    try:
        source.run(taken)
    except CutShort as error:
        taken.problem = str(error)
    for topic, key, record, _ in taken.put_all:
        assert decode(topic.record, encode([record])) == [record]
        assert isinstance(key, str)
    return taken


def lines_of(*rows: Mapping[str, Any], path: str = "") -> str:
    """A log as JSON lines; with ``path`` each says of which log it is."""
    return "".join(json.dumps(({"_path": path} if path else {}) | row) + "\n" for row in rows)


def columns_of(path: str, *rows: Mapping[str, Any]) -> str:
    """The same in columns, with all fields that a row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{path}"]
    body = ["\t".join(_text(row.get(name)) for name in names) for row in rows]
    return "\n".join([*head, "\t".join(["#fields", *names]), *body, "#close\t2020-09-13-13-00-00", ""])


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value)) or "(empty)"
    return str(value) or "(empty)"
