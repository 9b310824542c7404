"""`--engine suricata` against a plain run of Suricata on the same capture, with the configuration that it ships with.

What is set in the plain run's configuration is what the engine promises: community ids, all hashes, whole chains, and
that neither checksums nor the length of a stream or of a body keep anything from being seen.
"""

import base64
import hashlib
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.suricata.program import OLDEST, find_suricata
from tests.unit.capture.sinks import KeepingSink
from topics.records import Document, Flow, Resource

_ROOT = Path(__file__).parents[2]
_SHARED = _ROOT.parent / "shared" / "captures"
_DEMO = _ROOT / "tapline" / "demo" / "demo.pcap"
_SHIPPED = Path("/etc/suricata/suricata.yaml")
_PROGRAM = find_suricata()

_REFUSED = "pcapng-many-interfaces.pcapng"
"""Plain Suricata does not read it: its interfaces differ in link type."""

_CAPTURES = {_DEMO.name: _DEMO} | {path.name: path for path in sorted(_SHARED.glob("*.pcap*")) if path.name != _REFUSED}

pytestmark = [
    pytest.mark.skipif(
        _PROGRAM is None or _PROGRAM.major < OLDEST,
        reason="Suricata 7 is not installed (Debian 12: apt install -t bookworm-backports suricata)",
    ),
    pytest.mark.skipif(not _SHIPPED.exists(), reason=f"there is no {_SHIPPED}, the configuration of Debian's package"),
]

_AS_THEY_ARE = frozenset({
    "bittorrent_dht", "dcerpc", "dhcp", "ftp", "ftp_data", "ike", "krb5", "mqtt", "nfs", "rdp", "rfb", "sip", "smtp",
    "snmp", "tftp",
})  # fmt: skip
"""Events that become documents."""

