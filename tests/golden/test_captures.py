"""`tapline read` against what independent tools say of the same capture.

The demo capture is always read; the others lie beside the repository and are not part of it. Every
difference is one that ``exceptions.py`` names and explains, and all it names are still there.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tests.golden.exceptions import EXCEPTIONS
from tests.golden.readings import URI_LIMIT, Reading

_ROOT = Path(__file__).parents[2]
_SHARED = _ROOT.parent / "shared" / "captures"
_DEMO = _ROOT / "tapline" / "demo" / "demo.pcap"

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

Facts = dict[str, Any]
Differences = set[str]


def _facts(path: Path) -> dict[str, Facts]:
    return {
        Path(capture["file"]).name: {name: fact["value"] for name, fact in capture["facts"].items()}
        for capture in json.loads(path.read_text())["captures"]
    }


_CAPTURES: dict[str, Facts] = _facts(Path(__file__).with_name("demo_capture.json"))
if _SHARED.is_dir():
    _CAPTURES |= _facts(_SHARED / "facts.json")


@lru_cache(maxsize=1)
def _reading(name: str) -> Reading:
    return Reading(_DEMO if name == _DEMO.name else _SHARED / name)


def _set_differences(stated: set[str], read: set[str]) -> Differences:
    return {f"missing {item}" for item in stated - read} | {f"extra {item}" for item in read - stated}


def _count_differences(stated: Mapping[str, int], read: Mapping[str, int]) -> Differences:
    return {
        f"{key}: {read.get(key, 0)}, stated {stated.get(key, 0)}"
        for key in stated.keys() | read.keys()
        if stated.get(key, 0) != read.get(key, 0)
    }


def _totals(facts: Facts, reading: Reading) -> Differences:
    """Every packet and byte of the file is in a flow or was ignored for a reason."""
    stated = {"packets": facts["capture"]["packets"], "bytes": facts["capture"]["bytes_on_wire"]}
    packets = sum(reading.packets_per_id.values()) + reading.ignored_packets
    octets = sum(reading.per_transport("bytes").values()) + reading.ignored_bytes
    return _count_differences(stated, {"packets": packets, "bytes": octets})


def _packets_per_flow(facts: Facts, reading: Reading) -> Differences:
    """Packets of each community id that the reference implementation gives."""
    reference = facts.get("community_id_reference", {"packets_per_id": {}})["packets_per_id"]
    return _count_differences(reference, {name: reading.packets_per_id[name] for name in reference})


def _flows_confirmed(facts: Facts, reading: Reading) -> Differences:
    """Each flow's community id is one that the reference implementation or tshark gives."""
    reference = facts.get("community_id_reference", {"packets_per_id": {}})["packets_per_id"]
    return {f"extra {name}" for name in reading.packets_per_id.keys() - reference - _tshark_ids(facts)}


def _flows_seen_by_tshark(facts: Facts, reading: Reading) -> Differences:
    """Each community id that tshark gives is a flow's."""
    return {f"missing {name}" for name in _tshark_ids(facts) - reading.packets_per_id.keys()}


def _tshark_ids(facts: Facts) -> set[str]:
    return set(facts["community_ids"]["ids"])


def _transports(facts: Facts, reading: Reading) -> Differences:
    """Packets by transport; bytes too where they are stated."""
    names = {"tcp": "tcp", "udp": "udp", "icmp": "icmp", "icmpv6": "ipv6-icmp"}
    packets = reading.per_transport("packets")
    if "transports" not in facts:
        stated = {name: facts["packets_with_protocol"].get(name, 0) for name in names}
        return _count_differences(stated, {name: packets[ours] for name, ours in names.items()})
    differences = set()
    for member in ("packets", "bytes"):
        stated = {name: facts["transports"].get(name, {}).get(member, 0) for name in names}
        read = reading.per_transport(member)
        differences |= _count_differences(stated, {name: read[ours] for name, ours in names.items()})
    return differences


def _dns(facts: Facts, reading: Reading) -> Differences:
    """Names with their types; addresses in answers are among those seen in any section."""
    stated = facts.get("dns", {"names": [], "answer_addresses": []})
    names = _set_differences(set(stated["names"]), reading.dns_names)
    return names | {f"extra {address}" for address in reading.answer_addresses - set(stated["answer_addresses"])}


