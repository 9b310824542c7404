"""The sources that are fed damaged inputs, and how it is seen that they have taken all of them."""

from __future__ import annotations

import gzip
import os
import random
import sys
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from itertools import islice
from pathlib import Path
from typing import Final

from bench.fuzz_inputs import COLLECTED, LINES_OF_SYSLOG, TRAPS, answers, damaged_json, events, exports, frames
from bench.fuzz_netflow import SHARED, mutated
from capture.collectors.intake import CollectorIntake
from capture.enrichment.domains import Domains
from capture.enrichment.settings import EnrichmentSettings
from capture.eve.intake import Intake as EveIntake
from capture.eve.lines import Lines
from capture.exports.source import Intake as ExportIntake
from capture.netflow.intake import NetflowIntake
from capture.nfstream_engine.source import NfstreamSource
from capture.settings import CaptureSettings, FlowExportSettings, SyslogSettings
from capture.sflow.intake import SflowIntake
from capture.snmp.credentials import Passwords
from capture.snmp.settings import SnmpUser
from capture.snmptrap.engine import Engine
from capture.snmptrap.intake import Intake as TrapIntake
from capture.snmptrap.users import Users
from capture.source import observe_file, observe_live
from capture.syslog.framing import BrokenFrame, Framer
from capture.syslog.intake import Intake as SyslogIntake
from capture.zeek.opening import open_zeek
from tests.unit.capture.wire import Frame, pcap
from topics.catalog import Topic
from topics.codec import encode
from topics.errors import TaplineError
from topics.records import Document, Flow, Record

NOW: Final = 1_700_000_000_000_000


