"""How to reach Kafka: what is given comes to its clients, and what is wrong is said before they are made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tapline.configuration import MASK, load
from topics.errors import TaplineError
from topics.settings import KafkaSettings


def secured(**given: str) -> KafkaSettings:
    return KafkaSettings(security_protocol="SASL_SSL", username="sensor", **given)


def test_a_password_in_a_file_is_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("s3cret with spaces\nnot this\n")
    client = secured(password_file=str(path)).client()
    assert client["sasl.password"] == "s3cret with spaces"
    assert client["sasl.mechanism"] == "SCRAM-SHA-512"
    assert "ssl.endpoint.identification.algorithm" not in client, "host names are checked by default"


def test_what_is_not_encrypted_needs_no_user() -> None:
    assert KafkaSettings(username="sensor", password="x").client() == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "PLAINTEXT",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lambda _: KafkaSettings(security_protocol="sasl_ssl", password="x"), "kafka.username is empty"),
        (lambda _: secured(), "kafka.password is empty: set it, or kafka.password_file"),
        (lambda _: secured(password="x", password_file="y"), "are both set: keep one"),
        (lambda here: secured(password_file=f"{here}/none"), "kafka.password_file: cannot read .*No such file"),
        (lambda here: secured(password_file=f"{here}/empty"), "the first line of .*empty is empty"),
        (lambda here: secured(password_file=f"{here}/bytes"), "it is no UTF-8 text"),
        (lambda here: secured(password="x", ca_file=f"{here}/none"), "kafka.ca_file: .*/none is no file"),
        (
            lambda here: KafkaSettings(security_protocol="SSL", certificate_file=f"{here}/empty"),
            "kafka.key_file is empty: a client's certificate and its key go together",
        ),
    ],
)
def test_what_is_missing_is_said(settings: Callable[[Path], KafkaSettings], message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(TaplineError, match=message):
        settings(tmp_path).client()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("TAPLINE_KAFKA__SECURITY_PROTOCOL", "TLS", "'TLS' is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ("TAPLINE_KAFKA__SASL_MECHANISM", "GSSAPI", "'GSSAPI' is none of SCRAM-SHA-512, SCRAM-SHA-256, PLAIN"),
    ],
)
def test_a_protocol_nobody_knows_is_refused_with_those_there_are(variable: str, value: str, message: str) -> None:
    with pytest.raises(TaplineError, match=f"^{variable}: kafka: .*{message}"):
        load(None, {variable: value})


def test_passwords_are_masked_and_names_of_files_are_not() -> None:
    loaded = load(None, {"TAPLINE_KAFKA__PASSWORD": "hunter2", "TAPLINE_KAFKA__PASSWORD_FILE": "secrets/kafka"})
    shown = {setting.key: setting.value for setting in loaded.settings()}
    assert (shown["kafka.password"], shown["kafka.password_file"]) == (MASK, "secrets/kafka")
