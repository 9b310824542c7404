"""NetFlow, IPFIX and sFlow of real exporters, against nfdump, tshark, telegraf and what the exporters say."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from capture.netflow.intake import NetflowIntake
from capture.open import open_capture
from capture.settings import CaptureSettings, FlowExportSettings
from capture.sflow.intake import SflowIntake
from capture.source import observe_file
from tests.unit.capture.wire import Frame, pcap, udp
from tests.unit.capture_netflow.made import Taken

SHARED = Path(__file__).parents[3] / "shared"
TELEMETRY = SHARED / "telemetry"
TSHARK = shutil.which("tshark")

pytestmark = pytest.mark.skipif(
    not TELEMETRY.is_dir(), reason=f"the folder {TELEMETRY} with what exporters sent is not there"
)

SOFTFLOWD = (
    "big-echo.nfv9.pcap",
    "http-browsing.ipfix.pcap",
    "http-browsing.nfv5.pcap",
    "http-browsing.nfv9.pcap",
    "tls-subjectaltname.ipfix.pcap",
)
_FLAGS = "CEUAPRSF"
"""nfdump's letters of TCP flags, from the highest bit to the lowest."""


def of_capture(path: Path, name: str = "netflow") -> Taken:
    """What becomes of a capture file of an exporter's datagrams."""
    _, (source,) = open_capture(f"{name}:{path}", CaptureSettings(node="node"))
    sink = Taken()
    source.run(sink)
    return sink


def of_datagrams(*files: Path, name: str = "netflow", now: int = 1_500_000_000_000_000) -> Taken:
    """What becomes of datagrams that stand in files of their own and come one after the other."""
    observation, sink = observe_file("node", name, "ab" * 32), Taken()
    kind = NetflowIntake if name == "netflow" else SflowIntake
    intake = kind(observation, FlowExportSettings(), sink, now)
    for file in files:
        intake.take([(file.read_bytes(), "192.0.2.1", now)])
    intake.finish()
    return sink


def facts(path: str) -> dict[str, Any]:
    """What ``facts.json`` says of a file."""
    found = json.loads((TELEMETRY / "facts.json").read_text(encoding="utf-8"))
    return next(each["facts"] for each in found if each["path"] == path)


@pytest.mark.parametrize("name", SOFTFLOWD)
def test_totals_of_softflowd_are_those_of_nfdump(name):
    sink = of_capture(TELEMETRY / "softflowd" / name)
    known = facts(f"telemetry/softflowd/{name}")
    totals = known["nfdump_totals"]
    assert sink.counts["packets"] == known["datagrams"]
    assert len(sink.flows) == totals["Flows"]
    assert sum(flow.total_bytes for flow in sink.flows) == totals["Bytes"]
    assert sum(flow.total_packets for flow in sink.flows) == totals["Packets"]
    for kind in ("tcp", "udp", "icmp"):
        of_kind = [flow for flow in sink.flows if flow.transport.removeprefix("ipv6-") == kind]
        assert len(of_kind) == totals[f"Flows_{kind}"]
        assert sum(flow.total_bytes for flow in of_kind) == totals[f"Bytes_{kind}"]
        assert sum(flow.total_packets for flow in of_kind) == totals[f"Packets_{kind}"]
    for line in known["softflowd_statistics"].splitlines()[1:]:
        number, octets, packets = re.match(r"[^(]*\((\d+)\): +(\d+) +(\d+)", line).groups()
        of_protocol = [flow for flow in sink.flows if flow.protocol_number == int(number)]
        assert sum(flow.total_bytes for flow in of_protocol) == int(octets)
        assert sum(flow.total_packets for flow in of_protocol) == int(packets)
    assert not sink.family("rejected.")
    assert not sink.family("dropped.")


@pytest.mark.parametrize("name", SOFTFLOWD)
def test_every_flow_of_softflowd_is_nfdumps(name):
    """Its ends, counters, TCP flags and length; its absolute times are off in these captures.

    Of IPFIX nfdump 1.7.1 makes lengths of millions of years, since it does not know when softflowd began.
    """
    lengths = ".ipfix." not in name
    with (TELEMETRY / "softflowd" / f"{name}.nfdump.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if "-" in row["ts"] and row["ipkt"]]
    wanted = Counter(
        (
            row["sa"],
            row["da"],
            row["pr"],
            int(row["ipkt"]),
            int(row["ibyt"]),
            row["flg"].strip(),
            lengths and float(row["td"]),
        )
        for row in rows
    )
    transports = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "ipv6-icmp": "ICMP6"}
    found = Counter(
        (
            flow.source_ip,
            flow.destination_ip,
            transports[flow.transport],
            flow.total_source_packets,
            flow.total_source_bytes,
            "".join(letter if flow.tcp_flags_source >> 7 - place & 1 else "." for place, letter in enumerate(_FLAGS)),
            lengths and round(flow.duration, 3),
        )
        for flow in of_capture(TELEMETRY / "softflowd" / name).flows
    )
    assert found == wanted
    ports = {(row["sp"], row["dp"]) for row in rows if row["pr"] == "TCP"}
    assert {
        (str(flow.source_port), str(flow.destination_port))
        for flow in of_capture(TELEMETRY / "softflowd" / name).flows
        if flow.transport == "tcp"
    } == ports


