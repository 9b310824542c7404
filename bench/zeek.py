"""What reading Zeek's logs costs: CPU microseconds a line, from the file to encoded messages.

Logs are made, in columns and as JSON, of connections with what they carried; each is read by a capture node of its own
whose messages are counted and dropped.

    python -m bench.zeek
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.capture_light import _Counter
from capture.node import CaptureNode
from capture.open import open_capture
from capture.settings import CaptureSettings

BEGAN = 1_600_000_000
_ENDS = {"id.orig_h": "addr", "id.orig_p": "port", "id.resp_h": "addr", "id.resp_p": "port"}
TYPES = {
    "ts": "time", "uid": "string", **_ENDS, "proto": "enum", "service": "string", "duration": "interval",
    "orig_bytes": "count", "resp_bytes": "count", "conn_state": "string", "local_orig": "bool", "missed_bytes": "count",
    "history": "string", "orig_pkts": "count", "orig_ip_bytes": "count", "resp_pkts": "count",
    "resp_ip_bytes": "count", "tunnel_parents": "set[string]", "trans_id": "count", "rtt": "interval",
    "query": "string", "qclass": "count", "qclass_name": "string", "qtype": "count", "qtype_name": "string",
    "rcode": "count", "rcode_name": "string", "AA": "bool", "TC": "bool", "RD": "bool", "RA": "bool", "Z": "count",
    "answers": "vector[string]", "TTLs": "vector[interval]", "rejected": "bool", "trans_depth": "count",
    "method": "string", "host": "string", "uri": "string", "version": "string", "user_agent": "string",
    "request_body_len": "count", "response_body_len": "count", "status_code": "count", "status_msg": "string",
    "tags": "set[enum]", "resp_fuids": "vector[string]", "resp_mime_types": "vector[string]",
}  # fmt: skip
"""Zeek's types of the fields used here."""


def ends(number: int, port: int) -> dict[str, object]:
    """The beginning of the ``number``-th line: 5,000 clients, 200 servers, 100 lines a second."""
    return {
        "ts": BEGAN + number / 100,
        "uid": f"C{number:017x}",
        "id.orig_h": f"10.{number % 5000 // 250}.{number % 250}.{number % 5000 % 20}",
        "id.orig_p": 1024 + number % 60_000,
        "id.resp_h": f"198.51.100.{number % 200}",
        "id.resp_p": port,
    }


def conn(number: int) -> dict[str, object]:
    """A connection."""
    return ends(number, 443) | {
        "proto": "tcp", "service": "ssl", "duration": number % 1000 / 100, "orig_bytes": 1200 + number % 300,
        "resp_bytes": 8000 + number % 5000, "conn_state": "SF", "local_orig": True, "missed_bytes": 0,
        "history": "ShADadFf", "orig_pkts": 12, "orig_ip_bytes": 2100, "resp_pkts": 14, "resp_ip_bytes": 14_000,
        "tunnel_parents": [],
    }  # fmt: skip


def dns(number: int) -> dict[str, object]:
    """A question and its answer."""
    return ends(number, 53) | {
        "proto": "udp", "trans_id": number % 65_536, "rtt": 0.02, "query": f"host{number % 997}.example.org",
        "qclass": 1, "qclass_name": "C_INTERNET", "qtype": 1, "qtype_name": "A", "rcode": 0, "rcode_name": "NOERROR",
        "AA": False, "TC": False, "RD": True, "RA": True, "Z": 0, "answers": ["192.0.2.7", "192.0.2.8"],
        "TTLs": [60.0, 60.0], "rejected": False,
    }  # fmt: skip


def http(number: int) -> dict[str, object]:
    """A request and its response."""
    return ends(number, 80) | {
        "trans_depth": 1, "method": "GET", "host": f"www{number % 97}.example.org", "uri": f"/page/{number % 1009}?a=b",
        "version": "1.1", "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
        "request_body_len": 0, "response_body_len": 12_000, "status_code": 200, "status_msg": "OK", "tags": [],
        "resp_fuids": [f"F{number:017x}"], "resp_mime_types": ["text/html"],
    }  # fmt: skip


def in_columns(path: str, make: Callable[[int], dict[str, object]], count: int) -> str:
    """A log as Zeek writes it by default."""

    def text(value: object) -> str:
        if isinstance(value, bool):
            return "T" if value else "F"
        if isinstance(value, float):
            return f"{value:.6f}"
        if isinstance(value, list):
            return ",".join(map(str, value)) or "(empty)"
        return str(value)

    names = list(make(0))
    head = [
        "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{path}",
        "\t".join(["#fields", *names]), "\t".join(["#types", *(TYPES[name] for name in names)]),
    ]  # fmt: skip
    return "\n".join([*head, *("\t".join(map(text, make(number).values())) for number in range(count)), ""])


def in_json(path: str, make: Callable[[int], dict[str, object]], count: int) -> str:
    """A log as JSON lines that name it."""
    return "".join(json.dumps({"_path": path} | make(number)) + "\n" for number in range(count))


def measure(path: Path) -> tuple[float, int]:
    """The CPU seconds that reading a log takes, and its lines."""
    observation, sources = open_capture(f"zeek:{path}", CaptureSettings(node="bench"))
    node = CaptureNode(observation, sources, _Counter())
    began = time.process_time()
    node.run()
    spent = time.process_time() - began
    lines = node.counts["zeek", "used"]
    rejected = sum(amount for (_, counter), amount in node.counts.items() if counter.startswith("rejected"))
    if rejected:
        raise SystemExit(f"{rejected} lines of {path.name} were rejected")
    return spent, lines


def main() -> None:
    """Measure each kind of log and print what a line costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--lines", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("conn", conn), ("dns", dns), ("http", http)):
            for form, write in (("columns", in_columns), ("json", in_json)):
                path = Path(folder) / f"{name}.log"
                path.write_text(write(name, make, options.lines))
                measure(path)
                runs = [measure(path) for _ in range(options.runs)]
                spent = statistics.median(seconds for seconds, _ in runs)
                lines = runs[0][1]
                print(f"{name:5} {form:8} {spent / lines * 1e6:6.2f} µs a line, {lines / spent:9,.0f} lines/CPU-s")


if __name__ == "__main__":
    main()
