"""Real inputs with damage, by the million: what each source makes of them.

Takes what ``../shared`` has of NetFlow, sFlow, syslog, EVE, Zeek and packets, traps that Net-SNMP has written, and
messages as collectors put them into Kafka, and damages them: bytes, lengths, pieces cut out, doubled or taken from
another one, and in JSON members that are left out or of other types. Every input has to end as records that can be
published, or as what is counted by its reason, and memory must not go on growing. Whatever else happens ends it, and
tells which input it was. The same seed makes the same inputs.

    python -m bench.fuzz --count 1000000
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from bench.fuzz_targets import TARGETS, Target

BATCH: Final = 256
MOST_GROWTH: Final = 48
"""By how many MB the process may grow while a source takes the second half of its inputs."""


def resident() -> float:
    """What the process holds now, in MB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def run(kind: type[Target], count: int, seed: int) -> Target:
    """Feed a source about so many damaged inputs; :class:`SystemExit` where they are not accounted for."""
    with closing(kind(random.Random(f"{seed} {kind.__name__}"))) as target:
        if not target.corpus:
            sys.exit(f"there is nothing of {kind.__name__} to damage: have ../shared beside the project")
        _feed(target, -(-count // kind.lines))
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
            if target.growth > MOST_GROWTH:
                sys.exit(f"{kind.__name__}: memory keeps growing, by {target.growth:.0f} MB in the second half")
            total += target.fed
    print(f"{total:,} inputs: each became records that can be published, or was counted by its reason")


if __name__ == "__main__":
    main()
