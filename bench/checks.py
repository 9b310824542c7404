"""What checks cost a worker per flow, in CPU time, without Kafka.

The flow and counter stages from messages to messages, without checks, with all that ship, with those of flows, and
with each of them alone (``--each``). Some of the flows have a risk, some TCP flows saw no handshake, as ``--risky`` and
``--half-open`` say in percent. Checks that are off by default are on here; those that wait to be given a threshold
have one that nothing crosses. The bar is 60,000 flows per CPU-second with all of them.

    python -m bench.checks
    python -m bench.checks --each --runs 3 --flows 20000

On a machine that has other things to do the ratio to the run without checks tells more than the rate.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import sys
from pathlib import Path

import msgspec
import yaml
from msgspec.structs import replace

from bench.flows import made_flows, messages
from bench.stages import Message, cost
from tapline.checks.base import Check
from tapline.checks.flow_check import FlowCheck
from tapline.policy.effective import PolicyView
from tapline.policy.model import CheckSettings, Policy
from topics.catalog import CATALOG
from topics.records import Flow
from workers.environment import Environment
from workers.main import settle_collector
from workers.scripting.scripts import ScriptSet, load_files, script_paths
from workers.settings import WorkersSettings

PARTITIONS = 2
NO_CHECKS = "no checks"
ALL_CHECKS = "all checks"
FLOW_CHECKS = "checks of flows"
LEAST_RATE = 60_000
CHECKS = Path(__file__).parents[1] / "scripts" / "checks"
RISKS = ("tls_certificate_expired", "known_protocol_on_non_standard_port", "clear_text_credentials", "minor_issues")
"""Risks that the flows have, one each."""

BEYOND = {"threshold": 1e15}
LEARNED = {"rare_destination": {"learn": 50_000}}
"""Made servers are too many to be rare."""


def flows_with_findings(count: int, risky: float = 2.0, half_open: float = 3.0) -> list[Flow]:
    """Made flows of which some, in percent, have a risk, and some have not seen their handshake."""
    draw = random.Random(2)
    found = []
    for flow in made_flows(count):
        changes: dict[str, object] = {"setup_rtt_us": 1200, "total_source_payload_bytes": flow.total_source_bytes // 2}
        if draw.random() * 100 < risky:
            changes["risks"] = [draw.choice(RISKS)]
        if flow.transport == "tcp" and draw.random() * 100 < half_open:
            changes |= {"setup_rtt_us": 0, "state": "syn", "tcp_flags_source": 2, "tcp_flags_destination": 0}
        found.append(replace(flow, **changes))
    return found


def policy_with_all(scripts: ScriptSet) -> Policy:
    """A policy under which every check is on."""
    checks = {
        script.name: CheckSettings(
            enabled=True,
            params=LEARNED.get(script.name, BEYOND if getattr(script.params, "threshold", 1) == 0 else {}),
        )
        for script in scripts.scripts
        if issubclass(script.monitor, Check)
    }
    return Policy(checks=checks)


def write_policy(scripts: ScriptSet, path: Path) -> None:
    """Write a policy file under which every check is on."""
    path.write_text(yaml.safe_dump({"checks": msgspec.to_builtins(policy_with_all(scripts).checks)}), encoding="utf-8")


def environment(scripts: ScriptSet) -> Environment:
    """An environment in which every check is on."""
    partitions = {topic.kind: topic.partitions or PARTITIONS for topic in CATALOG}
    return Environment(WorkersSettings(scripts=[]), scripts, partitions, policy=PolicyView(policy_with_all(scripts)))


def main() -> None:
    """Measure them side by side and print them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--flows", type=int, default=50_000, help="flows a window")
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--risky", type=float, default=2.0, help="percent of flows with a risk")
    parser.add_argument("--half-open", type=float, default=3.0, help="percent of TCP flows without a handshake")
    parser.add_argument("--folder", type=Path, default=CHECKS, help="where the checks are")
    parser.add_argument("--each", action="store_true", help="also each check alone")
    arguments = parser.parse_args()
    total = arguments.flows * arguments.windows
    settle_collector()
    flows = flows_with_findings(arguments.flows, arguments.risky, arguments.half_open)
    bodies: list[Message] = list(messages(flows, arguments.windows, PARTITIONS))
    every = load_files(script_paths([arguments.folder]), {})
    of_flows = tuple(script for script in every.scripts if issubclass(script.monitor, FlowCheck))
    sets = {NO_CHECKS: load_files([], {}), FLOW_CHECKS: ScriptSet(of_flows, every.groups), ALL_CHECKS: every}
    if arguments.each:
        sets |= {script.name: ScriptSet((script,), every.groups) for script in every.scripts}
    spent: dict[str, list[float]] = {name: [] for name in sets}
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        for _ in range(arguments.runs):
            for name, scripts in sets.items():
                spent[name].append(cost(bodies, environment(scripts)))
    bare = spent[NO_CHECKS]
    print(f"{total:,} flows, {len(every.scripts)} checks, {len(of_flows)} of flows; medians of {arguments.runs} runs")
    print(f"{'':40} {'flows per CPU-second':>21} {'ratio':>7} {'µs a flow':>10}")
    for name, seconds in spent.items():
        added = statistics.median(one - base for one, base in zip(seconds, bare, strict=True)) / total * 1e6
        ratio = statistics.median(base / one for one, base in zip(seconds, bare, strict=True))
        print(f"{name:40} {total / statistics.median(seconds):>21,.0f} {ratio:>7.2f} {added:>10.2f}")
    rate = total / statistics.median(spent[ALL_CHECKS])
    print(f"bar: {LEAST_RATE:,} flows per CPU-second with all checks")
    sys.exit(0 if rate >= LEAST_RATE else 1)


if __name__ == "__main__":
    main()