def _dns_messages(facts: Facts, reading: Reading) -> Differences:
    """How many queries and answers."""
    stated = facts.get("dns", {"queries": 0, "responses": 0})
    return _count_differences(
        {"queries": stated["queries"], "responses": stated["responses"]},
        {"queries": reading.dns_messages("query"), "responses": reading.dns_messages("answer")},
    )


def _server_names(facts: Facts, reading: Reading) -> Differences:
    """Server names of client hellos over TCP, UDP and QUIC, with how often."""
    return _count_differences(facts.get("tls_sni", {}), reading.server_names)


def _ja3(facts: Facts, reading: Reading) -> Differences:
    """JA3 of client hellos, with how often."""
    return _count_differences(facts.get("ja3", {}), reading.fingerprints("client", "ja3"))


def _ja3s(facts: Facts, reading: Reading) -> Differences:
    """JA3S of server hellos, with how often."""
    return _count_differences(facts.get("ja3s", {}), reading.fingerprints("server", "ja3s"))


def _certificates(facts: Facts, reading: Reading) -> Differences:
    """SHA-256 of certificates."""
    stated = {certificate["sha256"] for certificate in facts.get("certificates", ())}
    return _set_differences(stated, set(reading.certificates))


def _certificate_details(facts: Facts, reading: Reading) -> Differences:
    """What a certificate says of itself."""
    differences = set()
    for stated in facts.get("certificates", ()):
        document = reading.certificates[stated["sha256"]]
        x509, own = document["tls"]["server"]["x509"], document["tapline"]["certificate"]
        read = {
            "subject": x509["subject"]["distinguished_name"],
            "issuer": x509["issuer"]["distinguished_name"],
            "serial": x509["serial_number"],
            "not_before": x509["not_before"].replace("Z", "+00:00"),
            "not_after": x509["not_after"].replace("Z", "+00:00"),
            "self_signed": own["self_signed"],
        }
        differences |= {
            f"{stated['sha1']} {name}: {value}, stated {stated[name]}"
            for name, value in read.items()
            if value != stated[name]
        }
        names = set(stated.get("san_dns", ())) - set(x509.get("alternative_names", ()))
        differences |= {f"{stated['sha1']} missing {name}" for name in names}
    return differences


def _certificate_chains(facts: Facts, reading: Reading) -> Differences:
    """Who sent which certificates in which order, where that is stated."""
    if "certificate_chains" not in facts:
        return set()
    stated = {
        (chain["client"], chain["server"], chain["community_id"], tuple(chain["sha256"]))
        for chain in facts["certificate_chains"]
    }
    return _set_differences({str(chain) for chain in stated}, {str(chain) for chain in reading.chains})


def _tls_versions(facts: Facts, reading: Reading) -> Differences:
    """The versions that servers chose, where they are stated."""
    if "tls_versions" not in facts:
        return set()
    names = {"0x0301": "tls 1.0", "0x0302": "tls 1.1", "0x0303": "tls 1.2", "0x0304": "tls 1.3"}
    stated = {names[number]: times for number, times in facts["tls_versions"].items()}
    return _count_differences(stated, reading.tls_versions)


def _http_requests(facts: Facts, reading: Reading) -> Differences:
    """Methods, hosts and URIs, and how many requests."""
    stated = facts.get("http", {"uris": [], "hosts": [], "requests": 0})
    read = {f"{method} {host} {uri}"[:URI_LIMIT] for method, host, uri in reading.requests}
    differences = _set_differences(set(stated["uris"]), read)
    differences |= _set_differences(set(stated["hosts"]), {host for _, host, _ in reading.requests if host})
    return differences | _count_differences({"requests": stated["requests"]}, {"requests": len(reading.requests)})


def _http_status_codes(facts: Facts, reading: Reading) -> Differences:
    """Status codes of responses, with how often."""
    stated = facts.get("http", {})
    return _count_differences(stated["response_codes"], reading.status_codes) if "response_codes" in stated else set()


def _files_of_tshark(facts: Facts, reading: Reading) -> Differences:
    """SHA-256 of the objects that tshark exports."""
    return {f"missing {name}" for name in _exported(facts) - reading.files.keys()}