class Sink:
    """Makes of every record what Kafka would get, and keeps none. ``packets`` are those that flows tell of."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.records: Counter[str] = Counter()
        self.packets = 0

    def put(self, topic: Topic, _key: str, record: Record, _window: int) -> None:
        """Take one record."""
        self.records[record.group if isinstance(record, Document) else topic.kind] += 1
        encode([record])
        if isinstance(record, Flow):
            self.packets += record.delta_packets

    def advance(self, _source: str, _window: int) -> None:
        """A window is over."""

    def count(self, _source: str, counter: str, amount: int = 1) -> None:
        """Add to a counter."""
        self.counts[counter] += amount

    def rejected(self) -> int:
        """How many inputs were rejected, for whatever reason."""
        return sum(amount for counter, amount in self.counts.items() if counter.startswith("rejected."))


class Target(ABC):
    """A source, what it is given undamaged, and how it is seen that it has taken all of it."""

    share: int
    """How many inputs in a hundred it gets."""

    lines = 1
    """How many inputs are in one that :meth:`damaged` makes."""

    def __init__(self, chance: random.Random) -> None:
        self.sink = Sink()
        self.fed = 0
        self.growth = 0.0
        self.chance = chance
        self.corpus = [each for each in self.whole() if each]

    @abstractmethod
    def whole(self) -> Iterator[bytes]:
        """Inputs as they are."""

    @abstractmethod
    def feed(self, inputs: Sequence[bytes]) -> None:
        """Give these inputs to the source."""

    @abstractmethod
    def taken(self) -> int:
        """How many inputs have become records or are counted so far."""

    def damaged(self) -> bytes:
        """An input with damage."""
        return mutated(self.chance, self.corpus)

    def close(self) -> None:
        """Give back what it holds."""
        self.corpus.clear()


class Exports(Target):
    """What exporters of flows send."""

    def __init__(self, chance: random.Random, kind: Callable[..., ExportIntake]) -> None:
        super().__init__(chance)
        observation = observe_live("fuzz", "udp://127.0.0.1:2055", NOW)
        self._now = NOW
        self._intake = kind(observation, FlowExportSettings(), self.sink, NOW)

    def feed(self, inputs: Sequence[bytes]) -> None:
        self._now += 10_000
        self._intake.at(self._now)
        self._intake.take([(each, f"192.0.2.{self.chance.randrange(1, 255)}", self._now) for each in inputs])

    def taken(self) -> int:
        return self.sink.counts["packets"]


class Netflow(Exports):
    """NetFlow v5, v9, IPFIX."""

    share = 17

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance, NetflowIntake)

    def whole(self) -> Iterator[bytes]:
        return exports(of_sflow=False)


class Sflow(Exports):
    """sFlow v5."""

    share = 10

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance, SflowIntake)

    def whole(self) -> Iterator[bytes]:
        return exports(of_sflow=True)


class Collectors(Target):
    """What other collectors of NetFlow put into Kafka."""

    share = 7

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        observation = observe_live("fuzz", "netflow:kafka:flows", NOW)
        self._intake = CollectorIntake(observation, FlowExportSettings(), self.sink, "flows", NOW)

    def whole(self) -> Iterator[bytes]:
        yield from COLLECTED
        yield b"[" + COLLECTED[1] + b"," + COLLECTED[1] + b"]"

    def damaged(self) -> bytes:
        return damaged_json(self.chance, self.corpus)

    def feed(self, inputs: Sequence[bytes]) -> None:
        for offset, each in enumerate(inputs, self.taken()):
            self._intake.take(each, 0, offset)

    def taken(self) -> int:
        return self.sink.counts["packets"]


class Traps(Target):
    """Traps of SNMP."""

    share = 11

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        alice = SnmpUser(user="alice", authentication="sha256", privacy="aes128")
        users = Users(
            {
                "alice": (alice, Passwords("authentication", "encryption")),
                "nobody": (SnmpUser(user="nobody"), Passwords("", "")),
            },
            self._engine(),
        )
        observation = observe_live("fuzz", "snmptrap:udp://127.0.0.1:162", NOW)
        self._intake = TrapIntake(observation, "", users.open, 60, self.sink)

    @staticmethod
    def _engine() -> Engine:
        """An engine that has begun, so that what asks for it is answered; nothing of it stays."""
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine(Path(folder) / "engine.json")
            engine.start()
        return engine

    def whole(self) -> Iterator[bytes]:
        yield from TRAPS

    def feed(self, inputs: Sequence[bytes]) -> None:
        for each in inputs:
            self._intake.take(each, "192.0.2.1")

    def taken(self) -> int:
        counts = self.sink.counts
        answered = counts["discoveries"] + counts["synchronisations"] + counts["repeated"]
        return counts["traps"] + answered + self.sink.rejected()


class Syslog(Target):
    """Lines of syslog in datagrams."""

    share = 11

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        observation = observe_live("fuzz", "syslog:udp://127.0.0.1:514", NOW)
        settings = SyslogSettings(longest_line=480, eve_documents=True)
        self._now = NOW
        self._intake = SyslogIntake(observation, settings, UTC, self.sink, NOW)

    def whole(self) -> Iterator[bytes]:
        yield from LINES_OF_SYSLOG
        for path in sorted(SHARED.glob("telemetry/telegraf-syslog/*udp*/input.txt")):
            yield path.read_bytes()
        for event in islice(events(), 8):
            yield b"<13>Nov 14 22:13:20 sensor suricata[7]: " + event

    def feed(self, inputs: Sequence[bytes]) -> None:
        self._now += 10_000
        self._intake.at(self._now)
        self._intake.take(inputs, "192.0.2.1")

    def taken(self) -> int:
        return self.sink.records["syslog"] + self.sink.rejected()


class SyslogStreams(Syslog):
    """Connections that bring lines of syslog, one an input, with lines without end and counts that lie."""

    share = 5

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._connections = 0

    def whole(self) -> Iterator[bytes]:
        for path in sorted(SHARED.glob("telemetry/telegraf-syslog/*tcp*/input.txt")):
            yield path.read_bytes()
        lines = [*super().whole()]
        yield b"\n".join(lines)
        yield b"".join(b"%d %b" % (len(line), line) for line in lines)
        yield b"x" * 60_000
        yield b"999999999 " + b"x" * 50_000

    def feed(self, inputs: Sequence[bytes]) -> None:
        for data in inputs:
            framer = Framer(480)
            place = 0
            try:
                while place < len(data):
                    size = self.chance.randrange(1, 3000)
                    super().feed(framer.feed(data[place : place + size]))
                    place += size
                super().feed(framer.end()[0])
            except BrokenFrame as broken:
                super().feed(broken.args[0])
                self._intake.refuse(broken.args[1], "framing", "no length")
            self._connections += 1

    def taken(self) -> int:
        lines = self.sink.records["syslog"] + self.sink.rejected()
        if lines != self.sink.counts["lines"]:
            sys.exit(f"of {self.sink.counts['lines']} lines of streams {lines} are records or rejected")
        return self._connections


class Eve(Target):
    """Events of Suricata."""

    share = 13

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._intake = EveIntake(observe_file("fuzz", "eve.json", "0" * 64), self.sink, NOW)

    def whole(self) -> Iterator[bytes]:
        yield from events()

    def damaged(self) -> bytes:
        # A line end inside would make two lines of it.
        return damaged_json(self.chance, self.corpus).replace(b"\n", b" ")

    def feed(self, inputs: Sequence[bytes]) -> None:
        lines = Lines()
        whole = lines.feed(b"".join(each + b"\n" for each in inputs))
        self._intake.take(whole, "fuzz", self.taken() + 1, "")

    def taken(self) -> int:
        return self.sink.counts["used"] + self.sink.rejected()


class Zeek(Target):
    """Lines of Zeek's logs, with columns and as JSON."""

    share = 13
    lines = 200

    def __init__(self, chance: random.Random) -> None:
        self._headers: list[list[bytes]] = []
        self._tables: list[list[bytes]] = []
        self._folder = tempfile.TemporaryDirectory()
        self._logs = 0
        super().__init__(chance)

    def whole(self) -> Iterator[bytes]:
        for path in sorted(SHARED.glob("telemetry/slips/*zeek*/*.log")):
            yield from self._take(path.name, path.read_bytes())
        for path in sorted(SHARED.glob("telemetry/vast/zeek/*.gz")):
            yield from self._take(path.name, gzip.decompress(path.read_bytes())[:500_000])
        for path in sorted(SHARED.glob("telemetry/vast/zeek/*.json")):
            yield from self._take(path.name, path.read_bytes())

    def _take(self, name: str, content: bytes) -> Iterator[bytes]:
        lines = content.rstrip(b"\n").split(b"\n")
        head = [line for line in lines if line.startswith(b"#")]
        body = [line for line in lines if not line.startswith(b"#")]
        kind = name.partition(".")[0].encode()
        if not head:
            body = [line.replace(b"{", b'{"_path":"%b",' % kind, 1) for line in body if line.startswith(b"{")]
        self._headers.append(head)
        self._tables.append(body)
        yield from body[:1]

    def damaged(self) -> bytes:
        """A whole log: its header, and lines of it that are damaged."""
        place = self.chance.randrange(len(self._tables))
        head, body = self._headers[place], self._tables[place]
        if head and not self.chance.randrange(20):
            head = [mutated(self.chance, head) for _ in head]
        damage = mutated if head else damaged_json
        return b"\n".join((*head, *(damage(self.chance, body).replace(b"\n", b" ") for _ in range(self.lines))))

    def feed(self, inputs: Sequence[bytes]) -> None:
        path = Path(self._folder.name) / "log"
        for each in inputs:
            path.write_bytes(each)
            os.utime(path, (NOW / 1e6, NOW / 1e6))
            try:
                _, (source,) = open_zeek(f"zeek:{path}", CaptureSettings())
            except TaplineError:
                # Whoever names it is told that there is nothing to read in it.
                continue
            finally:
                self._logs += 1
            source.run(self.sink)

    def close(self) -> None:
        super().close()
        self._folder.cleanup()

    def taken(self) -> int:
        counts = self.sink.counts
        lines = counts["used"] + counts["headers"] + counts["ignored.other-log"] + self.sink.rejected()
        if lines != counts["lines"]:
            sys.exit(f"of {counts['lines']} lines of logs {lines} are records, headers, ignored or rejected")
        return self._logs


