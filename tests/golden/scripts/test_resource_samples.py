"""The samples that look at resources, against what other tools say of the captures."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest

from scripts.samples.dyndns_alert import read_domains
from tapline.testing import run
from tests.golden.scripts.samples import DEMO, SAMPLES, ends, facts, needs_tshark, sample, shared, tshark
from topics.records import Dns, Resource

pytestmark = needs_tshark

_TLS13 = "tls13-tls3.pcapng"
"""A capture with TLS in it, and no certificate in clear."""


def question(name: str, kind: str = "query") -> Resource:
    dns = Dns(type="answer" if kind == "answer" else "query", query_name=name)
    return Resource(id=name + kind, time=1_700_000_050_000_000, group="dns", uri=name, dns=dns)


def test_dyndns_alerts_on_each_question_for_a_name_below_a_listed_domain() -> None:
    told = run(sample("dyndns_alert"), DEMO)
    domains = {"duckdns.org", "no-ip.org", "dyndns.org", "ddns.net", "hopto.org"}
    asked = tshark(DEMO, "dns.flags.response == 0 && !icmp", "ip.src", "udp.srcport", "dns.qry.name")
    expected = {
        (ip, int(port), f"Request for dyndns resource {name}")
        for ip, port, name in asked
        if ".".join(name.split(".")[-2:]) in domains
    }
    assert len(expected) == 7
    assert {(alert.source_ip, alert.source_port, alert.message) for alert in told.alerts} == expected
    assert len(told.alerts) == 7
    assert {(alert.group, alert.priority, alert.type) for alert in told.alerts} == {("System", 1, "dyndns")}
    lines = (SAMPLES / "dynamic-dns.txt").read_text().splitlines()
    number = lines.index("duckdns.org # Duck DNS") + 1
    assert {alert.signature for alert in told.alerts if "duckdns" in alert.message} == {
        f"Duck DNS source line {number}"
    }


def test_dyndns_finds_a_name_with_a_digit() -> None:
    told = run(sample("dyndns_alert"), shared("dyndns-duckdns-dnsonly.pcap"))
    assert [alert.message for alert in told.alerts] == ["Request for dyndns resource procesoexitos1.duckdns.org"]


def test_dyndns_leaves_other_names_alone() -> None:
    told = run(sample("dyndns_alert"), shared("dns-packets.pcap"))
    assert told.called("on_new_resource") > 100
    assert told.alerts == []


@pytest.mark.parametrize(
    ("name", "alerts"),
    [
        ("duckdns.org", 1),
        ("a.b.DuckDNS.org.", 1),
        ("notduckdns.org", 0),
        ("duckdns.org.example.com", 0),
        ("no-ip.co.uk", 1),
        ("co.uk", 0),
        ("ns01.info", 1),
        ("org", 0),
        ("", 0),
        (".", 0),
    ],
)
def test_dyndns_matches_whole_labels(name: str, alerts: int) -> None:
    told = run(sample("dyndns_alert"), records=[question(name), question(name, "answer")])
    assert not told.errors
    assert len(told.alerts) == alerts


def test_the_list_of_domains_is_clean() -> None:
    lines = (SAMPLES / "dynamic-dns.txt").read_text().splitlines()
    assert lines == sorted(set(lines))
    domains = read_domains(SAMPLES / "dynamic-dns.txt")
    assert len(domains) == len(lines)
    assert all("." in domain and domain == domain.lower() for domain in domains)
    assert domains["zzux.com"] == f"ChangeIP source line {len(lines)}"


def test_filehash_prints_every_file_that_was_carried() -> None:
    told = run(sample("filehash"), DEMO)
    objects = facts(DEMO.name)["exported_objects"]["objects"]
    assert sorted(line.split()[2] for line in told.printed) == sorted(each["sha256"] for each in objects)
    handbook = next(each for each in objects if each["name"] == "handbook.pdf")
    times = tshark(DEMO, 'http.request.uri contains "handbook.pdf"', "frame.time_epoch", "ip.src", "tcp.srcport")
    clients = {f"{ip}:{port}" for _, ip, port in times}
    lines = [line for line in told.printed if handbook["sha256"] in line]
    assert {line.split(" -> ")[0].split()[-1] for line in lines} <= clients
    assert all(line.startswith("2026-11-21 09:4") and " tcp " in line for line in lines)


def test_filehash_prints_nothing_where_no_file_is_carried() -> None:
    told = run(sample("filehash"), shared("dns-packets.pcap"))
    assert told.called("on_new_resource") == 0
    assert told.printed == []


def certificates(name: str) -> list[str]:
    """SHA-256 of the certificates sent, each time it was sent."""
    return sorted(digest for chain in facts(name)["certificate_chains"] for digest in chain["sha256"])


def test_printcertchain_prints_the_certificates_as_they_were_sent() -> None:
    told = run(sample("printcertchain"), DEMO)
    text = "\n".join(told.printed)
    blocks = [block + ssl.PEM_FOOTER for block in text.split(ssl.PEM_FOOTER) if block.strip()]
    sent = [hashlib.sha256(ssl.PEM_cert_to_DER_cert(block.strip())).hexdigest() for block in blocks]
    assert sorted(sent) == certificates(DEMO.name)


@pytest.mark.parametrize("name", ["printcertchain", "ssl", "sha256_x509"])
def test_nothing_is_printed_where_no_certificate_is_seen(name: str, tmp_path: Path) -> None:
    params = {"folder": str(tmp_path / "certificates")} if name == "sha256_x509" else {}
    told = run(sample(name), shared(_TLS13), params=params)
    assert told.called("on_new_resource") == 0
    assert told.printed == []
    assert told.resources == []


def test_ssl_prints_whose_each_certificate_is() -> None:
    told = run(sample("ssl"), DEMO)
    subjects = {each["sha256"]: each["subject"] for each in facts(DEMO.name)["certificates"]}
    chains = facts(DEMO.name)["certificate_chains"]
    expected = sorted(
        (chain["client"], chain["server"], subjects[digest]) for chain in chains for digest in chain["sha256"]
    )
    printed = []
    for line in told.printed:
        text, _, destination = line.rpartition(" -> ")
        *words, source = text.split(" ")
        printed.append((source.rpartition(":")[0], destination.rpartition(":")[0], " ".join(words[2:])))
    assert sorted(printed) == expected


def test_sha256_x509_saves_each_certificate_and_adds_its_hash_to_the_resources(tmp_path: Path) -> None:
    told = run(sample("sha256_x509"), DEMO, params={"folder": str(tmp_path)})
    assert not told.errors
    sent = certificates(DEMO.name)
    assert sorted(line.split("CERTSHA256:")[1] for line in told.printed) == sent
    assert {path.name for path in tmp_path.iterdir()} == {f"{digest}.pem" for digest in sent}
    for path in tmp_path.iterdir():
        assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest() == path.stem
    assert sorted(each.uri for each in told.resources) == [f"CERTSHA256:{digest}" for digest in sent]
    assert {each.group for each in told.resources} == {"file"}
    chains = {(chain["client"], chain["server"]) for chain in facts(DEMO.name)["certificate_chains"]}
    assert {(ends(each)[0], ends(each)[2]) for each in told.resources} == chains


def test_what_sha256_x509_adds_is_seen_by_filehash_and_goes_round_no_further(tmp_path: Path) -> None:
    told = run([sample("sha256_x509"), sample("filehash")], DEMO, params={"folder": str(tmp_path)})
    hashes = [line.split()[2] for line in told.printed if " -> " in line]
    objects = facts(DEMO.name)["exported_objects"]["objects"]
    expected = [f"CERTSHA256:{digest}" for digest in certificates(DEMO.name)] + [each["sha256"] for each in objects]
    assert sorted(hashes) == sorted(expected)
    assert len(told.resources) == len(certificates(DEMO.name))


def test_a_certificate_that_was_too_large_to_carry_is_left_out(tmp_path: Path) -> None:
    bare = Resource(id="1", time=1_700_000_050_000_000, group="x509", uri="SHA1:00", label="")
    for name in ("sha256_x509", "printcertchain", "ssl"):
        params = {"folder": str(tmp_path)} if name == "sha256_x509" else {}
        told = run(sample(name), records=[bare], params=params)
        assert not told.errors
        assert told.printed == (["2023-11-14 22:14:10 SHA1:00 :0 -> :0"] if name == "ssl" else [])
