"""What large lists cost: CPU seconds and memory to load them, CPU time to look something up.

Each list is loaded in a process of its own from a file of as many entries as asked for, and looked
into with texts of which half are found; the same is done with a hundredth of the entries, to show what
the length of a list does to a look-up. The bar is 10 s for a million entries of the lists that compare
whole entries; words are searched for in texts, which takes an automaton that is dearer to build.

    python -m bench.lists 1000000
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tapline.lists import EntryList, HashSet, NetworkSet, SuffixSet, WordMatcher

BAR = 10.0
LOOKS = 200_000
KINDS: dict[str, type[EntryList]] = {
    "names": SuffixSet,
    "networks": NetworkSet,
    "hashes": HashSet,
    "words": WordMatcher,
}
PREFIXES = [32] * 70 + [24] * 20 + [20, 21, 22, 23, 25, 26, 27, 28, 29, 30]
"""Lengths of prefixes, about as often as on lists of addresses to block."""


def entry(kind: str, drawn: random.Random) -> str:
    """An entry as lists have them."""
    if kind == "names":
        return f"{drawn.getrandbits(40):x}.{drawn.choice(('example', 'test'))}.{drawn.choice(('com', 'net', 'org'))}"
    if kind == "networks":
        return f"{'.'.join(str(drawn.randrange(256)) for _ in range(4))}/{drawn.choice(PREFIXES)}"
    if kind == "hashes":
        return f"{drawn.getrandbits(256):064x}"
    return f"{drawn.getrandbits(44):011x}"


def question(kind: str, found: str, drawn: random.Random) -> str:
    """A text as records have them, in which this entry is found."""
    if kind == "names":
        return f"www.{found}"
    if kind == "networks":
        return found.partition("/")[0]
    return f"Mozilla/5.0 ({found}) {drawn.getrandbits(32):08x}" if kind == "words" else found


def measure(kind: str, path: Path) -> dict[str, float]:
    """Load a list in this process and look into it."""
    drawn = random.Random(1)
    lines = path.read_text().splitlines()
    known = [question(kind, lines[drawn.randrange(len(lines))].partition(" ")[0], drawn) for _ in range(LOOKS // 2)]
    unknown = [question(kind, entry(kind, drawn), drawn) for _ in range(LOOKS // 2)]
    del lines
    process = psutil.Process()
    memory, began = process.memory_info().rss, time.process_time()
    loaded = KINDS[kind].load(path)
    loaded.find(unknown[0])
    load = time.process_time() - began
    grown = process.memory_info().rss - memory
    times = []
    for texts in (known, unknown):
        began = time.process_time()
        hits = sum(1 for text in texts if loaded.find(text) is not None)
        times.append((time.process_time() - began) / len(texts) * 1e9)
    assert hits < LOOKS / 10, "what is not on the list is not found, but for chance"
    return {"entries": len(loaded), "load": load, "memory": grown / 1e6, "hit": times[0], "miss": times[1]}


def main() -> None:
    """Measure every kind of list and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("entries", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        kind, file = arguments.measure
        print(json.dumps(measure(kind, Path(file))))
        return
    print(f"{'list':9} {'entries':>9} {'load CPU s':>10} {'MB':>6} {'ns a hit':>9} {'ns a miss':>9}")
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            for count in (arguments.entries // 100, arguments.entries):
                path = Path(folder) / kind
                drawn = random.Random(count)
                with path.open("w") as file:
                    file.writelines(f"{entry(kind, drawn)} #list {each % 50}\n" for each in range(count))
                output = subprocess.run(
                    [sys.executable, "-m", "bench.lists", "--measure", kind, str(path)],
                    check=True,
                    capture_output=True,
                    cwd=Path(__file__).parents[1],
                ).stdout
                got = json.loads(output)
                if kind != "words":
                    slowest = max(slowest, got["load"])
                print(
                    f"{kind:9} {got['entries']:9} {got['load']:10.2f} {got['memory']:6.0f} "
                    f"{got['hit']:9.0f} {got['miss']:9.0f}"
                )
    print(f"slowest load {slowest:.2f} CPU s, bar {BAR:.0f}: {'met' if slowest <= BAR else 'missed'}")


if __name__ == "__main__":
    main()
