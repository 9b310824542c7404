"""The samples that ask about certificates, against openssl's own OCSP responder."""

from __future__ import annotations

import shutil
import socket
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from scripts.samples._ocsp import LARGEST_ANSWER, Chain, ask, chain_of
from tapline.testing import run
from tests.golden.scripts.authority import OCSP_SIGNING, REVOKED_AT, SERVER, TIME, Authority, chain
from tests.golden.scripts.samples import DEMO, facts, needs_tshark, sample, shared
from topics.records import Document

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

HOUR = 3600 * 1_000_000
REVOKED = f"revoked {REVOKED_AT:%Y-%m-%d %H:%M:%S}, keyCompromise"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def documents(authority: Authority) -> tuple[Document, Document]:
    """A chain with a good certificate and one with a revoked one; both name the responder."""
    good = authority.issue("good.example", responder=authority.url)
    bad = authority.issue("bad.example", responder=authority.url, revoked=True)
    return chain("good.example", good, authority.certificate), chain("bad.example", bad, authority.certificate)


def at(document: Document, time: int) -> Document:
    """The same chain, seen at another time."""
    return Document(
        **{name: getattr(document, name) for name in document.__struct_fields__} | {"time": time, "id": str(time)}
    )


def test_ocsp_check_prints_what_the_responder_says_of_each_chain(authority: Authority) -> None:
    made = documents(authority)
    with authority.responder():
        told = run(sample("ocsp_check"), records=made)
    assert not told.errors
    good, bad = sorted(told.printed, reverse=True)
    assert good.startswith("CN=good.example from 192.0.2.43: good as of ")
    said = datetime.strptime(good[-19:], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - said).total_seconds()) < 60
    assert bad.startswith("CN=bad.example from 192.0.2.43: revoked as of ")
    assert bad.endswith(REVOKED)
    assert authority.asked() == 2


def test_ocsp_check_leaves_out_chains_that_cannot_be_asked_about(authority: Authority) -> None:
    named, unnamed = authority.issue("a.example", responder=authority.url), authority.issue("b.example")
    broken = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n"
    told = run(
        sample("ocsp_check"),
        records=[
            chain("no issuer", named),
            chain("no responder", unnamed, authority.certificate),
            Document(id="3", time=TIME, group="certificate-chain", text=broken),
            Document(id="4", time=TIME, group="certificate-chain", text="OCSP - URI:http://192.0.2.1/\n"),
            Document(id="5", time=TIME, group="http-headers", text=chain("x", named, authority.certificate).text),
        ],
    )
    assert told.called("on_new_document") == 4
    assert not told.errors
    assert not told.printed, "there is not even a responder"


def test_ocsp_check_async_alerts_on_what_is_not_good(authority: Authority) -> None:
    made = documents(authority)
    with authority.responder():
        told = run(sample("ocsp_check_async"), records=made)
    assert not told.errors
    (alert,) = told.alerts
    assert (alert.group, alert.signature, alert.priority) == ("Blacklist", "OCSP-FAILED", 1)
    assert alert.message.startswith("CN=bad.example: revoked as of ")
    assert alert.message.endswith(REVOKED)
    assert (alert.source_ip, alert.source_port, alert.destination_ip) == ("10.0.0.7", 50123, "192.0.2.43")
    assert [line.split(":")[0] for line in told.printed] == [
        "CN=good.example from 192.0.2.43",
        "CN=bad.example from 192.0.2.43",
    ]


def test_ocsp_check_async_asks_about_a_pair_once_an_hour_of_event_time(authority: Authority) -> None:
    good, bad = documents(authority)
    times = [TIME, TIME + 1, TIME + HOUR - 1, TIME + HOUR, TIME + HOUR + 60_000_000, TIME + 2 * HOUR]
    with authority.responder():
        told = run(sample("ocsp_check_async"), records=[at(good, time) for time in times] + [bad])
    assert not told.errors
    assert authority.asked() == 4, "the good one at the beginning, after an hour and after two; the other once"
    assert [alert.signature for alert in told.alerts] == ["OCSP-FAILED"]


