"""What rules cost a worker: 100,000 hosts a window, 20 threshold rules and a band for each host.

The stages of one worker process that has all partitions, without Kafka and Faust: flows in, sums, rules, messages
out. The bar is 10 CPU seconds a window and 1.5 GB of memory; what the same worker takes without rules is
measured beside it, in a process of its own. Of a hundred hosts about one crosses some threshold, and in each window
another.

    python -m bench.thresholds
    python -m bench.thresholds --hosts 20000 --windows 30 --method iqr
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

from bench.flows import FIRST_WINDOW
from tapline.policy.effective import PolicyView
from tapline.policy.model import Method, Policy, Pool, Rule, Selector
from topics.catalog import CAPTURED, CATALOG, FLOW, PARTIAL, Topic
from topics.codec import MAX_RECORDS, SNAPSHOT_SCHEMA, Envelope, encode
from topics.partitions import digest, partition_of
from topics.records import WINDOW_SECONDS, Flow, Snapshot
from workers.environment import Environment
from workers.main import settle_collector, settle_memory
from workers.scripting.scripts import load_files
from workers.settings import WorkersSettings
from workers.stages import build
from workers.windows.stage import Stage

BAR_SECONDS = 10.0
BAR_BYTES = 1_500_000_000
PARTITIONS = 4
MAKES = 5
"""So many different windows are made; they come again in turn."""

POOLS = {"servers": Pool(members=("10.1.0.0/16", "10.0.9.*"), tags=("critical",))}


def rules(method: Method) -> dict[str, Rule]:
    """20 rules of all measures, periods and selectors, and one with bands."""
    servers, network, one = Selector(pool="servers"), Selector(network="10.0.0.0/15"), Selector(host="10.0.0.7")
    made = [
        Rule(name="upload", metric="bytes_out", value=3_000_000),
        Rule(name="upload/network", metric="bytes_out", value=3_050_000, select=network),
        Rule(name="upload/servers", metric="bytes_out", value=3_100_000, select=servers),
        Rule(name="upload/one", metric="bytes_out", value=5_000_000, select=one),
        Rule(name="upload/critical", metric="bytes_out", value=6_000_000, select=Selector(tag="critical")),
        Rule(name="download-rate", metric="bytes_in", measure="rate", value=67_000),
        Rule(name="flows", metric="flows", value=8),
        Rule(name="new-flows", metric="new_flows", value=9),
        Rule(name="five-minutes", metric="bytes", period=300, value=21_000_000),
        Rule(name="hour", metric="bytes", period=3600, value=150_000_000),
        Rule(name="hour/network", metric="bytes", period=3600, value=160_000_000, select=network),
        Rule(name="day", metric="bytes", period=86_400, value=3_000_000_000),
        Rule(name="packets", metric="packets_out", period=300, value=50_000),
        Rule(name="replies", metric="packets_in", other_metric="packets_out", measure="ratio", operator="lt", value=1),
        Rule(name="jump", measure="change", value=1_500, floor=100_000),
        Rule(name="drop", measure="change", operator="lt", value=-94, floor=1_000_000),
        Rule(name="silent", measure="absence", period=3600, select=servers),
        Rule(name="silent-one", measure="absence", select=one),
        Rule(name="quiet", operator="lt", value=100, period=300, select=Selector(name="10.0.0.?")),
        Rule(name="new", measure="new_key", learn_periods=2),
        Rule(name="band", measure="anomaly", method=method, season=1440 if method == "holt_winters" else 0),
    ]
    return {rule.name: rule for rule in made}


def windows(hosts: int, flows: int, count: int) -> Iterator[list[tuple[Topic, int, Envelope, bytes]]]:
    """The messages of each window: flows between hosts, of whom every one has some."""
    batches = [list(_batches(hosts, flows, seed)) for seed in range(min(MAKES, count))]
    for number in range(count):
        window = FIRST_WINDOW // 86_400 * 86_400 + number * WINDOW_SECONDS
        made = []
        sent: dict[int, int] = {}
        for partition, length, body in batches[number % MAKES]:
            start = sent.get(partition, 0)
            sent[partition] = start + length
            made.append((FLOW, partition, Envelope(FLOW.schema, "bench", "live", window, start, length), body))
        for topic in CAPTURED:
            for partition in range(PARTITIONS):
                announced = sent.get(partition, 0) if topic is FLOW else 0
                marker = Snapshot(node="bench", stream="live", window=window, announced=announced)
                made.append(
                    (topic, partition, Envelope(SNAPSHOT_SCHEMA, "bench", "live", window, 0, 1), encode([marker]))
                )
        yield made


def _batches(hosts: int, flows: int, seed: int) -> Iterator[tuple[int, int, bytes]]:
    draw = random.Random(seed)
    by_partition: dict[int, list[Flow]] = {}
    for number in range(flows):
        client, server = number % hosts, draw.randrange(hosts)
        sent, back = draw.randrange(60, 1_000_000), draw.randrange(60, 500_000)
        identity = digest("bench", seed, number)
        flow = Flow(
            id=identity,
            flow_id=identity,
            record="final",
            time=0,
            observation_point="eth0",
            community_id=f"1:{identity[:27]}=",
            source_ip=_address(client),
            destination_ip=_address(server),
            source_port=40_000,
            destination_port=443,
            transport="tcp",
            protocol_number=6,
            application="TLS",
            delta_source_bytes=sent,
            delta_destination_bytes=back,
            delta_source_packets=sent // 600 + 1,
            delta_destination_packets=back // 1200 + 1,
        )
        by_partition.setdefault(partition_of(flow.community_id, PARTITIONS), []).append(flow)
    for partition, mine in by_partition.items():
        for start in range(0, len(mine), MAX_RECORDS):
            some = mine[start : start + MAX_RECORDS]
            yield partition, len(some), encode(some)


def _address(number: int) -> str:
    return f"10.{number >> 16}.{(number >> 8) & 255}.{number & 255}"


class Worker:
    """The flow and counter stages of one process."""

    def __init__(self, policy: Policy) -> None:
        partitions = {topic.kind: PARTITIONS for topic in CATALOG}
        environment = Environment(WorkersSettings(scripts=[], policy=[]), load_files([], {}), partitions)
        environment.policy = PolicyView(policy, 1)
        self._stages: dict[tuple[str, int], Stage] = {}
        for topic in (FLOW, PARTIAL):
            for number in range(PARTITIONS):
                self._stages[topic.kind, number] = stage = build(topic, number, environment)
                stage.start("")
        self._offsets = dict.fromkeys(self._stages, 0)
        self.stored = 0
        self.stored_bytes = 0
        self.alerts = 0

    def take(self, messages: list[tuple[Topic, int, Envelope, bytes]]) -> float:
        """CPU seconds for these messages and all that comes of them."""
        self.stored = self.stored_bytes = self.alerts = 0
        todo = [(topic.kind, number, envelope, body) for topic, number, envelope, body in messages]
        began = time.process_time()
        while todo:
            made = []
            for kind, number, envelope, body in todo:
                place = (kind, number)
                if place in self._stages:
                    step = self._stages[place].message(self._offsets[place], envelope.headers(), body)
                    self._offsets[place] += 1
                    for out in step.outgoing:
                        if out.topic.kind == "store":
                            self.stored += 1
                            self.stored_bytes += len(out.body or b"")
                        elif out.topic.kind == "alert" and not out.envelope.is_snapshot:
                            self.alerts += out.envelope.count
                        elif out.topic is PARTIAL and out.body is not None:
                            made.append((out.topic.kind, out.partition, out.envelope, out.body))
            todo = made
        return time.process_time() - began


def run(arguments: argparse.Namespace) -> None:
    """One side, in this process; prints a JSON object."""
    policy = Policy(pools=POOLS, rules=rules(arguments.method)) if arguments.side == "rules" else Policy()
    settle_collector()
    settle_memory()
    worker = Worker(policy)
    spent, stored, sizes, alerts = [], [], [], []
    for messages in windows(arguments.hosts, arguments.flows, arguments.windows):
        spent.append(worker.take(messages))
        stored.append(worker.stored)
        sizes.append(worker.stored_bytes)
        alerts.append(worker.alerts)
    print(
        json.dumps(
            {
                "spent": spent,
                "stored": stored,
                "sizes": sizes,
                "alerts": alerts,
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "rss": psutil.Process().memory_info().rss,
            }
        )
    )


def main() -> None:
    """Run both sides, each in a process of its own, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=100_000)
    parser.add_argument("--flows", type=int, default=150_000, help="flows a window")
    parser.add_argument("--windows", type=int, default=25)
    parser.add_argument("--method", default="ewma")
    parser.add_argument("--side", choices=("rules", "bare"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        run(arguments)
        return
    found = {}
    for side in ("bare", "rules"):
        given = [f"--{name}={getattr(arguments, name)}" for name in ("hosts", "flows", "windows", "method")]
        done = subprocess.run(
            [sys.executable, "-m", "bench.thresholds", f"--side={side}", *given],
            check=True,
            stdout=subprocess.PIPE,
        )
        found[side] = json.loads(done.stdout)
    bare, ruled = found["bare"], found["rules"]
    worst = max(ruled["spent"])
    later = sorted(ruled["spent"][1:])
    print(f"{arguments.hosts:,} hosts and {arguments.flows:,} flows a window, {arguments.windows} windows")
    print(f"rules, the first window      {ruled['spent'][0]:>10.2f} CPU-s")
    print(
        f"rules, later: median, worst  {later[len(later) // 2]:>10.2f} {later[-1]:>6.2f} CPU-s (bar {BAR_SECONDS:.0f})"
    )
    print(f"without rules, median        {sorted(bare['spent'])[len(bare['spent']) // 2]:>10.2f} CPU-s")
    print(f"peak memory, with and without{ruled['peak'] / 1e6:>10.0f} {bare['peak'] / 1e6:>6.0f} MB (bar 1500)")
    megabytes = max(ruled["sizes"][1:]) / 1e6
    print(f"store messages a window      {max(ruled['stored'][1:]):>10,} of {megabytes:.1f} MB at most")
    print(f"alerts a window              {sum(ruled['alerts']) / len(ruled['alerts']):>10.0f}")
    sys.exit(0 if worst < BAR_SECONDS and ruled["peak"] < BAR_BYTES else 1)


if __name__ == "__main__":
    main()
