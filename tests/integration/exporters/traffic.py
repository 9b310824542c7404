"""Traffic by the window for tests that disturb the exporter, and the check that all of it came through, once."""

from __future__ import annotations

import base64

import msgspec
from prometheus_client import REGISTRY

from tests.integration.exporters.lab import Lab, Outcomes
from tests.unit.exporters.samples import WINDOW, counter, dns, flow
from topics.catalog import COUNTER, FLOW, RESOURCE
from topics.records import WINDOW_SECONDS, Flow

OTHERS = 20
"""Counters in a window, and resources."""

MESSAGE = 250
BAD = 100
"""One flow of so many has an address that the mapping refuses."""

NO_ADDRESS = "not an address"
_OTHERS = {COUNTER: counter, RESOURCE: dns}


class Traffic:
    """Windows of so many flows and some other records, published one after the other, and what became of them."""

    def __init__(self, lab: Lab, flows: int) -> None:
        self.lab = lab
        self.windows = 0
        self._flows = flows
        self._outcomes = Outcomes()
        self._in_hand = {topic: _in_hand(topic.kind) for topic in (FLOW, *_OTHERS)}

    def publish(self, windows: int) -> None:
        """Publish the next windows, whole."""
        for number in range(self.windows, self.windows + windows):
            window = WINDOW + number * WINDOW_SECONDS
            last = (number + 1) * self._flows
            for first in range(number * self._flows, last, MESSAGE):
                flows = [self._flow(each) for each in range(first, min(first + MESSAGE, last))]
                self.lab.publish(FLOW, flows, first // MESSAGE % 2, window)
            for topic, make in _OTHERS.items():
                records = [make(each) for each in range(number * OTHERS, (number + 1) * OTHERS)]
                self.lab.publish(topic, records, number % 2, window)
            for topic in (FLOW, *_OTHERS):
                for partition in range(2):
                    self.lab.mark(topic, partition, window)
        self.windows += windows
        self.lab.flush()

    def check(self) -> None:
        """Each record is one document or, if the mapping refuses it, one dead letter; and the counters say so."""
        flows = [self._flow(number) for number in range(self.windows * self._flows)]
        good = [each for each in flows if each.source_ip != NO_ADDRESS]
        bad = sorted({each.id for each in flows} - {each.id for each in good})
        assert len(bad) == -(-len(flows) // BAD)
        assert self.lab.identities(FLOW) == sorted(each.id for each in good)
        assert self.lab.total(FLOW, "network.bytes") == sum(
            each.delta_source_bytes + each.delta_destination_bytes for each in good
        )
        for topic, make in _OTHERS.items():
            expected = sorted(make(number).id for number in range(self.windows * OTHERS))
            assert self.lab.identities(topic) == expected
        letters = self.lab.dead_letters()
        assert {each.reason for each in letters} == {"document_parsing_exception"}
        rejected = [msgspec.json.decode(base64.b64decode(each.value), type=Flow).id for each in letters]
        assert sorted(rejected) == bad
        for topic, in_hand in self._in_hand.items():
            found = self._outcomes.of(topic)
            assert found["read"] == found["written"] + found["duplicate"] + found["rejected"]
            assert found["rejected"] == (len(bad) if topic is FLOW else 0)
            assert _in_hand(topic.kind) == in_hand

    def _flow(self, number: int) -> Flow:
        end = (WINDOW + number // self._flows * WINDOW_SECONDS + number % WINDOW_SECONDS) * 1_000_000
        made = flow(number, time=end, start=end - 1000, end=end)
        return msgspec.structs.replace(made, source_ip=NO_ADDRESS) if number % BAD == 0 else made


def _in_hand(kind: str) -> float:
    return REGISTRY.get_sample_value("tapline_exporter_records_in_hand", {"topic": kind}) or 0.0