def _files_of_suricata(facts: Facts, reading: Reading) -> Differences:
    """SHA-256 of the files that Suricata saw whole."""
    return {f"missing {name}" for name in _suricata_files(facts) - reading.files.keys()}


def _files_confirmed(facts: Facts, reading: Reading) -> Differences:
    """SHA-256 of each file is one that tshark or Suricata gives."""
    return {f"extra {name}" for name in reading.files.keys() - _exported(facts) - _suricata_files(facts)}


def _exported(facts: Facts) -> set[str]:
    # Objects without content are pipes and folders that were opened.
    return {item["sha256"] for item in facts.get("exported_objects", {}).get("objects", ()) if item["size"]}


def _suricata_files(facts: Facts) -> set[str]:
    files = facts.get("suricata_files", ())
    return {file["sha256"] for file in files if file["state"] == "CLOSED" and file["size"] and not file["gaps"]}


def _ssh(facts: Facts, reading: Reading) -> Differences:
    """Version lines of SSH as tshark has them, and who spoke with whom as Suricata has it, where that is stated."""
    differences: Differences = set()
    if "ssh_versions" in facts:
        differences |= _set_differences(set(facts["ssh_versions"]), reading.ssh_versions)
    if "suricata_ssh" in facts:
        pairs = Counter(f"{each['client']} {each['server']}" for each in facts["suricata_ssh"])
        differences |= _count_differences(pairs, reading.ssh_software)
    return differences


def _logins(facts: Facts, reading: Reading) -> Differences:
    """How many passwords FTP carried."""
    stated = facts.get("ftp", {"commands": {}})["commands"].get("PASS", 0)
    return _count_differences({"ftp": stated}, {"ftp": reading.logins("ftp")})


def _belonging(facts: Facts, reading: Reading) -> Differences:
    """Each resource and document names a flow of the capture, and no two records have the same id."""
    others = [document for document in reading.documents if document["event"]["dataset"] != "tapline.flow"]
    ids = Counter(document["event"]["id"] for document in reading.documents)
    strangers = {document["network"]["community_id"] for document in others} - reading.packets_per_id.keys()
    return {f"extra {name}" for name in strangers} | {f"twice {name}" for name, times in ids.items() if times > 1}


_CHECKS: dict[str, Callable[[Facts, Reading], Differences]] = {
    "totals": _totals,
    "packets per flow": _packets_per_flow,
    "flows confirmed": _flows_confirmed,
    "flows seen by tshark": _flows_seen_by_tshark,
    "transports": _transports,
    "dns": _dns,
    "dns messages": _dns_messages,
    "server names": _server_names,
    "ja3": _ja3,
    "ja3s": _ja3s,
    "tls versions": _tls_versions,
    "certificates": _certificates,
    "certificate details": _certificate_details,
    "certificate chains": _certificate_chains,
    "http requests": _http_requests,
    "http status codes": _http_status_codes,
    "files of tshark": _files_of_tshark,
    "files of suricata": _files_of_suricata,
    "files confirmed": _files_confirmed,
    "ssh": _ssh,
    "logins": _logins,
    "belonging": _belonging,
}


@pytest.mark.parametrize("name", _CAPTURES)
def test_reading_says_what_other_tools_say(name: str) -> None:
    reading = _reading(name)
    facts = _CAPTURES[name]
    found = {check: look(facts, reading) for check, look in _CHECKS.items()}
    excepted = {check: set(EXCEPTIONS.get(name, {}).get(check, {})) for check in _CHECKS}

    assert reading.refused == 0
    assert {check: differences for check, differences in found.items() if differences} == {
        check: differences for check, differences in excepted.items() if differences
    }


@pytest.mark.skipif(not _SHARED.is_dir(), reason="the captures that lie beside the repository are absent")
def test_every_exception_is_about_a_known_capture_and_check() -> None:
    assert EXCEPTIONS.keys() <= _CAPTURES.keys()
    assert {check for checks in EXCEPTIONS.values() for check in checks} <= _CHECKS.keys()


@pytest.mark.skipif(not _SHARED.is_dir(), reason="the captures that lie beside the repository are absent")
def test_the_shared_captures_are_all_read() -> None:
    files = {path.name for path in _SHARED.iterdir() if path.suffix in {".pcap", ".pcapng"}}

    assert files == _CAPTURES.keys() - {_DEMO.name}