Event = dict[str, Any]


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration that is shipped, with what the engine promises."""
    made = yaml.safe_load(_SHIPPED.read_text(encoding="utf-8"))
    (eve,) = (output["eve-log"] for output in made["outputs"] if "eve-log" in output)
    replaced = {"flow", "ssh", "tls", "files", "dhcp"}
    types = [kind for kind in eve["types"] if not replaced & (set(kind) if isinstance(kind, dict) else {kind})]
    eve["types"] = [
        *types,
        "flow",
        "ssh",
        {"tls": {"custom": ["subject", "issuer", "fingerprint", "sni", "version", "chain", "ja3", "ja3s", "ja4"]}},
        {"files": {"force-hash": ["md5", "sha1", "sha256"]}},
        {"dhcp": {"enabled": True, "extended": True}},
    ]
    eve |= {"community-id": True, "filename": "eve.json"}
    made["outputs"] = [{"eve-log": eve}]
    made["stream"] |= {"checksum-validation": False}
    made["stream"]["reassembly"]["depth"] = 0
    made["app-layer"]["protocols"]["tls"] |= {"ja3-fingerprints": True, "ja4-fingerprints": True}
    bodies = made["app-layer"]["protocols"]["http"]["libhtp"]["default-config"]
    # How much it unpacks of a body within the tenth of a second that it is given depends on what else the machine does.
    bodies |= {"request-body-limit": 0, "response-body-limit": 0, "decompression-time-limit": 1_000_000}
    path = tmp_path_factory.mktemp("plain") / "suricata.yaml"

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
            return True

    path.write_text("%YAML 1.1\n---\n" + yaml.dump(made, Dumper=Plain), encoding="utf-8")
    return path


def plain_events(configuration: Path, capture: Path, folder: Path) -> list[Event]:
    assert _PROGRAM is not None
    command = [_PROGRAM.path, "-c", configuration, "-S", "/dev/null", "-k", "none", "--runmode", "single"]
    subprocess.run([*command, "-l", folder, "-r", capture], check=True, capture_output=True, timeout=300)
    events = folder / "eve.json"
    return [json.loads(line) for line in events.read_bytes().splitlines()] if events.exists() else []


@pytest.fixture(scope="module")
def plain(
    request: pytest.FixtureRequest, configuration: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[list[Event]]]]:
    """What a plain Suricata says of each capture that is asked for: it mostly waits, so several do at once."""
    named = (getattr(item, "callspec", None) for item in request.session.items if item.module is request.module)  # type: ignore[attr-defined]
    with ThreadPoolExecutor(4) as pool:
        yield {
            name: pool.submit(plain_events, configuration, _CAPTURES[name], tmp_path_factory.mktemp("plain"))
            for name in [spec.params["name"] for spec in named if spec is not None]
        }


def read(capture: Path) -> KeepingSink:
    sink = KeepingSink()
    _, (source,) = open_capture(str(capture), CaptureSettings(node="node", flows="suricata"))
    source.run(sink)
    return sink


def resources(sink: KeepingSink, group: str) -> list[Resource]:
    return [put.record for put in sink.put_all if isinstance(put.record, Resource) and put.record.group == group]


def answers_of(dns: dict[str, Any]) -> tuple[tuple[str, str, str], ...]:
    return tuple((answer["rrname"], answer["rrtype"], answer.get("rdata", "")) for answer in dns.get("answers", ()))


def microseconds(text: str) -> int:
    time = datetime.fromisoformat(text)
    return int(time.timestamp()) * 1_000_000 + time.microsecond


def told_flows(events: list[Event]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (
            event["community_id"],
            microseconds(event["flow"]["start"]),
            microseconds(event["flow"]["end"]),
            event["flow"]["pkts_toserver"],
            event["flow"]["pkts_toclient"],
            event["flow"]["bytes_toserver"],
            event["flow"]["bytes_toclient"],
        )
        for event in events
        if event["event_type"] == "flow"
    )


def made_flows(flows: list[Flow]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (
            flow.community_id,
            flow.start,
            flow.end,
            flow.total_source_packets,
            flow.total_destination_packets,
            flow.total_source_bytes,
            flow.total_destination_bytes,
        )
        for flow in flows
    )


def of(events: list[Event], kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [(event["community_id"], event[kind]) for event in events if event["event_type"] == kind]


@pytest.mark.parametrize("name", _CAPTURES)
def test_the_same_as_a_plain_suricata(name: str, plain: dict[str, Future[list[Event]]]) -> None:
    sink = read(_CAPTURES[name])
    events = plain[name].result()
    assert made_flows(sink.flows) == told_flows(events)

    names = Counter(
        (end, dns["type"], dns["id"], dns.get("rrname", ""), dns.get("rcode", ""), answers_of(dns))
        for end, dns in of(events, "dns")
    )
    assert names == Counter(
        (
            made.community_id,
            made.dns.type,
            made.dns.message_id,
            made.dns.query_name,
            made.dns.response_code,
            tuple(made.dns.answers),
        )
        for made in resources(sink, "dns")
        if made.dns
    )

    requests = Counter((end, http.get("url", "")) for end, http in of(events, "http"))
    made_http = [(made.community_id, made.http) for made in resources(sink, "url") if made.http]
    assert requests == Counter((end, http.uri) for end, http in made_http if http.type == "request")
    answers = Counter((end, http["status"]) for end, http in of(events, "http") if http.get("status"))
    assert answers == Counter((end, http.status_code) for end, http in made_http if http.type == "response")

    hashes = Counter(
        (end, file["size"], file.get("md5", ""), file.get("sha1", ""), file.get("sha256", ""))
        for end, file in of(events, "fileinfo")
    )
    assert hashes == Counter(
        (made.community_id, made.file.size, made.file.md5, made.file.sha1, made.file.sha256)
        for made in resources(sink, "file")
        if made.file
    )

    certificates = Counter(
        (end, position, hashlib.sha1(base64.b64decode(encoded)).hexdigest())
        for end, tls in of(events, "tls")
        for position, encoded in enumerate(tls.get("chain", []))
    )
    assert certificates == Counter(
        (made.community_id, made.x509.position, made.x509.sha1) for made in resources(sink, "x509") if made.x509
    )

    server_names = Counter(
        (end, tls["sni"]) for kind in ("tls", "quic") for end, tls in of(events, kind) if "sni" in tls
    )
    assert server_names == Counter(
        (made.community_id, made.tls.server_name)
        for made in resources(sink, "tls")
        if made.tls and made.tls.type == "client-hello" and made.tls.server_name
    )

    versions = Counter(
        (end, side, ssh[side].get("software_version", ""))
        for end, ssh in of(events, "ssh")
        for side in ("client", "server")
        if side in ssh
    )
    assert versions == Counter(
        (made.community_id, made.ssh.side, made.ssh.software) for made in resources(sink, "ssh") if made.ssh
    )

    requests_of_smb = Counter(
        (end, smb.get("command", ""), smb.get("filename") or smb.get("share", ""), smb.get("status", ""))
        for end, smb in of(events, "smb")
    )
    assert Counter(
        {(end, " ".join(filter(None, words))): many for (end, *words), many in requests_of_smb.items()}
    ) == Counter((made.community_id, made.label) for made in resources(sink, "smb"))

    fingerprints = Counter(
        (end, tls[name]["hash"] if name != "ja4" else tls[name])
        for end, tls in of(events, "tls")
        for name in ("ja3", "ja3s", "ja4")
        if name in tls
    )
    hellos = [(made.community_id, made.tls) for made in resources(sink, "tls") if made.tls and made.transport == "tcp"]
    assert fingerprints == Counter(
        (end, value) for end, tls in hellos for value in (tls.ja3, tls.ja3s, tls.ja4) if value
    )

    kinds = Counter(event["event_type"] for event in events if event["event_type"] in _AS_THEY_ARE)
    documents = Counter(put.record.key for put in sink.put_all if isinstance(put.record, Document))
    assert kinds == Counter({kind: many for kind, many in documents.items() if kind in _AS_THEY_ARE})


def test_the_captures_hold_what_is_compared() -> None:
    if not _SHARED.is_dir():
        pytest.skip(f"no {_SHARED}: the data of others is not part of this repository")
    sink = read(_CAPTURES["http-browsing-4k6.pcap"])
    assert len(sink.flows) > 100
    assert len(resources(sink, "file")) > 100
    assert len(resources(read(_CAPTURES["tls-subjectaltname.pcap"]), "x509")) > 10
