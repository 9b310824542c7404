"""From lines to records."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from typing import Final

from capture.eve.decoder import EveDecoder
from capture.eve.errors import EveError
from capture.network.addresses import plain_address
from capture.settings import SyslogSettings
from capture.source import Observation, Sink
from capture.syslog.message import REASONS, Parser
from capture.syslog.producers import Producers
from capture.syslog.rejected import Rejected
from capture.syslog.timeline import Timeline, moved
from topics.catalog import DOCUMENT, METRIC
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, Document, Metric

NAME: Final = "syslog"
GROUP: Final = "Syslog"
SURICATA: Final = "suricata"

_COOKIE: Final = "@cee:"
"""What may stand before JSON in a syslog message."""


class Intake:
    """Makes the records of lines: documents, and of Suricata's events what they tell.

    Every line is in one document or makes the records of one event (with ``eve_documents`` both), or it is rejected
    for a reason; all are counted. A window's sums are a sample of the counter group ``Syslog``, key: the
    observation point, meters ``lines``, ``bytes``, ``rejected``, and ``dropped`` by the kernel.

    A record's time is its message's own where that is believable (:class:`~capture.syslog.timeline.Timeline`), else
    the time its line came, which a document's ``received`` says.
    """

    def __init__(
        self, observation: Observation, settings: SyslogSettings, zone: tzinfo, sink: Sink, received: int
    ) -> None:
        self._observation = observation
        self._sink = sink
        self._parser = Parser(zone)
        self._producers = Producers(settings.producers)
        self._eve = EveDecoder(observation)
        self._eve_documents = settings.eve_documents
        self._rejected = Rejected(observation, NAME, settings.rejected_per_minute, sink)
        self._timeline = Timeline(received, live=not observation.is_file)
        self._window = self._timeline.window
        self._prefix = digest(observation.identity, NAME)[:20]
        self._number = 0
        self._octets = 0
        self._dropped = 0
        self._told = (0, 0, 0, 0)

    def at(self, now: int) -> None:
        """Live: it is now this time (epoch microseconds)."""
        self._timeline.at(now)
        if self._timeline.window != self._window:
            self._turn()

    def drop(self, datagrams: int) -> None:
        """The kernel has lost this many."""
        if datagrams:
            self._dropped += datagrams
            self._sink.count(NAME, "dropped.kernel", datagrams)

    def take(self, lines: Iterable[bytes], peer: str) -> None:
        """Take lines of one sender, whose address is empty where it has none."""
        # This loop runs for every line.
        timeline, sink = self._timeline, self._sink
        parse, choose, date, put = self._parser.parse, self._producers.choose, timeline.date, sink.put
        node, point, prefix = self._observation.node, self._observation.observation_point, self._prefix
        lines_before, octets_before = self._number, self._octets
        for line in lines:
            number = self._number = self._number + 1
            self._octets += len(line)
            try:
                text = line.decode()
            except UnicodeDecodeError:
                text = line.decode("utf-8", "replace")
                sink.count(NAME, "not-utf-8")
            parsed = parse(text, timeline.received)
            if isinstance(parsed, str):
                self._reject(line, parsed, REASONS[parsed])
                continue
            head, own, content, client = parsed
            producer = choose(content, client, head.hostname, peer, head.application)
            if not producer:
                self._reject(line, "no-producer", "no application, and capture.syslog.producers has no entry for it")
                continue
            time = date(own)
            if timeline.window != self._window:
                self._turn()
            if time != own:
                head.received = True
                if own:
                    sink.count(NAME, "time-not-believed")
            source = (plain_address(client) or peer) if client else peer
            if producer == SURICATA and content.startswith(("{", _COOKIE)):
                taken = self._take_event(line, content.removeprefix(_COOKIE), head.hostname or source)
                if not taken or not self._eve_documents:
                    continue
            head.producer = producer
            document = Document(
                id=f"{prefix}{number:012x}",
                time=time,
                node=node,
                observation_point=point,
                source_ip=source,
                group=NAME,
                key=producer,
                text=content,
                syslog=head,
            )
            put(DOCUMENT, source or head.hostname, document, self._window)
        sink.count(NAME, "lines", self._number - lines_before)
        sink.count(NAME, "bytes", self._octets - octets_before)

    def refuse(self, line: bytes, reason: str, detail: str) -> None:
        """Reject what never was a line of its own, as half a message."""
        self._number += 1
        self._octets += len(line)
        self._sink.count(NAME, "lines")
        self._sink.count(NAME, "bytes", len(line))
        self._reject(line, reason, detail)

    def finish(self) -> None:
        """Put the sums of the window that is open."""
        self._put_sums()

    def _reject(self, line: bytes, reason: str, detail: str) -> None:
        self._rejected.add(line, self._number, reason, detail, self._timeline.received, self._window)

    def _take_event(self, line: bytes, content: str, sensor: str) -> bool:
        """Put what an event of Suricata tells; False when it was rejected."""
        try:
            made = self._eve.decode(content, sensor, f"{self._prefix}{self._number:012x}")
        except EveError as error:
            self._reject(line, error.reason, error.detail)
            return False
        for topic, key, record in made:
            time = self._timeline.date(record.time)
            if self._timeline.window != self._window:
                self._turn()
            if time != record.time:
                self._sink.count(NAME, "time-not-believed")
                record = moved(record, time)  # noqa: PLW2901
            self._sink.put(topic, key, record, self._window)
        return True

    def _turn(self) -> None:
        """Close the window of before and begin that of the timeline."""
        self._put_sums()
        before, self._window = self._window, self._timeline.window
        if self._window > before:
            self._sink.advance(NAME, self._window - WINDOW_SECONDS)

    def _put_sums(self) -> None:
        """Put what came since the last sums, if anything did."""
        now = (self._number, self._octets, self._rejected.count, self._dropped)
        if now == self._told:
            return
        lines, octets, rejected, dropped = (new - old for new, old in zip(now, self._told, strict=True))
        self._told = now
        observation = self._observation
        sample = Metric(
            id=digest(observation.identity, GROUP, *now),
            time=(self._window + WINDOW_SECONDS) * 1_000_000 - 1,
            node=observation.node,
            observation_point=observation.observation_point,
            group=GROUP,
            key=observation.observation_point,
            meters={"lines": lines, "bytes": octets, "rejected": rejected, "dropped": dropped},
            source=NAME,
        )
        self._sink.put(METRIC, f"{GROUP}\0{sample.key}", sample, self._window)
