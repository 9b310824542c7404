"""Importing into a stand-in for Kibana, and what a user reads when it goes wrong."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.kibana.importing import Kibana, Outcome
from exporters.kibana.saved_objects import ndjson, saved_objects
from exporters.kibana.settings import KibanaSettings
from tests.kibana.stand_in import StandIn, kibana
from topics.errors import TaplineError

OBJECTS = saved_objects()


def imported(stand_in: StandIn, **given_settings: object) -> Outcome:
    with Kibana(KibanaSettings(url=stand_in.url, timeout=30.0, **given_settings)) as target:
        target.check()
        return target.import_objects(ndjson())


def test_the_first_time_creates_and_the_second_overwrites() -> None:
    with kibana(StandIn()) as stand_in:
        first, second = imported(stand_in), imported(stand_in)
    assert first.success
    assert second.success
    assert first.success_count == len(OBJECTS) == len(stand_in.objects)
    assert {each.outcome for each in first.imported} == {"created"}
    assert {each.outcome for each in second.imported} == {"overwritten"}
    assert list(stand_in.objects.values()) == OBJECTS, "the file came through as it is"


def test_a_space_of_ones_own() -> None:
    with kibana(StandIn(spaces={"network"})) as stand_in:
        imported(stand_in, space="network")
        assert {space for space, _, _ in stand_in.objects} == {"network"}
        with pytest.raises(TaplineError, match=r"has no space 'other': make it, or set kibana\.space"):
            imported(stand_in, space="other")


@pytest.mark.parametrize("space", ["Network", "a/b", ""])
def test_what_no_space_may_be_called(space: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"space": space}, KibanaSettings)


def test_what_is_refused_is_told_of_with_the_reason() -> None:
    refuses = {
        "tapline-overview": {"type": "missing_references", "references": [{"type": "search", "id": "x"}]},
        "tapline-navigation": {"type": "unsupported_type"},
        "tapline-flows": {"type": "conflict"},
        "tapline-dns": {"type": "unknown", "message": "document is newer than this Kibana", "statusCode": 422},
        "tapline-http": {"type": "unknown"},
    }
    with kibana(StandIn(refuses=refuses)) as stand_in:
        outcome = imported(stand_in)
    assert not outcome.success
    assert len(outcome.imported) == len(OBJECTS) - len(refuses)
    assert {each.id: each.outcome for each in outcome.refused} == {
        "tapline-overview": "refused: it refers to what is not there: search x",
        "tapline-navigation": "refused: this Kibana knows no such type of object",
        "tapline-flows": "refused: it stands against another object, which is not overwritten",
        "tapline-dns": "refused: document is newer than this Kibana",
        "tapline-http": "refused: unknown",
    }


def test_an_object_whose_id_is_taken_by_another_space_says_what_it_became() -> None:
    body = {
        "success": True,
        "successCount": 1,
        "successResults": [{"type": "lens", "id": "tapline-x", "destinationId": "5f3a", "meta": {"title": "x"}}],
    }
    stand_in = StandIn(instead=(200, "application/json", msgspec.json.encode(body)))
    with kibana(stand_in):
        (taken,) = imported(stand_in).imported
    assert taken.outcome == "created as 5f3a"


@pytest.mark.parametrize(
    "settings", [{"user": "elastic", "password": "schlüssel"}, {"api_key": "a2V5OnNlY3JldA=="}], ids=["basic", "key"]
)
def test_credentials_are_sent(settings: dict[str, str]) -> None:
    with kibana(StandIn(users={"Basic ZWxhc3RpYzpzY2hsw7xzc2Vs", "ApiKey a2V5OnNlY3JldA=="})) as stand_in:
        assert imported(stand_in, **settings).success


def test_other_credentials_are_refused_before_anything_is_imported() -> None:
    with kibana(StandIn(users={"Basic x"})) as stand_in:
        with pytest.raises(TaplineError, match=r"refuses the credentials \(401\): set kibana\.user"):
            imported(stand_in, user="elastic", password="another")
        assert stand_in.asked == [("GET", "/api/status")]


def test_an_old_kibana_is_told_of() -> None:
    with (
        kibana(StandIn(version="8.17.4")) as stand_in,
        pytest.raises(TaplineError, match=r"is version 8\.17\.4: 8\.18 or later is needed"),
    ):
        imported(stand_in)


@pytest.mark.parametrize("version", ["8.18.0", "9.0.0", "10.1.2", ""])
def test_newer_ones_and_those_that_do_not_say_are_taken(version: str) -> None:
    with kibana(StandIn(version=version)) as stand_in:
        assert imported(stand_in).success


def test_another_server_is_told_from_kibana() -> None:
    other = StandIn(name=None, status=(200, "text/html", b"<html>"))
    with kibana(other), pytest.raises(TaplineError, match=r"is not Kibana: set kibana\.url$"):
        imported(other)


@pytest.mark.parametrize(
    ("instead", "expected"),
    [
        ((200, "text/html", b"<html>"), r"in a way that is not known .*nothing is certain$"),
        (
            (413, "application/json", b'{"message":"Payload too large"}'),
            r"refuses the import \(413 Payload too large\)",
        ),
        ((500, "text/plain", b"out of\nmemory"), r"refuses the import \(500 out of memory\)"),
        ((302, "text/html", b""), r"sends on to elsewhere: set kibana\.url"),
    ],
    ids=["another page", "too large", "broken", "elsewhere"],
)
def test_an_import_that_fails_says_so(instead: tuple[int, str, bytes], expected: str) -> None:
    with kibana(StandIn(instead=instead)) as stand_in, pytest.raises(TaplineError, match=expected):
        imported(stand_in)


def test_whatever_is_answered_is_understood_or_told_of_in_one_line() -> None:
    json = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["success", "errors", "successResults", "message", "type", "id"]), inner)
        ),
        max_leaves=8,
    )
    with kibana(StandIn()) as stand_in, Kibana(KibanaSettings(url=stand_in.url)) as target:

        @given(
            status=st.sampled_from([200, 400, 404, 500]), body=st.binary(max_size=50) | json.map(msgspec.json.encode)
        )
        @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        def check(status: int, body: bytes) -> None:
            stand_in.instead = (status, "application/json", body)
            try:
                said = target.import_objects(b"").success
            except TaplineError as error:
                said = str(error)
            assert isinstance(said, bool) or len(said.splitlines()) == 1

        check()


def test_nothing_there_is_named() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        settings = KibanaSettings(url=f"http://127.0.0.1:{bound.getsockname()[1]}/kibana/")
        expected = r"^cannot reach Kibana at http://127\.0\.0\.1:\d+/kibana \(.*refused\)"
        with pytest.raises(TaplineError, match=expected), Kibana(settings) as target:
            target.check()


def test_credentials_belong_to_their_own_keys_and_are_not_shown() -> None:
    with pytest.raises(TaplineError, match=r"^kibana\.url holds credentials: set kibana\.user") as caught:
        Kibana(KibanaSettings(url="http://me:geheim@127.0.0.1:5601"))
    assert "geheim" not in str(caught.value)
    with pytest.raises(TaplineError, match=r"^kibana\.api_key is no encoded key") as caught:
        Kibana(KibanaSettings(url="http://127.0.0.1:5601", api_key="schlüssel"))
    assert "schlüssel" not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:5601", "ftp://kibana", "http://", ""])
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(TaplineError, match=r"^kibana\.url: .* is no URL"):
        Kibana(KibanaSettings(url=url))


def test_key_and_password_exclude_each_other() -> None:
    with pytest.raises(TaplineError, match="exclude each other"):
        Kibana(KibanaSettings(url="http://x", api_key="a", user="b"))


def test_tls_is_trusted_by_its_ca_alone(tmp_path: Path) -> None:
    certificate = made_certificate(tmp_path)
    with kibana(StandIn(), certificate) as stand_in:
        assert imported(stand_in, ca_file=str(certificate)).success
        assert imported(stand_in, verify=False).success
        with pytest.raises(TaplineError, match=r"^no trusted connection to Kibana .*: set kibana\.ca_file"):
            imported(stand_in)


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaplineError, match=r"kibana\.ca_file /nowhere/ca\.pem is no file"):
        Kibana(KibanaSettings(url="https://x", ca_file="/nowhere/ca.pem")).__enter__()
    other = tmp_path / "ca.pem"
    other.write_text("no certificate", encoding="ascii")
    with pytest.raises(TaplineError, match="is no certificate in PEM form"):
        Kibana(KibanaSettings(url="https://x", ca_file=str(other))).__enter__()


def made_certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "kibana.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path
