"""What enriching flows costs: CPU time of a light capture of a file with and without it, and of one flow.

Each side is a process of its own, in turn; what is counted is its user and system time. The databases are all that a
folder has (``--geo``, MaxMind's test databases in ``../shared/geoip`` are small; real ones cost the same per address).

    python -m bench.enrichment /tmp/bench.pcap --geo ../shared/geoip
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.capture_light import _Counter
from capture.enrichment.reloading import Enrichment
from capture.enrichment.settings import EnrichmentSettings
from capture.node import CaptureNode
from capture.open import open_capture
from capture.settings import CaptureSettings
from topics.records import Flow

FLOWS = 200_000
ADDRESSES = 20_000
SIDES = ("plain", "enriched")


def settings(geo: str) -> EnrichmentSettings:
    """Everything there is, of the databases those that are sound."""
    return EnrichmentSettings(
        geo_files=[
            str(path)
            for path in sorted(Path(geo).glob("*.mmdb"))
            if "Broken" not in path.name and "Invalid" not in path.name
        ],
        services_file="/etc/services",
        subnets={f"10.{number}.0.0/16": f"subnet {number}" for number in range(200)},
        sites={"10.0.0.0/9": "one", "10.128.0.0/9": "another"},
        local_networks=["10.0.0.0/8", "192.168.0.0/16"],
    )


def capture(path: str, enrichment: EnrichmentSettings) -> dict[str, int]:
    """Capture a file; how many records there were."""
    observation, sources = open_capture(path, CaptureSettings(depth="light", enrichment=enrichment))
    node = CaptureNode(observation, sources, _Counter())
    node.run()
    return {"flows": node.announced["flow"], "packets": node.counts["nfstream", "packets"]}


def per_flow(enrichment: EnrichmentSettings) -> float:
    """Microseconds for one flow, of so many addresses, each of which is seen for the first time once."""
    chance = random.Random(1)
    ips = [
        f"{chance.choice((10, 81, 2, 216))}.{chance.randrange(256)}.{chance.randrange(256)}.1" for _ in range(ADDRESSES)
    ]
    flows = [
        Flow(
            id=str(number),
            time=1,
            source_ip=chance.choice(ips),
            destination_ip=chance.choice(ips),
            transport="tcp",
            destination_port=443,
        )
        for number in range(FLOWS)
    ]
    enrich = Enrichment(enrichment, "").knowledge.enrich
    began = time.process_time()
    for flow in flows:
        enrich(flow)
    return (time.process_time() - began) * 1e6 / FLOWS


def measure(side: str, path: str, geo: str) -> tuple[float, dict[str, int]]:
    """CPU seconds of a process that captures the file, and what it counted."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "bench.enrichment", path, "--geo", geo, "--side", side]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, json.loads(output)


def main() -> None:
    """Measure both sides in turn and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--geo", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    geo = str(Path(options.geo).resolve())
    if options.side:
        print(json.dumps(capture(options.file, settings(geo) if options.side == "enriched" else EnrichmentSettings())))
        return
    spent: dict[str, list[float]] = {side: [] for side in SIDES}
    counted: dict[str, dict[str, int]] = {}
    for _ in range(options.runs):
        for side in SIDES:
            seconds, counted[side] = measure(side, options.file, geo)
            spent[side].append(seconds)
    medians = {side: statistics.median(runs) for side, runs in spent.items()}
    for side in SIDES:
        print(f"{side:<9} {medians[side]:.2f} CPU-s  {counted[side]}")
    print(f"enriched / plain = {medians['enriched'] / medians['plain']:.2f}")
    print(f"{per_flow(settings(geo)):.2f} us a flow, {ADDRESSES:,} addresses in {FLOWS:,} flows")


if __name__ == "__main__":
    main()
