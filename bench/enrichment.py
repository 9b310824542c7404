"""What enriching flows costs: CPU time of a light capture of a file with and without it, and of one flow.

Each side is a process of its own, in turn; what is counted is its user and system time from the first packet on, all
of its threads, and beside it what opening its files took. The databases are all that a folder has (``--geo``, MaxMind's
test databases in ``../shared/geoip`` are small; real ones cost the same per address). The blacklists are of half a
million addresses and as many domain names, made by chance.

    python -m bench.enrichment /tmp/bench.pcap --geo ../shared/geoip
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
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
ENTRIES = 500_000
SIDES = ("plain", "passive DNS", "blacklists", "everything")


def settings(side: str, geo: str, lists: str) -> EnrichmentSettings:
    """What a side is enriched with; of the databases those that are sound."""
    blacklists = {path.name: str(path) for path in sorted(Path(lists).iterdir())}
    if side == "plain":
        return EnrichmentSettings()
    if side == "passive DNS":
        return EnrichmentSettings(passive_dns=True)
    if side == "blacklists":
        return EnrichmentSettings(blacklists=blacklists)
    return EnrichmentSettings(
        geo_files=[
            str(path)
            for path in sorted(Path(geo).glob("*.mmdb"))
            if "Broken" not in path.name and "Invalid" not in path.name
        ],
        services_file="/etc/services",
        subnets={f"10.{number}.0.0/16": f"subnet {number}" for number in range(200)},
        sites={"10.0.0.0/9": "one", "10.128.0.0/9": "another"},
        roles={f"10.0.{number}.53": "resolver" for number in range(200)},
        local_networks=["10.0.0.0/8", "192.168.0.0/16"],
        blacklists=blacklists,
        passive_dns=True,
    )


def write_lists(folder: Path) -> None:
    """Lists of addresses and of names."""
    chance = random.Random(2)
    with (folder / "addresses").open("w", encoding="ascii") as file:
        file.writelines(f"{'.'.join(map(str, chance.randbytes(4)))}\n" for _ in range(ENTRIES))
    with (folder / "names").open("w", encoding="ascii") as file:
        file.writelines(f"0.0.0.0 {chance.randbytes(5).hex()}.example.com\n" for _ in range(ENTRIES))


def capture(path: str, enrichment: EnrichmentSettings) -> dict[str, float]:
    """Capture a file: how many records there were, and CPU seconds for opening and for capturing."""
    began = time.process_time()
    observation, sources = open_capture(path, CaptureSettings(depth="light", enrichment=enrichment))
    opened = time.process_time()
    node = CaptureNode(observation, sources, _Counter())
    node.run()
    return {
        "flows": node.announced["flow"],
        "packets": node.counts["nfstream", "packets"],
        "names": node.counts["enrichment", "names.learned"],
        "tagged": sum(amount for (_, counter), amount in node.counts.items() if counter.startswith("blacklisted.")),
        "opening": round(opened - began, 2),
        "capturing": round(time.process_time() - opened, 2),
    }


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


def measure(side: str, path: str, geo: str, lists: str) -> dict[str, float]:
    """What a process counted that captures the file."""
    command = [sys.executable, "-m", "bench.enrichment", path, "--geo", geo, "--side", side, "--lists", lists]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]).stdout
    counted: dict[str, float] = json.loads(output)
    return counted


def main() -> None:
    """Measure all sides in turn and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--geo", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--lists", help=argparse.SUPPRESS)
    options = parser.parse_args()
    geo = str(Path(options.geo).resolve())
    if options.side:
        print(json.dumps(capture(options.file, settings(options.side, geo, options.lists))))
        return
    with tempfile.TemporaryDirectory() as lists:
        write_lists(Path(lists))
        runs = [{side: measure(side, options.file, geo, lists) for side in SIDES} for _ in range(options.runs)]
        plain = [run["plain"]["capturing"] for run in runs]
        for side in SIDES:
            spent = [run[side]["capturing"] for run in runs]
            ratio = statistics.median(one / other for one, other in zip(spent, plain, strict=True))
            print(f"{side:<12} {statistics.median(spent):.2f} CPU-s, {ratio:.3f} of plain  {runs[-1][side]}")
        everything = settings("everything", geo, lists)
        print(f"{per_flow(everything):.2f} us a flow, {ADDRESSES:,} addresses in {FLOWS:,} flows")


if __name__ == "__main__":
    main()
