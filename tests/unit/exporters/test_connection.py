"""Reaching Elasticsearch: what a user reads when it cannot be."""

import socket

import msgspec
import pytest

from exporters.elasticsearch.connection import client, connect
from exporters.elasticsearch.settings import ElasticsearchSettings
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


def test_settings_refuse_what_no_data_stream_may_be_called() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"namespace": "Upper-Case"}, ElasticsearchSettings)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_key": 1}, ElasticsearchSettings)
