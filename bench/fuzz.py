"""Real inputs with damage, by the million: what each source of datagrams and lines makes of them.

Takes what ``../shared`` has of NetFlow, sFlow, syslog, EVE and Zeek, traps that Net-SNMP has written, and messages as
collectors put them into Kafka, and damages them: bytes, lengths, pieces cut out, doubled or taken from another one, and
in JSON members that are left out or of other types. Every input has to end as records that can be published, or as
what is counted by its reason, and memory must not go on growing. Whatever else happens ends it, and tells which input
it was. The same seed makes the same inputs.

    python -m bench.fuzz --count 1000000
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC
from itertools import islice
from pathlib import Path
from typing import Final

from bench.fuzz_inputs import COLLECTED, LINES_OF_SYSLOG, TRAPS, answers, damaged_json, events, exports
from bench.fuzz_netflow import SHARED, mutated
from capture.collectors.intake import CollectorIntake
from capture.enrichment.domains import Domains
from capture.eve.intake import Intake as EveIntake
from capture.eve.lines import Lines
from capture.exports.source import Intake as ExportIntake
from capture.netflow.intake import NetflowIntake
from capture.settings import CaptureSettings, FlowExportSettings, SyslogSettings
from capture.sflow.intake import SflowIntake
from capture.snmp.credentials import Passwords
from capture.snmp.settings import SnmpUser
from capture.snmptrap.intake import Intake as TrapIntake
from capture.snmptrap.users import Users
from capture.source import observe_file, observe_live
from capture.syslog.framing import BrokenFrame, Framer
from capture.syslog.intake import Intake as SyslogIntake
from capture.zeek.opening import open_zeek
from topics.catalog import Topic
from topics.codec import encode
from topics.errors import TaplineError
from topics.records import Document, Record

NOW: Final = 1_700_000_000_000_000
BATCH: Final = 256
MOST_GROWTH: Final = 48
"""By how many MB the process may grow while a source takes the second half of its inputs."""


class Sink:
    """Makes of every record what Kafka would get, and keeps none."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.records: Counter[str] = Counter()

    def put(self, topic: Topic, _key: str, record: Record, _window: int) -> None:
        """Take one record."""
        self.records[record.group if isinstance(record, Document) else topic.kind] += 1
        encode([record])

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

    share = 22

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
            }
        )
        observation = observe_live("fuzz", "snmptrap:udp://127.0.0.1:162", NOW)
        self._intake = TrapIntake(observation, "", users.open, 60, self.sink)

    def whole(self) -> Iterator[bytes]:
        yield from TRAPS

    def feed(self, inputs: Sequence[bytes]) -> None:
        for each in inputs:
            self._intake.take(each, "192.0.2.1")

    def taken(self) -> int:
        return self.sink.counts["traps"] + self.sink.rejected()


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
)


def resident() -> float:
    """What the process holds now, in MB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def run(kind: type[Target], count: int, seed: int) -> Target:
    """Feed a source about so many damaged inputs; :class:`SystemExit` where they are not accounted for."""
    with closing(kind(random.Random(f"{seed} {kind.__name__}"))) as target:
        if not target.corpus:
            sys.exit(f"there is nothing of {kind.__name__} to damage: have ../shared beside the project")
        _feed(target, -(-count // kind.lines))
    if target.growth > MOST_GROWTH:
        sys.exit(f"{kind.__name__}: memory keeps growing, by {target.growth:.0f} MB in the second half")
    return target


def _feed(target: Target, count: int) -> None:
    name, lines = type(target).__name__, target.lines
    fed, warm = 0, 0.0
    while fed < count:
        inputs = [target.damaged() for _ in range(min(max(BATCH // lines, 1), count - fed))]
        before = target.taken()
        try:
            target.feed(inputs)
        except Exception:
            print(f"{name}: raised by one of these: {[each.hex() for each in inputs]}", file=sys.stderr)
            raise
        taken = target.taken() - before
        if taken != len(inputs):
            sys.exit(f"{name}: of {len(inputs)} inputs after {fed} {taken} are accounted for")
        fed += taken
        if fed <= count // 2 or not warm:
            warm = resident()
    target.growth = resident() - warm
    target.fed = fed * lines


def tell(target: Target, seconds: float) -> None:
    """Print what became of a source's inputs."""
    counts, records = target.sink.counts, sum(target.sink.records.values())
    name, rejected = type(target).__name__, target.sink.rejected()
    print(f"{name}: {target.fed:,} inputs, {records:,} records, {rejected:,} rejects, {seconds:.0f} CPU-s,", end=" ")
    print(f"{resident():.0f} MB, {target.growth:+.0f} in the second half")
    for counter in sorted(counts):
        if counter.startswith("rejected."):
            print(f"    {counter:<28} {counts[counter]:>10,}")


def main() -> None:
    """Feed damaged inputs to every source."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=[kind.__name__ for kind in TARGETS])
    options = parser.parse_args()
    total = 0
    for kind in TARGETS:
        if options.only in (None, kind.__name__):
            began = time.process_time()
            target = run(kind, options.count * kind.share // 100, options.seed)
            tell(target, time.process_time() - began)
            total += target.fed
    print(f"{total:,} inputs: each became records that can be published, or was counted by its reason")


if __name__ == "__main__":
    main()
