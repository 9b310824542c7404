"""Reaching Elasticsearch: what a user reads when it cannot be."""

import base64
import logging
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from exporters.elasticsearch.bulk import send
from exporters.elasticsearch.connection import client, connect
from exporters.elasticsearch.server import versions
from exporters.elasticsearch.settings import ElasticsearchSettings
from tapline.configuration import MASK, load
from tests.certificates import write_certificates
from tests.unit.exporters.stand_in import Asked, StandIn, serving
from tests.unit.exporters.test_bulk import answering
from topics.errors import TaplineError


def test_nothing_there_names_the_command_that_starts_it() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        settings = ElasticsearchSettings(hosts=[f"http://127.0.0.1:{bound.getsockname()[1]}"], start_timeout=0.1)
        with pytest.raises(TaplineError, match=r"^cannot reach Elasticsearch at .*`tapline up`.*elasticsearch\.hosts$"):
            connect(settings)


def test_credentials_in_a_host_are_not_shown() -> None:
    with pytest.raises(TaplineError) as caught:
        connect(ElasticsearchSettings(hosts=["http://me:secret@127.0.0.1:1"], start_timeout=0.1))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "ftp://127.0.0.1:9200", "http://"])
def test_a_host_that_is_no_url_is_named(host: str) -> None:
    with pytest.raises(TaplineError, match=r"^elasticsearch\.hosts"):
        client(ElasticsearchSettings(hosts=[host]))


def test_a_ca_file_that_is_not_there_is_named() -> None:
    with pytest.raises(TaplineError, match=r"ca_file /nowhere/ca\.pem"):
        client(ElasticsearchSettings(hosts=["https://127.0.0.1:9200"], ca_file="/nowhere/ca.pem"))


def test_key_and_password_exclude_each_other() -> None:
    with pytest.raises(TaplineError, match="exclude each other"):
        client(ElasticsearchSettings(api_key="a", user="b"))


def test_another_server_is_told_from_elasticsearch() -> None:
    with (
        answering(200, b"<html>") as other,
        pytest.raises(TaplineError, match=r"^cannot reach|is not Elasticsearch"),
    ):
        connect(ElasticsearchSettings(hosts=[next(iter(other.transport.node_pool.all())).base_url], start_timeout=0.1))


def node(version: str = "8.19.21") -> tuple[int, Any]:
    """What a server says of itself when it is asked for its node."""
    return 200, {"nodes": {"a": {"version": version}}}


def test_opensearch_is_refused_by_name() -> None:
    def answer(asked: Asked) -> tuple[int, Any]:
        if asked.path == "/":
            return 200, {"version": {"distribution": "opensearch", "number": "3.3.0"}}
        return node("3.3.0")

    with serving(StandIn(answer, product="")) as opensearch, pytest.raises(TaplineError) as caught:
        connect(ElasticsearchSettings(hosts=[opensearch.url]))
    assert str(caught.value) == (
        f"what answers at {opensearch.url} is OpenSearch 3.3.0, which is not supported: set elasticsearch.hosts to an"
        " Elasticsearch, or feed OpenSearch by its own tools from what `tapline export mirror` writes"
    )


def test_a_server_that_does_not_say_what_it_is_is_refused_at_once() -> None:
    with (
        serving(StandIn(lambda _: node(), product="")) as other,
        pytest.raises(TaplineError, match=r"is not Elasticsearch 8 or later: set elasticsearch\.hosts$"),
    ):
        connect(ElasticsearchSettings(hosts=[other.url], start_timeout=600.0))


@pytest.mark.parametrize("version", ["7.17.28", "8.17.9"])
def test_an_old_server_is_refused(version: str) -> None:
    with (
        serving(StandIn(lambda _: node(version))) as server,
        pytest.raises(TaplineError, match=rf"is version {version}: 8\.18 or later is needed"),
    ):
        connect(ElasticsearchSettings(hosts=[server.url]))


