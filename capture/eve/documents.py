"""What Suricata logs of application protocols, as text that people and scripts search."""

from __future__ import annotations

from typing import Final

from capture.eve.events import DnsPart, HttpPart, TlsPart
from capture.eve.resources import Told, chain_of
from capture.tshark.certificates import describe
from topics.records import Dns, Http

Text = tuple[str, str, str]
"""Group, key and text of a document."""

_LONGEST: Final = 32 * 1024
"""Most bytes of text in a document."""


def texts_of_dns(_part: DnsPart, told: list[Told]) -> list[Text]:
    """A message in the manner of a zone file."""
    _, _, _, dns = told[0]
    assert isinstance(dns, Dns)
    words = ["QUERY id" if dns.type == "query" else "RESPONSE id", str(dns.message_id), *dns.flags]
    status = f"\nstatus {dns.response_code}" if dns.response_code else ""
    text = f"{' '.join(words)}{status}\nquestion {dns.query_name} {dns.query_type}"
    for name, kind, data in dns.answers:
        text += f"\nanswer {name} {kind} {data}" if data else f"\nanswer {name} {kind}".rstrip()
    return [("dns", dns.query_name, _cut(text))]


def texts_of_http(_part: HttpPart, told: list[Told]) -> list[Text]:
    """The head of each message whose headers were logged, without what proves who asks."""
    texts = []
    for _, url, _, http in told:
        assert isinstance(http, Http)
        if not http.headers:
            continue
        if http.type == "request":
            start = f"{http.method} {http.uri} HTTP/{http.version}"
        else:
            start = f"HTTP/{http.version} {http.status_code}"
        lines = [start, *(f"{name}: {value}" for name, value in http.headers)]
        texts.append(("http-headers", url, _cut("\n".join(lines))))
    return texts


def texts_of_tls(part: TlsPart, _told: list[Told]) -> list[Text]:
    """The certificates of a chain, one after the other."""
    if not part.chain and not part.certificate:
        return []
    chain = chain_of(part)
    key = part.sni or chain[0].certificate.subject
    return [("certificate-chain", key, _cut("\n".join(describe(parsed) for parsed in chain)))]


def _cut(text: str) -> str:
    if len(text) * 4 <= _LONGEST:
        return text
    return text.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