LOGSTASH = {
    "v5": ["netflow5"],
    "ipfix": ["ipfix"],
    "asr1001x": ["netflow9_cisco_asr1001x_tpl259"],
    "1941K9": ["netflow9_test_cisco_1941K9"],
    "aci": ["netflow9_test_cisco_aci_tpl256-258", "netflow9_test_cisco_aci_data256"],
    "asr9k": ["netflow9_test_cisco_asr9k_tpl260", "netflow9_test_cisco_asr9k_data260"],
    "nbar": [f"netflow9_test_cisco_nbar_{part}" for part in ("opttpl260", "tpl262", "data262")],
    "softflowd": ["netflow9_test_softflowd_tpl_data"],
    "nprobe": ["netflow9_test_nprobe_tpl", "netflow9_test_nprobe_data"],
}


def by_tshark(capture: Path, port: int) -> Counter[tuple[str, str, str, str]]:
    """Source, destination, bytes and packets of every flow record, by tshark."""
    assert TSHARK is not None
    command = [TSHARK, "-n", "-r", str(capture), "-d", f"udp.port=={port},cflow", "-T", "json", "--no-duplicate-keys"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: Counter[tuple[str, str, str, str]] = Counter()

    def search(node: object) -> None:
        if isinstance(node, list):
            for each in node:
                search(each)
        elif isinstance(node, dict):
            source = node.get("cflow.srcaddr", node.get("cflow.srcaddrv6"))
            if isinstance(source, str) and "cflow.octets" in node:
                destination = node.get("cflow.dstaddr", node.get("cflow.dstaddrv6"))
                found[source, destination, node["cflow.octets"], node["cflow.packets"]] += 1
            for each in node.values():
                search(each)

    search(json.loads(output))
    return found


def as_tshark(sink: Taken) -> Counter[tuple[str, str, str, str]]:
    return Counter(
        (
            flow.source_ip,
            flow.destination_ip,
            str(flow.total_source_bytes // flow.sampling_rate),
            str(flow.total_source_packets // flow.sampling_rate),
        )
        for flow in sink.flows
    )


@pytest.mark.skipif(TSHARK is None, reason="tshark is not installed (apt install tshark)")
@pytest.mark.parametrize("name", LOGSTASH)
def test_datagrams_of_many_exporters_are_read_as_tshark_reads_them(name, tmp_path):
    files = [TELEMETRY / "logstash-netflow" / f"{file}.dat" for file in LOGSTASH[name]]
    capture = tmp_path / "datagrams.pcap"
    frames = [
        Frame(1_500_000_000_000_000 + place, udp("192.0.2.1", "192.0.2.2", 2055, 2055, file.read_bytes()))
        for place, file in enumerate(files)
    ]
    capture.write_bytes(pcap(frames))
    sink = of_capture(capture)
    assert sink.flows
    assert as_tshark(sink) == by_tshark(capture, 2055)
    assert as_tshark(of_datagrams(*files)) == as_tshark(sink)
    assert not sink.family("rejected.")


@pytest.mark.skipif(TSHARK is None, reason="tshark is not installed (apt install tshark)")
@pytest.mark.parametrize(
    ("name", "port"),
    [("netflow-v5.pcap", 9990), ("nfv9-cisco-pmacct102.pcap", 9991), ("ipfix-cisco-ipv6-pmacct104.pcap", 9992)],
)
def test_captures_are_read_as_tshark_reads_them(name, port):
    path = SHARED / "captures" / name
    sink = of_capture(path)
    assert sink.flows
    assert as_tshark(sink) == by_tshark(path, port)
    assert not sink.family("rejected.")


def test_what_cisco_samples_is_multiplied():
    """Options of IPFIX say one of 256, as pmacct's own test of this capture has it."""
    sink = of_capture(SHARED / "captures" / "ipfix-cisco-ipv6-pmacct104.pcap")
    assert {flow.sampling_rate for flow in sink.flows} == {256}
    assert {flow.exporter_ip for flow in sink.flows} == {"2a02:a90:4007:700::54"}


def test_captures_without_templates_or_flows():
    without = of_capture(SHARED / "captures" / "netflow-v9.pcap")
    assert not without.flows
    assert without.counts["held"] == without.counts["dropped.no-template"] > 0
    assert of_capture(SHARED / "captures" / "netflow-fritz.pcap").counts["templates"] == 3


def test_yaf_tells_of_both_directions():
    names = ("tpls_option_tpl", "tpl45841", "data45841", "data45873", "data53248")
    sink = of_datagrams(*(TELEMETRY / "logstash-netflow" / f"ipfix_test_yaf_{name}.dat" for name in names))
    first, second = sink.flows
    assert (first.transport, first.source_port, first.destination_port) == ("udp", 46_086, 53)
    assert (first.total_source_bytes, first.total_destination_bytes) == (132, 200)
    assert (second.total_source_bytes, second.total_destination_bytes) == (172, 92)
    assert (second.total_source_packets, second.total_destination_packets) == (4, 2)


def test_a_firewall_tells_of_connections_and_of_events():
    """Cisco ASA: records of connections that end have counters, those of connections that begin or are denied none."""
    names = ("asa_2_tpl_26x", "asa_2_tpl_27x", "asa_2_data")
    sink = of_datagrams(*(TELEMETRY / "logstash-netflow" / f"netflow9_test_cisco_{name}.dat" for name in names))
    assert sink.counts["flows"] + sink.counts["ignored.no-counters"] == 19
    first = sink.flows[0]
    assert (first.source_ip, first.source_port) == ("192.168.0.2", 61_775)
    assert (first.destination_ip, first.destination_port) == ("192.168.0.17", 80)
    assert (first.total_source_bytes, first.total_destination_bytes, first.duration) == (81, 763, 0.06)


def influx(path: Path) -> list[dict[str, str]]:
    """The fields of each metric in a file that telegraf's maintainers wrote."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [dict(re.findall(r'([\w]+)=("[^"]*"|[^,\s]+)', line)) for line in lines]


@pytest.mark.parametrize(
    ("case", "octets", "packets"),
    [
        ("netflow_v5_example", "in_bytes", "in_packets"),
        ("netflow_v9_example", "in_bytes", "in_packets"),
        ("ipfix_example", "in_total_bytes", "in_total_packets"),
    ],
)
def test_flows_are_those_of_telegraf(case, octets, packets):
    folder = TELEMETRY / "telegraf-netflow" / case
    wanted = Counter(
        (
            row["src"].strip('"'),
            row["dst"].strip('"'),
            int(row["src_port"].strip("u")),
            int(row["dst_port"].strip("u")),
            int(row[octets].strip("u")),
            int(row[packets].strip("u")),
        )
        for row in influx(folder / "expected.out")
        if "src" in row and octets in row
    )
    sink = of_datagrams(*sorted(folder.glob("*.bin")))
    found = Counter(
        (
            flow.source_ip,
            flow.destination_ip,
            flow.source_port,
            flow.destination_port,
            flow.total_source_bytes,
            flow.total_source_packets,
        )
        for flow in sink.flows
    )
    assert found == wanted
    assert len(influx(folder / "expected.out")) == facts(f"telemetry/telegraf-netflow/{case}")["expected_metrics"]
    assert not sink.family("rejected.")


def test_counters_are_those_of_telegraf():
    folder = TELEMETRY / "telegraf-netflow" / "sflow_v5_example"
    (row,) = influx(folder / "expected.out")
    sink = of_datagrams(folder / "sflow_v5.bin", name="sflow")
    (sample,) = (each for each in sink.samples if each.group == "sFlow Interfaces")
    assert sample.key == f"{row['agent_ip'].strip(chr(34))}/{row['interface'].strip('u')}"
    names = {"in_bytes": "in_bytes", "out_bytes": "out_bytes", "in_packets": "in_unicast_packets_total"}
    names |= {"out_packets": "out_unicast_packets_total", "speed": "speed", "in_errors": "in_errors"}
    assert {name: str(sample.meters[name]) + "u" for name in names} == {
        name: row[theirs] for name, theirs in names.items()
    }


def test_samples_of_packets():
    """A datagram of a switch, with akvorado's reading of it; and one of an agent that also tells of counters."""
    flows = of_capture(SHARED / "captures" / "sflow-1140.pcap", "sflow").flows
    assert [(flow.sampling_rate, flow.exporter_ip) for flow in flows] == [(1024, "172.16.0.3")] * 5
    assert [flow.total_source_bytes // 1024 for flow in flows] == [1518, 439, 1518, 64, 1518]
    sink = of_capture(SHARED / "captures" / "sflow.pcap", "sflow")
    assert (sink.counts["flows"], sink.counts["counters"]) == (1, 8)
    (flow,) = sink.flows
    assert (flow.transport, flow.sampling_rate, flow.exporter_ip) == ("icmp", 2048, "172.21.35.17")
    assert not sink.family("rejected.")
