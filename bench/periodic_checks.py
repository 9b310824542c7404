"""What periodic checks cost: 100,000 hosts in one window, looked at by 20 checks, on one partition of the counters.

The bar is 10 CPU seconds for a window's checks, 5 microseconds for a check and host, and 1.5 GB for the process. Two in
a hundred hosts are over some threshold; one check in four compares at a threshold of its own for some hosts.

    python -m bench.periodic_checks
    python -m bench.periodic_checks --hosts 100000 --checks 20 --long    # with five minutes, hour and day kept as well
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import sys
import time
from array import array
from collections.abc import Iterator

from bench.flows import FIRST_WINDOW
from tapline.checks import HostCheck
from tapline.policy.effective import PolicyView
from tapline.policy.model import CheckSettings, Override, Policy, Selector
from topics.catalog import CATALOG, PARTIAL
from topics.codec import MAX_RECORDS, SNAPSHOT_SCHEMA, Envelope, encode
from topics.records import Partial, Snapshot
from workers.checks.periodic import PeriodicChecks
from workers.counting.behaviour_groups import SUM_CODES, second_code
from workers.counting.coded import CODE_BITS, packed
from workers.environment import Environment
from workers.scripting.scripts import load_classes, load_files
from workers.settings import WorkersSettings
from workers.stages import build

BAR_SECONDS = 10.0
BAR_MEGABYTES = 1500
METERS = ("bytes", "flows", "client_tcp_syn", "client_syn_per_second", "server_flows_per_second")


def made_checks(count: int, *, long: bool) -> list[type[HostCheck]]:
    """So many checks, each of one meter; each fifth looks at five minutes and an hour too."""
    made = []
    for number in range(count):
        hooks = {"min": HostCheck.compare}
        if long and number % 5 == 0:
            hooks |= {"five_minutes": HostCheck.compare, "hour": HostCheck.compare, "day": HostCheck.compare}
        names = {
            "name": f"check_{number}",
            "meter": METERS[number % len(METERS)],
            "default_value": f"check_{number};gt;{10**9 if number % len(METERS) == 0 else 1000}",
            "__module__": __name__,
        }
        made.append(type(f"Check{number}", (HostCheck,), {**names, **hooks}))
    return made


def partials(hosts: int, seed: int = 1) -> Iterator[Partial]:
    """What was counted of each host: traffic, and flows in a dozen of seconds."""
    draw = random.Random(seed)
    for number in range(hosts):
        key = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        yield Partial("Hosts", key, [draw.randrange(10**7), draw.randrange(10**7), 900, 900, 40, 30])
        busy = 2000 if number % 50 == 0 else 40
        values = [
            amount << CODE_BITS | SUM_CODES[name]
            for name, amount in (("client_flows", busy), ("client_new_flows", busy), ("client_tcp_syn", busy))
        ]
        first = draw.randrange(48)
        values += [(busy // 12 + 1) << CODE_BITS | (second_code(0, 1) + first + each) for each in range(12)]
        yield Partial("Behaviour", key, [packed(array("q", values).tobytes())])


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=100_000)
    parser.add_argument("--checks", type=int, default=20)
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--long", action="store_true", help="keep five minutes, hours and days")
    arguments = parser.parse_args()
    scripts = load_classes(made_checks(arguments.checks, long=arguments.long), {}, load_files([], {}))
    environment = Environment(WorkersSettings(scripts=[]), scripts, {topic.kind: 1 for topic in CATALOG})
    override = Override(match=Selector(network="10.0.128.0/17"), params={"threshold": 2 * 10**9})
    own = CheckSettings(overrides=(override,))
    environment.policy = PolicyView(Policy(checks={f"check_{number}": own for number in range(0, arguments.checks, 4)}))
    spent = {"scores": 0.0, "checks": 0.0}

    def timed(name: str, label: str) -> None:
        function = getattr(PeriodicChecks, name)

        def wrapped(*values: object) -> object:
            began = time.process_time()
            try:
                return function(*values)
            finally:
                spent[label] += time.process_time() - began

        setattr(PeriodicChecks, name, wrapped)

    timed("add_scores", "scores")
    timed("end", "checks")
    stage = build(PARTIAL, 0, environment)
    stage.start("")
    producer = "~flow/0"
    offset, worst = 0, 0.0
    records = list(partials(arguments.hosts))
    bodies = [encode(records[start : start + MAX_RECORDS]) for start in range(0, len(records), MAX_RECORDS)]
    counts = [len(records[start : start + MAX_RECORDS]) for start in range(0, len(records), MAX_RECORDS)]
    del records
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as in a worker
    for number in range(arguments.windows):
        window = FIRST_WINDOW + number * 60
        began, before = time.process_time(), sum(spent.values())
        sequence, alerts = 0, 0
        for body, count in zip(bodies, counts, strict=True):
            stage.message(offset, Envelope(PARTIAL.schema, producer, "live", window, sequence, count).headers(), body)
            sequence += count
            offset += 1
        marker = encode([Snapshot(node=producer, stream="live", window=window, announced=sequence)])
        step = stage.message(offset, Envelope(SNAPSHOT_SCHEMA, producer, "live", window, 0, 1).headers(), marker)
        offset += 1
        alerts = sum(out.envelope.count for out in step.outgoing if out.envelope.schema.startswith("alert"))
        mine = sum(spent.values()) - before
        worst = max(worst, mine)
        whole = time.process_time() - began
        print(f"window {number}: checks {mine:6.2f} CPU-s, whole window {whole:6.2f} CPU-s, {alerts:,} alerts")
    stage.stop()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    each = worst / arguments.hosts / arguments.checks * 1e6
    print(f"a check and host  {each:8.2f} microseconds (bar 5)")
    print(f"a window's checks {worst:8.2f} CPU-s (bar {BAR_SECONDS:g})")
    print(f"memory            {megabytes:8.0f} MB (bar {BAR_MEGABYTES:,})")
    sys.exit(0 if worst <= BAR_SECONDS and megabytes <= BAR_MEGABYTES else 1)


if __name__ == "__main__":
    main()
