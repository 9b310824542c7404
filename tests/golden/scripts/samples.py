"""The samples, the captures they are tried on, and what tshark says of those."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import scripts
from tapline.demo import DEMO_CAPTURE
from tests.unit.capture.wire import Frame, ethernet, pcap
from topics.records import Alert, Resource

SAMPLES = Path(scripts.__file__).parent / "samples"
SHARED = Path(__file__).parents[4] / "shared" / "captures"
DEMO = DEMO_CAPTURE
FEATURED = (
    *("print_alerts", "print_alerts2", "dyndns_alert", "es_curl_flow", "es_socket_flow", "sg1", "sg2", "sg3"),
    *("ssh_alerts", "ocsp_check", "ocsp_check_async", "cgmon", "cgmon_2", "cgmon_3", "filehash", "printcertchain"),
    *("sha256_x509", "ssl", "snmp_cg", "snmp"),
)

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def sample(name: str) -> Path:
    """The file of a sample."""
    return SAMPLES / f"{name}.py"


def shared(name: str) -> Path:
    """A capture of others; the test is skipped where it is not there."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip("the captures of ../shared/captures are not there")
    return path


def arp_alone(folder: Path) -> Path:
    """A capture of one ARP request: something was captured, and none of it is a flow."""
    request = bytes([0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2])
    path = folder / "arp.pcap"
    path.write_bytes(pcap([Frame(1_700_000_050_000_000, ethernet(request, 0x0806))]))
    return path


@cache
def facts(name: str) -> dict[str, Any]:
    """What other tools say of a capture, by the name of the fact."""
    path = Path(__file__).parents[1] / "demo_capture.json" if name == DEMO.name else SHARED / "facts.json"
    for capture in json.loads(path.read_text(encoding="utf-8"))["captures"]:
        if Path(capture["file"]).name == name:
            return {fact: stated["value"] for fact, stated in capture["facts"].items()}
    raise KeyError(name)


def tshark(capture: Path, wanted: str, *fields: str) -> list[tuple[str, ...]]:
    """These fields of the frames that a display filter wants, as tshark prints them."""
    columns = [word for field in fields for word in ("-e", field)]
    done = subprocess.run(
        ["tshark", "-n", "-r", str(capture), "-Y", wanted, "-T", "fields", *columns],
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def ends(record: Alert | Resource) -> tuple[str, int, str, int]:
    """Both ends of a record."""
    return record.source_ip, record.source_port, record.destination_ip, record.destination_port
