"""What Suricata's events cost: lines per CPU-second, and a whole reading beside Suricata alone.

``lines``: a process reads a file of events of one kind, makes records of them and publishes these (``--kafka``; without
it the messages are only handed over); its CPU time is counted, user and system. The bar is 100,000 flow events.

``capture``: the CPU time of ``--flows suricata`` over a file, Suricata's included, beside that of Suricata alone:
with the configuration and the command that its package ships with, and with those that it is run with here. The bar is
1.25 of the former. The capture is made by ``../shared/bench/make-bench-capture FILE 100``.

    python -m bench.eve --kafka 127.0.0.1:9092 --capture bench100.pcap
"""

from __future__ import annotations

import argparse
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
KINDS = {
    "flow": _HEAD + _FLOW + _COMMUNITY + _TCP + "}}",
    "dns": _HEAD + _COMMUNITY + _DNS + "}}",
    "http": _HEAD + _COMMUNITY + _HTTP + "}}",
    "alert": _HEAD + _COMMUNITY + _ALERT + "}}",
    "anomaly": _HEAD
    + _COMMUNITY
    + ',"anomaly":{{"type":"applayer","event":"UNABLE_TO_MATCH","layer":"proto_parser"}}}}',
}


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


def write(path: Path, kind: str, count: int) -> None:
    """Write a file of events, 1,000 a second."""
    with path.open("w", encoding="ascii") as file:
        for number in range(count):
            file.write(event(kind, number, 1_780_000_000 + number // 1000) + "\n")


def publish(source: str, flows: str, bootstrap: str) -> dict[str, float]:
    """Run a capture node over a source; the CPU seconds of this process and of those it starts."""
    from bench.capture_light import _Counter, prefix  # noqa: PLC0415
    from capture.node import CaptureNode  # noqa: PLC0415
    from capture.open import open_capture  # noqa: PLC0415
    from capture.publisher import KafkaPublisher  # noqa: PLC0415
    from capture.settings import CaptureSettings  # noqa: PLC0415
    from topics.settings import KafkaSettings  # noqa: PLC0415

    kafka = KafkaPublisher(KafkaSettings(bootstrap=bootstrap, prefix=prefix()), live=False) if bootstrap else None
    settings = CaptureSettings(node="bench", flows="suricata" if flows == "suricata" else "nfstream")
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
        print(json.dumps(publish(*options.publish, options.kafka)))
        return
    from bench.capture_light import topics_of_our_own  # noqa: PLC0415

    os.environ["TAPLINE_BENCH_PREFIX"] = f"bench-{os.getpid()}"
    missed = []
    with topics_of_our_own(options.kafka), tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            path = Path(folder) / f"{kind}.json"
            write(path, kind, options.lines)
            results = [_again(["--publish", f"eve:{path}", "", "--kafka", options.kafka]) for _ in range(options.runs)]
            rate = statistics.median(result["lines"] / result["cpu"] for result in results)
            print(f"{kind:<8} {rate:>9,.0f} lines per CPU-second  {results[-1]}", flush=True)
            if kind == "flow" and rate < BAR:
                missed.append(f"{kind}: the bar is {BAR:,}")
        if options.capture:
            as_shipped, as_here = (
                statistics.median(alone(options.capture, folder, shipped=shipped) for _ in range(options.runs))
                for shipped in (True, False)
            )
            results = [
                _again(["--publish", options.capture, "suricata", "--kafka", options.kafka])
                for _ in range(options.runs)
            ]
            ours = statistics.median(result["cpu"] for result in results)
            print(f"capture  {ours:.2f} s with records  {results[-1]}")
            print(f"         {as_shipped:.2f} s Suricata alone as it is shipped: {ours / as_shipped:.2f}")
            print(f"         {as_here:.2f} s Suricata alone as it is run here: {ours / as_here:.2f}")
            if ours / as_shipped > RATIO:
                missed.append(f"capture: the bar is {RATIO}")
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
