"""What Suricata's events cost: lines per CPU-second, and a whole reading beside the engines alone.

``lines``: a process reads a file of events, makes records of them and publishes these (``--kafka``; without
it the messages are only handed over); its CPU time is counted, user and system. The bar is 100,000 lines, of flows and
of a mix as a network has it: of a hundred 50 are flows, 30 DNS, 8 HTTP, 5 TLS, 5 files, an alert and an anomaly.

``capture``: the CPU time of ``--flows suricata`` over a file, Suricata's included, beside that of Suricata alone, which
writes its events to a file: with the configuration and the command that its package ships with, and with those that it
is run with here, where the detection is switched off without rules. The bar is 1.25 of the former. Then ``--engine
suricata``, which has flows from nfstream, beside the sum of Suricata as it is shipped and nfstream, each alone; the bar
is 1.1. What is compared is run in turn. The capture is made by ``../shared/bench/make-bench-capture FILE 100``.

    python -m bench.eve --kafka 127.0.0.1:9092 --capture bench100.pcap
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BAR = 100_000
RATIO = 1.25
RATIO_OF_BOTH = 1.1
BARRED = ("flow", "mix")
COLLECTED = (50_000, 20, 100)
"""As in `tapline capture`."""

_HEAD = (
    '{{"timestamp":"{iso}+0000","flow_id":{flow},"pcap_cnt":{number},"event_type":"{kind}","src_ip":"192.0.2.{octet}",'
    '"src_port":{port},"dest_ip":"198.51.100.7","dest_port":443,"proto":"TCP","pkt_src":"wire/pcap",'
)
_COMMUNITY = '"community_id":"1:{community:027d}="'
_FLOW = (
    '"app_proto":"tls","flow":{{"pkts_toserver":12,"pkts_toclient":10,"bytes_toserver":1940,"bytes_toclient":8056,'
    '"start":"{iso}+0000","end":"{iso}+0000","age":1,"state":"closed","reason":"timeout","alerted":false}},'
)
_TCP = (
    ',"tcp":{{"tcp_flags":"1b","tcp_flags_ts":"1b","tcp_flags_tc":"1b","syn":true,"fin":true,"psh":true,"ack":true,'
    '"state":"closed"}}'
)
_DNS = (
    ',"dns":{{"version":2,"type":"answer","id":{port},"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,'
    '"rrname":"www{octet}.example.com","rrtype":"A","rcode":"NOERROR","answers":[{{"rrname":"www{octet}.example.com",'
    '"rrtype":"A","ttl":60,"rdata":"192.0.2.{octet}"}}],"grouped":{{"A":["192.0.2.{octet}"]}}}}'
)
_HTTP = (
    ',"tx_id":0,"http":{{"hostname":"www{octet}.example.com","url":"/page/{number}","http_user_agent":"curl/7.88",'
    '"http_content_type":"text/html","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":{port}}}'
)
_ALERT = (
    ',"alert":{{"action":"allowed","gid":1,"signature_id":2017318,"rev":4,"signature":"ET SCAN something","category":'
    '"Attempted Recon","severity":2}}'
)
_TLS = (
    ',"tls":{{"subject":"CN=www{octet}.example.com","issuerdn":"C=XX, CN=Example CA","serial":"0A:{octet:02X}",'
    '"fingerprint":"2d:d1:{octet:02x}:30:5e:92:21:a6:55:5a:7e:83:1c:44:90:fa:5b:13:8d:20","sni":"www{octet}.example.com",'
    '"version":"TLS 1.2","notbefore":"2026-01-01T00:00:00","notafter":"2027-01-01T00:00:00","ja3":{{"hash":'
    '"839bbe3ed07fed922ded5aaf714d6842","string":"771,4865-4866,0-23,29-23-24,0"}},"ja3s":{{"hash":'
    '"554719594ba90b02ae410c297c6e50ad","string":"771,49199,65281"}}}}'
)
_FILE = (
    ',"app_proto":"http","fileinfo":{{"filename":"/page/{number}","gaps":false,"state":"CLOSED","md5":'
    '"{community:032x}","sha1":"{community:040x}","sha256":"{community:064x}","stored":false,"size":{port},"tx_id":0}}'
)
KINDS = {
    "flow": _HEAD + _FLOW + _COMMUNITY + _TCP + "}}",
    "dns": _HEAD + _COMMUNITY + _DNS + "}}",
    "http": _HEAD + _COMMUNITY + _HTTP + "}}",
    "alert": _HEAD + _COMMUNITY + _ALERT + "}}",
    "tls": _HEAD + _COMMUNITY + _TLS + "}}",
    "fileinfo": _HEAD + _COMMUNITY + _FILE + "}}",
    "anomaly": _HEAD
    + _COMMUNITY
    + ',"anomaly":{{"type":"applayer","event":"UNABLE_TO_MATCH","layer":"proto_parser"}}}}',
}
_PARTS = {"flow": 50, "dns": 30, "http": 8, "tls": 5, "fileinfo": 5, "alert": 1, "anomaly": 1}
# Each is spread over the hundred.
MIX = [kind for place in range(50) for kind, many in _PARTS.items() if place * many % 50 < many]


def event(kind: str, number: int, second: int) -> str:
    """The ``number``-th event of a kind, in this second since the epoch: 251 clients."""
    iso = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    values = {
        "iso": f"{iso}.{number % 1000 * 1000:06d}",
        "flow": 1_000_000_007 * (number + 1) % (1 << 50),
        "number": number,
        "kind": kind,
        "octet": number % 251,
        "port": 1024 + number % 60_000,
        "community": number * 7919,
    }
    return KINDS[kind].format(**values)


def write(path: Path, wanted: str, count: int) -> None:
    """Write a file of events of a kind, or of the mix, 1,000 a second."""
    kinds = MIX if wanted == "mix" else [wanted]
    with path.open("w", encoding="ascii") as file:
        for number in range(count):
            file.write(event(kinds[number % len(kinds)], number, 1_780_000_000 + number // 1000) + "\n")


def publish(source: str, flows: str, bootstrap: str) -> dict[str, float]:
    """Run a capture node over a source; the CPU seconds of this process and of those it starts."""
    from bench.capture_light import _Counter, prefix  # noqa: PLC0415
    from capture.node import CaptureNode  # noqa: PLC0415
    from capture.open import open_capture  # noqa: PLC0415
    from capture.publisher import KafkaPublisher  # noqa: PLC0415
    from capture.settings import CaptureSettings  # noqa: PLC0415
    from topics.settings import KafkaSettings  # noqa: PLC0415

    kafka = KafkaPublisher(KafkaSettings(bootstrap=bootstrap, prefix=prefix()), live=False) if bootstrap else None
    settings = CaptureSettings(node="bench", engine="suricata", flows="suricata" if flows == "suricata" else "nfstream")
    gc.set_threshold(*COLLECTED)
    observation, sources = open_capture(source, settings)
    publisher = kafka.__enter__() if kafka else _Counter()
    began = _spent()
    node = CaptureNode(observation, sources, publisher)
    node.run()
    spent = _spent() - began
    if kafka:
        kafka.__exit__()
    counted = {name: amount for (_, name), amount in node.counts.items()}
    return {"cpu": spent, "records": node.records.total(), **counted}


def alone(capture: str, folder: str, *, shipped: bool) -> float:
    """The CPU seconds of a Suricata that reads a capture and writes its events to a file."""
    from capture.settings import CaptureSettings  # noqa: PLC0415
    from capture.suricata.command import file_command  # noqa: PLC0415
    from capture.suricata.program import check_suricata  # noqa: PLC0415

    program = check_suricata()
    if shipped:
        command = [program.path, "-c", "/etc/suricata/suricata.yaml", "-S", "/dev/null", "-l", folder, "-r", capture]
    else:
        command = file_command(program, capture, CaptureSettings(), Path(folder), whole=True, flows=True, deep=True)
    began = _spent()
    subprocess.run(command, check=True, capture_output=True)
    return _spent() - began


def _spent() -> float:
    usage = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in usage)


def _again(arguments: list[str]) -> dict[str, float]:
    output = subprocess.run(
        [sys.executable, "-m", "bench.eve", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    )
    result: dict[str, float] = json.loads(output.stdout)
    return result


def compare(capture: str, folder: str, kafka: str, runs: int) -> list[str]:
    """Print what a reading with records takes beside the engines alone; what missed its bar."""
    from bench.capture_light import measure  # noqa: PLC0415

    seconds: dict[str, list[float]] = {}
    told: dict[str, dict[str, float]] = {}
    for _ in range(runs):
        for name, flows in (("flows of suricata", "suricata"), ("flows of nfstream", "nfstream")):
            told[name] = _again(["--publish", capture, flows, "--kafka", kafka])
            seconds.setdefault(name, []).append(told[name]["cpu"])
        for name, shipped in (("suricata as shipped", True), ("suricata as here", False)):
            seconds.setdefault(name, []).append(alone(capture, folder, shipped=shipped))
        seconds.setdefault("nfstream", []).append(measure("nfstream", capture, "")[0])
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    for name, each in seconds.items():
        runs_of = ", ".join(f"{run:.2f}" for run in each)
        print(f"{name:<20} {medians[name]:.2f} CPU-s  ({runs_of})  {told.get(name, '')}")
    missed = []
    for name, against, bar in (
        ("flows of suricata", ("suricata as shipped",), RATIO),
        ("flows of suricata", ("suricata as here",), 0.0),
        ("flows of nfstream", ("suricata as shipped", "nfstream"), RATIO_OF_BOTH),
        ("flows of nfstream", ("suricata as here", "nfstream"), 0.0),
    ):
        ratio = medians[name] / sum(medians[each] for each in against)
        print(f"{name} / {' + '.join(against)} = {ratio:.2f}{f'  (bar {bar})' if bar else ''}")
        if bar and ratio > bar:
            missed.append(f"{name}: the bar is {bar}")
    return missed


def main() -> None:
    """Print lines per CPU-second of each kind, and the ratio of a whole reading to Suricata alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kafka", metavar="HOST:PORT", default="")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--capture", metavar="FILE", default="")
    parser.add_argument("--publish", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        source, flows = options.publish
        print(json.dumps(publish(source, flows, options.kafka)))
        return
    from bench.capture_light import topics_of_our_own  # noqa: PLC0415

    os.environ["TAPLINE_BENCH_PREFIX"] = f"bench-{os.getpid()}"
    missed = []
    with topics_of_our_own(options.kafka), tempfile.TemporaryDirectory() as folder:
        for kind in (*KINDS, "mix"):
            path = Path(folder) / f"{kind}.json"
            write(path, kind, options.lines)
            results = [_again(["--publish", f"eve:{path}", "", "--kafka", options.kafka]) for _ in range(options.runs)]
            rate = statistics.median(result["lines"] / result["cpu"] for result in results)
            print(f"{kind:<8} {rate:>9,.0f} lines per CPU-second  {results[-1]}", flush=True)
            if kind in BARRED and rate < BAR:
                missed.append(f"{kind}: the bar is {BAR:,}")
            path.unlink()
        if options.capture:
            missed += compare(options.capture, folder, options.kafka, options.runs)
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
