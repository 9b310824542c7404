"""What Suricata logs of application protocols, as text that people and scripts search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from capture.eve.events import DnsPart, HttpPart, TlsPart
from capture.eve.resources import chain_of
from capture.tshark.certificates import describe
from topics.records import Dns, Http

Text = tuple[str, str, str]
"""Group, key and text of a document."""

_LONGEST: Final = 32 * 1024
"""Most bytes of text in a document."""


def texts_of_dns(_part: DnsPart, resources: list[dict[str, Any]]) -> Iterator[Text]:
    """A message in the manner of a zone file."""
    for resource in resources:
        dns: Dns = resource["dns"]
        head = f"{'QUERY' if dns.type == 'query' else 'RESPONSE'} id {dns.message_id} {' '.join(dns.flags)}".rstrip()
        lines = [head]
        if dns.response_code:
            lines.append(f"status {dns.response_code}")
        lines.append(f"question {dns.query_name} {dns.query_type}")
        lines.extend(f"answer {name} {kind} {data}".rstrip() for name, kind, data in dns.answers)
        yield "dns", dns.query_name, _cut("\n".join(lines))


def texts_of_http(_part: HttpPart, resources: list[dict[str, Any]]) -> Iterator[Text]:
    """The head of each message whose headers were logged, without what proves who asks."""
    for resource in resources:
        http: Http = resource["http"]
        if not http.headers:
            continue
        if http.type == "request":
            start = f"{http.method} {http.uri} HTTP/{http.version}"
        else:
            start = f"HTTP/{http.version} {http.status_code}"
        lines = [start, *(f"{name}: {value}" for name, value in http.headers)]
        yield "http-headers", resource["uri"], _cut("\n".join(lines))


def texts_of_tls(part: TlsPart, _resources: list[dict[str, Any]]) -> Iterator[Text]:
    """The certificates of a chain, one after the other."""
    chain = chain_of(part)
    if chain:
        key = part.sni or chain[0].certificate.subject
        yield "certificate-chain", key, _cut("\n".join(describe(parsed) for parsed in chain))


def _cut(text: str) -> str:
    if len(text) * 4 <= _LONGEST:
        return text
    return text.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
