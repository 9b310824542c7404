"""What `tapline read` prints of a capture, as sets and sums to hold against the facts other tools state."""

import io
import json
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any

from capture.open import open_capture
from capture.settings import CaptureSettings
from tapline.commands.reading import Printer

URI_LIMIT = 400
"""Characters after which the facts cut ``METHOD host uri``."""


class _Counting(Printer):
    """The printer of the command, which keeps also what the engines counted."""

    counts: Counter[tuple[str, str]]

    def count(self, source: str, counter: str, amount: int = 1) -> None:
        self.counts[source, counter] += amount


class Reading:
    """The documents of one capture, and the engines' counts."""

    def __init__(self, capture: Path) -> None:
        observation, sources = open_capture(str(capture), CaptureSettings(node="golden", engine="tshark"))
        output = io.BytesIO()
        printer = _Counting(output, observation.stream, as_json=True, flush=False)
        printer.counts = self._counts = Counter()
        for source in sources:
            source.run(printer)
        self.refused = printer.refused
        self.documents: list[dict[str, Any]] = [json.loads(line) for line in output.getvalue().splitlines()]
        self.flows = self._of("tapline.flow")
        self.resources = self._of("tapline.resource")

    @property
    def ignored_packets(self) -> int:
        """Packets that are in no flow."""
        return sum(
            amount
            for (source, name), amount in self._counts.items()
            if source == "nfstream" and name.startswith("ignored.")
        )

    @property
    def ignored_bytes(self) -> int:
        """Bytes of those packets."""
        return self._counts["nfstream", "ignored_bytes"]

    def _of(self, dataset: str) -> list[dict[str, Any]]:
        return [document for document in self.documents if document["event"]["dataset"] == dataset]

    def group(self, name: str) -> list[dict[str, Any]]:
        """The resources of a group."""
        return [document for document in self.resources if document["tapline"]["resource"]["group"] == name]

    @cached_property
    def packets_per_id(self) -> Counter[str]:
        """Packets by community id."""
        packets: Counter[str] = Counter()
        for flow in self.flows:
            packets[flow["network"]["community_id"]] += flow["network"]["packets"]
        return packets

    def per_transport(self, member: str) -> Counter[str]:
        """Packets or bytes by transport."""
        sums: Counter[str] = Counter()
        for flow in self.flows:
            sums[flow["network"]["transport"]] += flow["network"][member]
        return sums

    @cached_property
    def dns_names(self) -> set[str]:
        """Names asked for, as ``TYPE name``."""
        questions = [
            document["dns"]["question"] for document in self.group("dns") if document["dns"]["type"] == "query"
        ]
        return {f"{question.get('type', '').removeprefix('TYPE')} {question.get('name', '')}" for question in questions}

    def dns_messages(self, kind: str) -> int:
        """How many queries or answers."""
        return sum(document["dns"]["type"] == kind for document in self.group("dns"))

    @cached_property
    def answer_addresses(self) -> set[str]:
        """Addresses in answers."""
        return {address for document in self.group("dns") for address in document["dns"].get("resolved_ip", ())}

    @cached_property
    def server_names(self) -> Counter[str]:
        """Server names in client hellos, with how often."""
        hellos = [document for document in self.group("tls") if document["tapline"]["tls"]["type"] == "client-hello"]
        names = (hello["tls"].get("client", {}).get("server_name", "") for hello in hellos)
        return Counter(name for name in names if name)

    def fingerprints(self, side: str, name: str) -> Counter[str]:
        """JA3 of clients or JA3S of servers, with how often."""
        found = (document["tls"].get(side, {}).get(name, "") for document in self.group("tls"))
        return Counter(value for value in found if value)

    @cached_property
    def tls_versions(self) -> Counter[str]:
        """Versions that servers chose, with how often."""
        hellos = (document for document in self.group("tls") if document["tapline"]["tls"]["type"] == "server-hello")
        return Counter(f"{hello['tls']['version_protocol']} {hello['tls']['version']}" for hello in hellos)

    @cached_property
    def certificates(self) -> dict[str, dict[str, Any]]:
        """Certificates by SHA-256."""
        return {_sha256(document): document for document in self.group("x509")}

    @cached_property
    def chains(self) -> list[tuple[str, str, str, tuple[str, ...]]]:
        """Client, server, community id, and the SHA-256 of the certificates sent, in the order of their positions."""
        sent: dict[tuple[str, str, str], dict[int, str]] = {}
        for document in self.group("x509"):
            ends = (document["source"]["ip"], document["destination"]["ip"], document["network"]["community_id"])
            sent.setdefault(ends, {})[document["tapline"]["certificate"]["position"]] = _sha256(document)
        return [(*ends, tuple(chain[position] for position in sorted(chain))) for ends, chain in sent.items()]

    @cached_property
    def ssh_versions(self) -> set[str]:
        """The version lines of SSH sides."""
        told = (document["tapline"]["ssh"] for document in self.group("ssh"))
        return {f"SSH-{ssh['protocol_version']}-{ssh['software']}" for ssh in told if ssh["type"] == "version"}

    @cached_property
    def ssh_software(self) -> Counter[str]:
        """What both sides of SSH connections run, as ``client server`` without comments, with how often."""
        sides: dict[str, dict[str, str]] = {}
        for document in self.group("ssh"):
            ssh = document["tapline"]["ssh"]
            if ssh["type"] == "version":
                sides.setdefault(document["network"]["community_id"], {})[ssh["side"]] = ssh["software"].partition(" ")[
                    0
                ]
        return Counter(f"{each['client']} {each['server']}" for each in sides.values() if len(each) == 2)

    def logins(self, protocol: str) -> int:
        """How many passwords went over this protocol in clear text."""
        return sum(document["network"]["protocol"] == protocol for document in self.group("login"))

    @cached_property
    def requests(self) -> list[tuple[str, str, str]]:
        """Method, host and URI of the HTTP/1 requests."""
        return [
            (document["http"]["request"]["method"], _header(document, "host"), document["url"].get("original", ""))
            for document in self._http("request")
        ]

    @cached_property
    def status_codes(self) -> Counter[str]:
        """Status codes of the HTTP/1 responses, with how often."""
        return Counter(str(document["http"]["response"]["status_code"]) for document in self._http("response"))

    def _http(self, kind: str) -> list[dict[str, Any]]:
        return [
            document
            for document in self.group("url")
            if document["tapline"]["http"]["type"] == kind and document["http"]["version"] != "2"
        ]

    @cached_property
    def files(self) -> dict[str, dict[str, Any]]:
        """Files by SHA-256; files without a hash are left out."""
        files = {}
        for document in self.group("file"):
            hashes = document["file"].get("hash", {})
            if "sha256" in hashes:
                files[hashes["sha256"].lower()] = document["file"]
        return files


def _sha256(document: dict[str, Any]) -> str:
    return str(document["tls"]["server"]["hash"]["sha256"]).lower()


def _header(document: dict[str, Any], name: str) -> str:
    for line in document["tapline"]["http"].get("headers", ()):
        key, _, value = line.partition(": ")
        if key.lower() == name:
            return str(value)
    return ""
