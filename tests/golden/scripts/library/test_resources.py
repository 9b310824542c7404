"""Scripts of the library that look at resources and documents, against what tshark says of the captures."""

from __future__ import annotations

import gzip
from collections import defaultdict
from pathlib import Path

import pytest

from tapline.testing import run
from tests.golden.scripts.library.places import library
from tests.golden.scripts.samples import DEMO, facts, needs_tshark, shared, tshark

pytestmark = needs_tshark


def test_passive_dns_tags_flows_with_the_name_that_was_looked_up() -> None:
    told = run(library("passive_dns"), DEMO, partitions=2)
    assert not told.errors
    names: dict[str, set[str]] = defaultdict(set)
    for name, addresses, six in tshark(DEMO, "dns.flags.response == 1", "dns.qry.name", "dns.a", "dns.aaaa"):
        for address in filter(None, f"{addresses},{six}".split(",")):
            names[address].add(".".join(name.split(".")[-2:]))
    assert told.annotations
    for each in told.annotations:
        expected = names.get(each.destination_ip) or names.get(each.source_ip)
        assert expected is not None
        assert each.value in expected
    assert "198.51.100.20" in {each.destination_ip for each in told.annotations}
    once = {(each.flow_id, each.window) for each in told.annotations}
    assert len(once) == len(told.annotations), "a flow is tagged once a window"


def test_passive_dns_tags_nothing_where_nobody_asks() -> None:
    told = run(library("passive_dns"), shared("ssh-guess.pcap"))
    assert told.called("on_flush") > 0
    assert told.annotations == told.messages == []


def test_url_latency_is_the_time_from_request_to_response() -> None:
    told = run(library("url_latency"), DEMO)
    assert not told.errors
    stated = [
        (f"{host}{uri}"[:50].partition("?")[0], round(float(time) * 1_000_000))
        for host, uri, time in (
            (host, uri, time)
            for _, time, request in tshark(DEMO, "http.response", "frame.number", "http.time", "http.request_in")
            for host, uri in tshark_request(request)
        )
    ]
    by_key: dict[str, list[int]] = defaultdict(list)
    for key, time in stated:
        by_key[key].append(time)
    hits: dict[str, int] = defaultdict(int)
    for each in told.counters:
        assert each.group == "URL Latency"
        hits[each.key] += int(each.meters["hits"])
        times = by_key[each.key]
        assert min(times) <= each.meters["minimum"] <= each.meters["average"] <= each.meters["maximum"] <= max(times)
    assert dict(hits) == {key: len(times) for key, times in by_key.items()}
    assert run(library("url_latency"), shared("tls-expired-cert.pcap")).counters == []


def tshark_request(frame: str) -> list[tuple[str, str]]:
    return [(host, uri) for host, uri in tshark(DEMO, f"frame.number == {frame}", "http.host", "http.request.uri")]


def test_detect_sha1_tells_of_each_chain_with_such_a_certificate() -> None:
    capture = shared("tls-expired-cert.pcap")
    told = run(library("detect_sha1"), capture)
    assert len(told.alerts) == 2
    assert {(each.type, each.group, each.signature, each.priority) for each in told.alerts} == {
        ("sha1-certificate", "User", "SSLSHA1", 2)
    }
    messages = " ".join(each.message for each in told.alerts)
    assert "CN=www.spidh.org" in messages
    assert "CN=www.tobu-estate.com" in messages
    assert len(run(library("detect_sha1"), shared("tls-selfsigned.pcap")).alerts) == 2, "a server's own, self-signed"
    quiet = run(library("detect_sha1"), DEMO)
    assert quiet.called("on_new_document") == len(facts(DEMO.name)["certificate_chains"])
    assert quiet.alerts == []


def listed(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_blacklist_tells_of_hosts_networks_names_and_hashes(tmp_path: Path) -> None:
    stated = facts(DEMO.name)
    carried = stated["exported_objects"]["objects"][0]
    certificate = stated["certificates"][0]
    packed = tmp_path / "hashes.gz"
    packed.write_bytes(gzip.compress(f"{carried['md5'].upper()} #a file\n{certificate['sha256']} #theirs\n".encode()))
    told = run(
        library("blacklist"),
        DEMO,
        params={
            "blacklist_networks.file": listed(tmp_path, "networks", "198.51.100.0/26 #theirs\n203.0.113.66\n"),
            "blacklist_names.file": listed(tmp_path, "names", "DUCKDNS.org. #dynamic\nshop.example.com\n"),
            "blacklist_hashes.file": str(packed),
        },
    )
    assert not told.errors
    assert {each.group for each in told.alerts} == {"Blacklist"}
    by_script = defaultdict(list)
    for each in told.alerts:
        by_script[each.script].append(each)
    questions = [name for (name,) in tshark(DEMO, "dns.flags.response == 0", "dns.qry.name")]
    asked = [name for name in questions if name.endswith((".duckdns.org", "shop.example.com"))]
    signatures = [each.signature for each in by_script["blacklist_names"]]
    assert signatures.count("duckdns.org") == sum(name.endswith("duckdns.org") for name in asked) > 0
    hellos = stated["tls_sni"]["shop.example.com"]
    assert signatures.count("shop.example.com") == asked.count("shop.example.com") + hellos
    assert {each.classification for each in by_script["blacklist_names"] if each.signature == "duckdns.org"} == {
        "dynamic"
    }
    hit = {each.signature for each in by_script["blacklist_hashes"]}
    assert hit == {carried["md5"], certificate["sha256"]}
    met = {each.source_ip for each in by_script["blacklist_networks"] if each.signature == "203.0.113.66"}
    assert met == {"203.0.113.66"}
    theirs = [each for each in by_script["blacklist_networks"] if each.signature == "198.51.100.0/26"]
    streams = tshark(DEMO, "ip.addr == 198.51.100.0/26 && !icmp", "tcp.stream", "udp.stream")
    assert len({each.flow_id for each in theirs}) == len(theirs) == len(set(streams))


def test_blacklist_says_nothing_of_what_is_not_listed() -> None:
    told = run(library("blacklist"), shared("dns-packets.pcap"))
    assert told.called("on_new_flow") > 0
    assert told.called("on_new_resource") > 0
    assert told.alerts == []
    assert told.errors == []


@pytest.mark.parametrize("text", ["300.1.2.3\n", ""])
def test_blacklist_says_where_a_list_is_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "networks"
    if text:
        path.write_text(text, encoding="utf-8")
    told = run(library("blacklist"), shared("dns-txt-multiple.pcap"), params={"blacklist_networks.file": str(path)})
    (error,) = told.errors
    assert error.script == "blacklist_networks"
    assert f"{path}:1: '300.1.2.3' is no address" in str(error) or "is missing" in str(error)