def test_ocsp_check_async_alerts_on_a_certificate_that_names_no_responder(authority: Authority) -> None:
    unnamed, named = authority.issue("b.example"), authority.issue("a.example", responder="http://127.0.0.1:9/")
    told = run(
        sample("ocsp_check_async"),
        records=[
            chain("with issuer", unnamed, authority.certificate),
            chain("once more", unnamed, authority.certificate),
            chain("alone", authority.certificate),
            chain("no issuer", named),
        ],
    )
    assert not told.errors
    assert sorted((alert.signature, alert.message) for alert in told.alerts) == [
        ("NO-OCSP", "CN=Test CA names no OCSP responder"),
        ("NO-OCSP", "CN=b.example names no OCSP responder"),
    ]


@needs_tshark
def test_the_chains_of_the_demo_capture(authority: Authority) -> None:
    """The responder here knows nothing of the demo's certificates, and may not answer for them."""
    chains = facts(DEMO.name)["certificate_chains"]
    pairs = [each["sha256"] for each in chains if len(each["sha256"]) == 2]
    with authority.responder() as url:
        told = run(sample("ocsp_check"), DEMO, params={"responder": url})
        assert authority.asked() == len(pairs) == 4
        alerting = run(sample("ocsp_check_async"), DEMO, params={"responder": url})
        assert authority.asked() == 4 + 2
    assert not told.errors
    assert sorted(told.printed) == sorted(
        f"CN={name} from {each['server']}: the answer is not signed for the issuer"
        for each in chains
        for name in [_NAMES.get(each["server"])]
        if name
    )
    assert not alerting.errors
    assert sorted((alert.signature, alert.destination_ip) for alert in alerting.alerts) == [
        ("NO-OCSP", "198.51.100.61"),
        ("OCSP-FAILED", "192.0.2.43"),
        ("OCSP-FAILED", "198.51.100.62"),
    ], "each pair once, and the certificate that its server signed itself"


_NAMES = {
    "192.0.2.43": "shop.example.com,O=Example Shop,C=NL",
    "198.51.100.62": "old.example.org,O=Example Archive,C=NL",
}


@needs_tshark
@pytest.mark.parametrize("name", ["ocsp_check", "ocsp_check_async"])
def test_nobody_is_asked_where_no_chain_is_seen(name: str) -> None:
    told = run(sample(name), shared("tls13-tls3.pcapng"), params={"responder": "http://127.0.0.1:9/"})
    assert told.called("on_new_document") == 0
    assert not told.printed
    assert not told.alerts


def pair(document: Document) -> Chain:
    found = chain_of(document.text)
    assert found is not None
    return found


@pytest.mark.parametrize(("signer", "good"), [("ca", True), ("delegate", True), ("server", False), ("nobody", False)])
def test_an_answer_counts_only_when_the_issuer_stands_behind_it(
    authority: Authority, signer: str, *, good: bool
) -> None:
    authority.appoint("delegate", OCSP_SIGNING)
    authority.appoint("server", SERVER)
    authority.appoint("nobody")
    certificate, issuer, named = pair(documents(authority)[0])
    assert issuer is not None
    with authority.responder(signer):
        answer = ask(named, certificate, issuer, 2.0)
    assert answer.good is good
    assert good or answer.text == "the answer is not signed for the issuer"


def test_a_responder_that_does_not_answer_well_fails_the_check(authority: Authority) -> None:
    certificate, issuer, _ = pair(documents(authority)[0])
    assert issuer is not None

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/redirect":
                self.send_response(302)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                return
            assert self.path != "/elsewhere", "redirects are not followed"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(
                b"x" * LARGEST_ANSWER * (2 if self.path == "/large" else 1) if self.path != "/empty" else b""
            )

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        answers = {path: ask(base + path, certificate, issuer, 2.0) for path in ("/redirect", "/large", "/empty")}
        server.shutdown()
        thread.join()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        answers["closed"] = ask(f"http://127.0.0.1:{closed.getsockname()[1]}/", certificate, issuer, 2.0)
    answers["file"] = ask("file:///etc/hostname", certificate, issuer, 2.0)
    assert not any(answer.good for answer in answers.values())
    assert "302" in answers["/redirect"].text
    assert answers["file"].text == "not asked: file:///etc/hostname is no HTTP address"
    assert all(
        answers[name].text.startswith("no answer from http://127.0.0.1:") for name in ("/large", "/empty", "closed")
    )