BASIC = "Basic " + base64.b64encode("me:geheim-ü".encode()).decode()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"user": "me", "password": "geheim-ü"}, BASIC),
        ({"user": "me", "password_file": "geheim-ü"}, BASIC),
        ({"api_key": "aWQ6Z2VoZWlt"}, "ApiKey aWQ6Z2VoZWlt"),
        ({"api_key_file": "aWQ6Z2VoZWlt"}, "ApiKey aWQ6Z2VoZWlt"),
        ({"bearer_token": "geheim"}, "Bearer geheim"),
        ({"bearer_token_file": "geheim"}, "Bearer geheim"),
    ],
)
def test_credentials_are_sent_and_never_logged(
    given: dict[str, str], expected: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written = {}
    for name, value in given.items():
        written[name] = value
        if name.endswith("_file"):
            (tmp_path / name).write_text(f"{value}\nanother line\n", encoding="utf-8")
            written[name] = str(tmp_path / name)
    with caplog.at_level(logging.DEBUG), serving(StandIn(lambda _: node())) as server:
        connect(ElasticsearchSettings(hosts=[server.url], **written)).close()
    assert [each.headers.get("authorization") for each in server.asked] == [expected]
    for secret in ("geheim", "Z2VoZWlt", BASIC):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"user": "me"}, r"^elasticsearch\.password is not set"),
        ({"password": "secret"}, r"^elasticsearch\.user is not set"),
        ({"user": "me", "password": "a", "password_file": "b"}, r"password and elasticsearch\.password_file exclude"),
        ({"user": "me", "password": "a", "bearer_token": "b"}, r"exclude each other"),
        ({"api_key": "a", "bearer_token": "b"}, r"exclude each other"),
        ({"api_key_file": "/nowhere/key"}, r"^elasticsearch\.api_key_file: cannot read /nowhere/key"),
        ({"cloud_id": "no-cloud"}, r"^elasticsearch\.cloud_id cannot be used"),
        ({"cloud_id": "c:d", "hosts": ["http://a:1"]}, r"cloud_id and elasticsearch\.hosts exclude"),
        ({"cloud_id": "c:d", "sniff": True}, r"^elasticsearch\.sniff does not go with cloud_id"),
        ({"ca_file": __file__, "certificate_fingerprint": "ab" * 32}, r"ca_file and .*fingerprint exclude"),
    ],
)
def test_what_contradicts_itself_is_refused_before_anything_is_sent(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(TaplineError, match=expected) as caught:
        client(ElasticsearchSettings(**given))
    assert "\n" not in str(caught.value)


def test_secrets_are_masked_in_the_configuration() -> None:
    environment = {f"TAPLINE_ELASTICSEARCH__{name}": "geheim" for name in ("PASSWORD", "API_KEY", "BEARER_TOKEN")}
    shown = {setting.key: setting.value for setting in load(environment=environment).settings()}
    for name in ("password", "api_key", "bearer_token"):
        assert shown[f"elasticsearch.{name}"] == MASK


def test_a_cloud_id_names_the_server() -> None:
    named = base64.b64encode(b"example.org:9243$abc$kibana").decode()
    with client(ElasticsearchSettings(cloud_id=f"lab:{named}", api_key="a")) as made:
        assert [each.base_url for each in made.transport.node_pool.all()] == ["https://abc.example.org:9243"]
        assert all(each.config.verify_certs for each in made.transport.node_pool.all())


def test_requests_are_compressed_where_that_is_set() -> None:
    for compress in (False, True):
        with serving(StandIn(lambda _: (200, {"errors": False}))) as server:
            settings = ElasticsearchSettings(hosts=[server.url], compress=compress)
            with client(settings) as made:
                send(made, b'{"create":{}}\n{}\n', [0], compress=compress)
        (asked,) = server.asked
        assert asked.headers.get("content-encoding") == ("gzip" if compress else None)
        assert asked.body == b'{"create":{}}\n{}\n'


def test_nobody_is_asked_for_other_nodes_unless_that_is_set() -> None:
    def answer(asked: Asked) -> tuple[int, Any]:
        if asked.path.startswith("/_nodes/_all/http"):
            return 200, {"nodes": {"b": {"roles": ["data"], "http": {"publish_address": other.url[7:]}}}}
        return node()

    with serving(StandIn(lambda _: node())) as other:
        for sniff in (False, True):
            with serving(StandIn(answer)) as first:
                settings = ElasticsearchSettings(hosts=[first.url], sniff=sniff)
                with client(settings) as made:
                    versions(made)
                    nodes = {each.base_url for each in made.transport.node_pool.all()}
            assert nodes == ({first.url, other.url} if sniff else {first.url})


def test_requests_go_to_all_nodes_in_turn() -> None:
    with serving(StandIn(lambda _: node())) as first, serving(StandIn(lambda _: node())) as second:
        with client(ElasticsearchSettings(hosts=[first.url, second.url])) as made:
            for _ in range(4):
                versions(made)
        assert [len(each.asked) for each in (first, second)] == [2, 2]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A CA, and certificate and key of a server on this machine."""
    folder = tmp_path_factory.mktemp("certificates")
    paths = (folder / "ca.pem", folder / "server.pem", folder / "server.key")
    write_certificates(*paths)
    return paths


def test_a_server_is_trusted_by_its_ca_or_its_fingerprint(certificates: tuple[Path, Path, Path]) -> None:
    ca, certificate, key = certificates
    digest = x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256())
    with serving(StandIn(lambda _: node()), (certificate, key)) as server:
        for trust in (
            {"ca_file": str(ca)},
            {"certificate_fingerprint": digest.hex()},
            {"certificate_fingerprint": digest.hex(":").upper()},
            {"verify": False},
        ):
            connect(ElasticsearchSettings(hosts=[server.url], **trust)).close()
        assert len(server.asked) == 4


def test_another_server_is_not_trusted_and_hears_nothing(certificates: tuple[Path, Path, Path]) -> None:
    _, certificate, key = certificates
    with serving(StandIn(lambda _: node()), (certificate, key)) as server:
        for given, expected in (
            ({}, r"set elasticsearch\.ca_file or certificate_fingerprint$"),
            ({"certificate_fingerprint": "ab" * 32}, r"set elasticsearch\.certificate_fingerprint$"),
        ):
            settings = ElasticsearchSettings(hosts=[server.url], user="me", password="secret", **given)
            with pytest.raises(TaplineError, match=rf"^no trusted connection .*{expected}"):
                connect(settings)
        assert server.asked == []


@pytest.mark.parametrize("given", ["ab", "ab" * 31, "zz" * 32, "ab:" * 32])
def test_what_is_no_fingerprint_is_refused(given: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"certificate_fingerprint": given}, ElasticsearchSettings)


def test_settings_refuse_what_no_data_stream_may_be_called() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"namespace": "Upper-Case"}, ElasticsearchSettings)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_key": 1}, ElasticsearchSettings)
