"""From datagrams to records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from capture.exports.books import Books
from capture.exports.sequences import KeptSequences
from capture.exports.source import Datagram
from capture.exports.windows import Windows
from capture.netflow import NAME
from capture.netflow.domains import Domain, Domains, Key
from capture.netflow.errors import NetflowError
from capture.netflow.flows import FlowMaker, Part
from capture.netflow.layout import values_of
from capture.netflow.messages import (
    FLOW_OF_VERSION_5,
    Message,
    read_message,
    records_of_version_5,
    sets_of,
)
from capture.netflow.options import take_options
from capture.netflow.store import TemplateStore
from capture.netflow.templates import (
    FIRST_DATA_SET,
    SETS,
    VERSION_5,
    VERSION_9,
    Template,
    read_templates,
)
from capture.settings import FlowExportSettings
from capture.source import Observation, Sink

_TOGETHER: Final = 20_000
"""How many records are decoded together at most, and those of one more datagram."""


class NetflowIntake:
    """Makes flows of the datagrams of NetFlow v5, v9 and IPFIX.

    The data sets of one template that come together are decoded together. A data set that comes before its template
    waits for it. What cannot be used is rejected or ignored by its reason; what did not come, as the sequence numbers
    tell, is counted as ``missing``.
    """

    def __init__(
        self,
        observation: Observation,
        settings: FlowExportSettings,
        sink: Sink,
        now: int,
        store: TemplateStore | None = None,
        reached: KeptSequences | None = None,
    ) -> None:
        self._books = Books(observation, NAME, settings, sink, now)
        self._windows = Windows(sink, NAME, settings.wait_seconds * 1_000_000, now)
        self._domains = Domains(settings.exporters, self._books.count, self._expected)
        self._flows = FlowMaker(observation, self._windows, sink)
        self._store = store
        self._reached = reached
        self._waiting: dict[tuple[Domain, Template], list[Part]] = {}
        self._records_waiting = 0
        if store is not None:
            store.load(self._domains)

    def at(self, now: int) -> None:
        self._books.turn(self._windows, now)
        self._windows.reach(now)

    def take(self, datagrams: Sequence[Datagram]) -> None:
        self._books.datagrams(len(datagrams), sum(len(data) for data, _, _ in datagrams))
        for data, exporter, received in datagrams:
            self._windows.see(received)
            self._books.add(exporter, "datagrams")
            try:
                self._message(read_message(data), data, exporter, received)
            except NetflowError as error:
                self._reject(data, exporter, error)
            if self._records_waiting >= _TOGETHER:
                self._flush()
        self._flush()

    def drop(self, datagrams: int) -> None:
        self._books.drop(datagrams)

    def keep(self) -> None:
        if self._store is not None:
            self._store.keep(self._domains)
        if self._reached is not None:
            self._reached.keep(self._numbers())

    def finish(self) -> None:
        self._flush()
        self._domains.give_up()
        self._books.tell(self._windows)
        if self._reached is not None:
            self._reached.finish(self._numbers())

    def _numbers(self) -> dict[str, int]:
        """Which sequence number comes next of each domain."""
        return {_named(domain.key): domain.sequence.expected for domain in self._domains}

    def _expected(self, key: Key) -> int:
        return -1 if self._reached is None else self._reached.expected(_named(key))

    def _message(self, message: Message, data: bytes, exporter: str, received: int) -> None:
        domain = self._domains.find((message.version, exporter, message.domain))
        # Of a datagram that cannot be read to its end it is not known how many records there were.
        units = 1 if message.version == VERSION_9 else None
        try:
            units = self._sets(message, domain, data, received)
        finally:
            self._follow(message, domain, units)

    def _sets(self, message: Message, domain: Domain, data: bytes, received: int) -> int | None:
        """Take what a datagram holds; how many units of its sequence that was, ``None`` where they cannot be told."""
        head = (message.exported, message.uptime, received, message.sampling)
        if message.version == VERSION_5:
            rows, count, _ = FLOW_OF_VERSION_5.layout.rows(records_of_version_5(message, data))
            self._wait(domain, FLOW_OF_VERSION_5, Part(rows, count, *head))
            return count
        units = 0
        known = True
        for number, content in sets_of(message, data):
            if number >= FIRST_DATA_SET:
                template = domain.templates.get(number)
                if template is None:
                    if content:
                        self._domains.hold(domain, (number, content, *head[:3]))
                        known = False
                else:
                    units += self._records(domain, template, content, head)
            elif number in SETS[message.version]:
                self._learn(message, domain, number, content)
            else:
                self._books.count("ignored.set")
        if message.version == VERSION_9:
            return 1
        return units if known else None

    def _learn(self, message: Message, domain: Domain, number: int, content: bytes) -> None:
        options = number == SETS[message.version][1]
        for learned in read_templates(message.version, content, options=options):
            self._books.count("templates")
            self._domains.learn(domain, learned)
            template = domain.templates.get(learned.number)
            if template is None:
                continue
            for _, held, exported, uptime, received in self._domains.release(domain, template.number):
                self._books.count("held.used")
                self._records(domain, template, held, (exported, uptime, received, 0))

    def _records(self, domain: Domain, template: Template, content: bytes, head: tuple[int, int, int, int]) -> int:
        """Take the records of a data set; their number."""
        if template.is_options:
            # What is known of sampling so far holds for what has come so far.
            self._flush()
            count = 0
            for record in values_of(template.fields, content):
                count += 1
                used = take_options(self._domains, domain, record)
                self._books.count("options.used" if used else "options.unused")
            return count
        rows, count, whole = template.layout.rows(content)
        if not whole:
            detail = f"record {count + 1} of a data set of template {template.number} is longer than the set"
            self._reject(content, domain.exporter, NetflowError("record-length", detail))
        if count:
            self._wait(domain, template, Part(rows, count, *head))
        return count

    def _wait(self, domain: Domain, template: Template, part: Part) -> None:
        """Decode these records when the datagrams that came together have been taken apart."""
        self._waiting.setdefault((domain, template), []).append(part)
        self._records_waiting += part.records

    def _flush(self) -> None:
        for (domain, template), parts in self._waiting.items():
            flows = self._flows.make(domain, template, parts)
            self._books.count("flows", flows)
            self._books.add(domain.exporter, "flows", flows)
        self._waiting.clear()
        self._records_waiting = 0

    def _follow(self, message: Message, domain: Domain, units: int | None) -> None:
        step = domain.sequence.follow(message.sequence, units)
        if step.kind:
            self._books.count(f"sequence.{step.kind}")
            self._books.add(domain.exporter, step.kind)
        if step.missing:
            self._books.count("missing", step.missing)
            self._books.add(domain.exporter, "missing", step.missing)

    def _reject(self, data: bytes, exporter: str, error: NetflowError) -> None:
        self._books.reject(data, exporter, error.reason, error.detail, self._windows)


def _named(key: Key) -> str:
    version, exporter, domain = key
    return f"{version} {exporter} {domain}"
