"""What scripts cost a worker per flow, in CPU time, without Kafka.

``dispatch`` is what it costs to call the hooks: dispatch, guard, counting and timing of the calls, for
flows that are there already. The bar is 0.5 µs a flow for one session script with an empty
``on_flush``, and for ten together whose filters match no flow. ``all in`` is the flow and counter
stages from messages to messages, compared with no scripts; there a script that wants flows flushed also pays for
keeping them in memory until their window ends. The bar is 80,000 flows per CPU-second with all
shipped samples loaded.

    python -m bench.scripts
    python -m bench.scripts --runs 9 --flows 50000
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.flows import FIRST_WINDOW, made_flows, messages
from bench.stages import cost
from topics.catalog import CATALOG, FLOW
from topics.codec import MAX_RECORDS
from topics.records import Flow
from workers.counting.counts import ScriptCounts
from workers.environment import Environment
from workers.main import settle_collector
from workers.scripting.scripts import ScriptSet, load_files, script_paths
from workers.settings import WorkersSettings
from workers.stages import build

PARTITIONS = 2
NO_SCRIPTS = "no scripts"
SAMPLES_NAME = "all samples"
MOST_ADDED = 0.5
LEAST_RATE = 80_000
SAMPLES = Path(__file__).parents[1] / "scripts" / "samples"

EMPTY = """
from tapline import SessionMonitor
class Empty(SessionMonitor):
    def on_flush(self, flow):
        pass
"""
ELSEWHERE = "from tapline import SessionMonitor\n" + "".join(
    f"class Elsewhere{number}(SessionMonitor):\n"
    f"    l4_proto, l7_proto = {('SCTP', '') if number % 2 else ('TCP', 'SSH')}\n"
    "    def on_flush(self, flow):\n        pass\n"
    for number in range(10)
)


def dispatch(flows: list[Flow], scripts: ScriptSet) -> float:
    """CPU seconds of showing and flushing these flows to these scripts."""
    environment = Environment(WorkersSettings(scripts=[]), scripts, {topic.kind: PARTITIONS for topic in CATALOG})
    core = build(FLOW, 1, environment).core
    core.host.start()
    window: Any = SimpleNamespace(
        start=FIRST_WINDOW,
        final=False,
        lane=SimpleNamespace(stream="live"),
        state=SimpleNamespace(counts=ScriptCounts()),
    )
    state = core.begin()
    began = time.process_time()
    for start in range(0, len(flows), MAX_RECORDS):
        core.show(state, flows[start : start + MAX_RECORDS])
    for _ in core.end(state, window, dispatch=True):
        pass
    spent = time.process_time() - began
    core.host.stop()
    return spent


def main() -> None:
    """Measure the four side by side and print them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--flows", type=int, default=100_000, help="flows a window")
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    total = arguments.flows * arguments.windows
    settle_collector()
    flows = made_flows(arguments.flows)
    bodies = list(messages(flows, arguments.windows, PARTITIONS))
    partitions = {topic.kind: PARTITIONS for topic in CATALOG}
    with tempfile.TemporaryDirectory() as folder:
        sets = {NO_SCRIPTS: load_files([], {})}
        for name, text in (("an empty on_flush", EMPTY), ("ten that do not match", ELSEWHERE)):
            path = Path(folder) / f"{name.replace(' ', '_')}.py"
            path.write_text(text, encoding="utf-8")
            sets[name] = load_files([path], {})
        params = {script: {"folder": folder} for script in ("sg2", "sg3")}
        sets[SAMPLES_NAME] = load_files(script_paths([SAMPLES]), params)
        spent: dict[str, list[float]] = {name: [] for name in sets}
        called: dict[str, list[float]] = {name: [] for name in sets if name != SAMPLES_NAME}
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
            for _ in range(arguments.runs):
                for name, scripts in sets.items():
                    settings = WorkersSettings(scripts=[], params=params)
                    spent[name].append(cost(bodies, Environment(settings, scripts, partitions)))
                    if name in called:
                        called[name].append(dispatch(flows, scripts))
    bare = spent[NO_SCRIPTS]
    print(f"{total:,} flows, {arguments.runs} runs side by side; medians")
    print(f"{'':24} {'flows per CPU-second':>21} {'all in, µs a flow':>18} {'dispatch, µs a flow':>20}")
    worst = 0.0
    for name, seconds in spent.items():
        added = statistics.median(one - base for one, base in zip(seconds, bare, strict=True)) / total * 1e6
        rate = total / statistics.median(seconds)
        calling = statistics.median(called[name]) / len(flows) * 1e6 if name in called else None
        worst = max(worst, calling or 0.0)
        told = "" if calling is None else f"{calling:.2f}"
        print(f"{name:24} {rate:>21,.0f} {added:>18.2f} {told:>20}")
    print(f"bars: {MOST_ADDED} µs of dispatch, {LEAST_RATE:,} flows per CPU-second with all samples")
    sys.exit(0 if worst <= MOST_ADDED and total / statistics.median(spent[SAMPLES_NAME]) >= LEAST_RATE else 1)


if __name__ == "__main__":
    main()
