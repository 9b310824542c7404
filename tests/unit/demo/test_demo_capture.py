"""The committed capture is small, readable, and holds what its README promises."""

import hashlib
import json
import random
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from tapline.demo import DEMO_CAPTURE, topology, web_files
from tapline.demo.record import LARGEST_CAPTURE
from tests.golden import facts

GOLDEN = Path(__file__).parents[2] / "golden" / "demo_capture.json"


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))["captures"][0]


@pytest.fixture(scope="module")
def value(golden):
    return lambda name: golden["facts"][name]["value"]


def frames(content: bytes) -> list[tuple[float, int]]:
    """Return time and length on the wire of each frame of a little-endian classic pcap."""
    magic, *_, link = struct.unpack_from("<IHHiIII", content)
    assert (magic, link) == (0xA1B2C3D4, 1), "not classic pcap with Ethernet frames"
    found, offset = [], 24
    while offset < len(content):
        second, microsecond, kept, length = struct.unpack_from("<IIII", content, offset)
        assert kept == length
        found.append((second + microsecond / 1e6, length))
        offset += 16 + kept
    assert offset == len(content)
    return found


def test_the_capture_is_whole_small_and_the_one_the_facts_are_about(golden, value):
    content = DEMO_CAPTURE.read_bytes()
    assert len(content) < LARGEST_CAPTURE
    assert hashlib.sha256(content).hexdigest() == golden["sha256"]
    read = frames(content)
    assert len(read) == value("capture")["packets"]
    assert sum(length for _, length in read) == value("capture")["bytes_on_wire"]
    assert [time for time, _ in read] == sorted(time for time, _ in read)


def test_no_frame_is_longer_than_a_wire_carries():
    assert max(length for _, length in frames(DEMO_CAPTURE.read_bytes())) <= 1518


def test_it_spans_three_full_windows(value):
    windows = sorted(map(int, value("windows")))
    assert windows == list(range(windows[0], windows[-1] + 60, 60))
    assert len(windows) >= 5
    assert 200 < value("capture")["duration_s"] < 300


def test_sums_by_transport_are_the_sums_of_the_capture(value):
    for unit, total in (("packets", "packets"), ("bytes", "bytes_on_wire")):
        assert sum(of_one[unit] for of_one in value("transports").values()) == value("capture")[total]
    assert all(value("transports")[name]["packets"] for name in (*facts.TRANSPORTS, "other"))


def test_names_of_dynamic_dns_and_all_kinds_of_questions_are_asked(value):
    asked = {name.partition(" ")[2] for name in value("dns")["names"]}
    assert {"camera.duckdns.org", "office.no-ip.org", "printer.dyndns.org"} <= asked
    assert set(value("dns")["query_types"]) >= {"A", "AAAA", "CNAME", "MX", "TXT", "PTR"}
    assert value("dns")["rcodes"]["3"] >= 1
    assert value("dns")["over_tcp"] >= 1


def test_there_is_a_good_a_self_signed_and_an_expired_certificate(value):
    leaves = {of_one["subject"].partition(",")[0]: of_one for of_one in value("certificates")}
    shop, nas, old = (leaves[f"CN={name}"] for name in ("shop.example.com", "nas.example.net", "old.example.org"))
    assert (shop["self_signed"], shop["expired_at_capture_start"]) == (False, False)
    assert "shop.example.com" in shop["san_dns"]
    assert shop["access"] == ["http://ocsp.example.com/"]
    assert (nas["self_signed"], nas["expired_at_capture_start"]) == (True, False)
    assert (old["self_signed"], old["expired_at_capture_start"]) == (False, True)
    chains = {tuple(chain["sha256"]) for chain in value("certificate_chains")}
    intermediate = next(of_one for of_one in value("certificates") if of_one["subject"] == shop["issuer"])
    assert (shop["sha256"], intermediate["sha256"]) in chains
    assert set(value("tls_versions")) == {"0x0303", "0x0304"}


def test_short_normal_and_long_ssh_sessions(value):
    sessions = [flow for flow in value("ssh_flows") if flow["server"] == "10.20.0.22"]
    assert sum(1 for flow in sessions if flow["bytes"] < 1000) == 5
    assert any(flow["windows"] == 1 and flow["bytes"] > 20_000 for flow in sessions)
    assert any(flow["windows"] >= 3 and flow["duration_s"] > 120 for flow in sessions)


def test_scan_burst_voice_vlan_and_management_are_there(value):
    syn, _, _ = value("tcp_syn_synack_rst")
    assert syn >= 300 + 200
    assert value("vlan_ids_tags") == {str(topology.VOICE_VLAN): 21}
    assert value("snmp")["versions"]["v2c"] > 0
    assert value("syslog_frames") == 3
    assert value("icmp_types")["3"] == 2


def test_downloads_of_the_capture_are_the_files_of_the_web_servers(tmp_path, value):
    web_files.write_web_files(tmp_path)
    exported = {of_one["sha256"] for of_one in value("exported_objects")["objects"]}
    for name in ("www/logo.png", "www/report.pdf", "downloads/tools.zip", "downloads/setup.exe", "pbx/phone.cfg"):
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() in exported, name


def test_downloads_begin_as_their_kind_does():
    generator = random.Random(1)
    assert web_files.png(generator, width=2, height=2).startswith(b"\x89PNG\r\n")
    assert web_files.pdf(generator, 10).startswith(b"%PDF-")
    assert web_files.archive(generator, 10).startswith(b"PK")
    assert web_files.executable(generator, 10).startswith(b"MZ")


def test_readme_has_the_figures_of_the_capture(golden, value):
    readme = DEMO_CAPTURE.with_name("README.md").read_text(encoding="utf-8")
    figures = [
        f"| packets | {value('capture')['packets']} |",
        f"| bytes on the wire (frames) | {value('capture')['bytes_on_wire']} |",
        f"| size of the file | {golden['size']} bytes |",
    ]
    for name, label in {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "icmpv6": "ICMPv6", "other": "other (ARP)"}.items():
        sums = value("transports")[name]
        figures.append(f"| {label} | {sums['packets']} packets, {sums['bytes']} bytes |")
    for figure in figures:
        assert figure in readme


def test_readme_has_every_host():
    readme = DEMO_CAPTURE.with_name("README.md").read_text(encoding="utf-8")
    for host in topology.HOSTS:
        for address in (*host.addresses, *filter(None, [host.voice])):
            assert address.partition("/")[0] in readme, host.name


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_still_says_so(golden, value):
    said = facts.facts(DEMO_CAPTURE)["facts"]
    for name in ("transports", "windows", "arp_packets", "dns", "http", "exported_objects", "certificates", "tls_sni"):
        assert said[name]["value"] == value(name), name
    assert said["community_ids"]["value"] == value("community_ids")