class Names(Target):
    """Answers of name servers, which flows get their names from: whatever they say, no more is kept than may be."""

    share = 8

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._domains = Domains(most=MOST_NAMES)
        self._taken = 0

    def whole(self) -> Iterator[bytes]:
        return answers()

    def feed(self, inputs: Sequence[bytes]) -> None:
        for each in inputs:
            self._domains.take(self.chance.randbytes(4), each, NOW)
            self._taken += 1
        counts = self._domains.counts
        self.sink.counts["rejected.malformed"] = counts["names.malformed"]
        self.sink.records["name"] = counts["names.learned"]

    def taken(self) -> int:
        held = len(self._domains)
        learned, evicted = (self._domains.counts[f"names.{counter}"] for counter in ("learned", "evicted"))
        if held > MOST_NAMES or held != learned - evicted:
            sys.exit(f"of {learned} names {evicted} made room, and {held} are kept")
        return self._taken


class Packets(Target):
    """Packets, for the headers that are read here, for nDPI, and for the answers of name servers among them."""

    share = 5
    lines = 500

    def __init__(self, chance: random.Random) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._files = 0
        self._now = NOW
        super().__init__(chance)

    def whole(self) -> Iterator[bytes]:
        return frames(most=400)

    def damaged(self) -> bytes:
        """A capture of some conversations, in which every third packet is damaged."""
        packets: list[Frame] = []
        while len(packets) < self.lines:
            place = self.chance.randrange(len(self.corpus))
            for whole in self.corpus[place : place + 20]:
                self._now += self.chance.choice((1, 1000, 1_000_000))
                packets.append(Frame(self._now, whole if self.chance.randrange(3) else mutated(self.chance, [whole])))
        return pcap(packets[: self.lines])

    def feed(self, inputs: Sequence[bytes]) -> None:
        path = Path(self._folder.name) / "packets.pcap"
        settings = CaptureSettings(enrichment=EnrichmentSettings(passive_dns=True))
        for each in inputs:
            path.write_bytes(each)
            NfstreamSource(observe_file("fuzz", path.name, "0" * 64), str(path), settings).run(self.sink)
            self._files += 1

    def taken(self) -> int:
        counts = self.sink.counts
        ignored = sum(amount for counter, amount in counts.items() if counter.startswith("ignored."))
        if counts["packets"] != self._files * self.lines or counts["packets"] != ignored + self.sink.packets:
            sys.exit(f"of {counts['packets']} packets {self.sink.packets} are in flows and {ignored} are ignored")
        return self._files

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


MOST_NAMES: Final = 10_000
TARGETS: Final[tuple[type[Target], ...]] = (
    Netflow,
    Sflow,
    Collectors,
    Traps,
    Syslog,
    SyslogStreams,
    Eve,
    Zeek,
    Names,
    Packets,
)
