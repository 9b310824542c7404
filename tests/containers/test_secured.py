"""Kafka as compose/secured.yml has it: everything arrives, and nobody gets in, or further than a component's rights."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from tapline.demo import DEMO_CAPTURE
from tests.containers.demo import COMPLETE, arrived, stream_of
from tests.containers.stack import Stack, holdings
from tests.waiting import wait_for
from topics.admin import connect
from topics.errors import TaplineError
from topics.settings import KafkaSettings

pytestmark = pytest.mark.containers

OF_THE_BROKER = {"ca.pem", "broker.pem"}


def settings(stack: Stack, user: str) -> KafkaSettings:
    """How this user reaches Kafka from the machine."""
    secrets = stack.folder / "compose" / "secrets"
    return KafkaSettings(
        security_protocol="SASL_SSL",
        ca_file=str(secrets / "ca.pem"),
        username=user,
        password_file=str(secrets / f"{user}.password"),
    )


def test_the_demo_capture_arrives(running: Stack) -> None:
    def complete() -> bool:
        try:
            with holdings() as held:
                assert arrived(held, stream_of(DEMO_CAPTURE.read_bytes())) == COMPLETE
        except TaplineError as error:
            raise AssertionError(str(error)) from error
        return True

    wait_for(complete, "everything to arrive", seconds=120, every=0.5)


def test_a_user_comes_in_from_this_machine_and_a_stranger_does_not(running: Stack) -> None:
    known = settings(running, "operator")
    _, found = connect(known)
    assert "tapline.notification.v1" in found.topics
    with pytest.raises(TaplineError, match="does not accept the Kafka user operator"):
        connect(replace(known, password="guessed", password_file=""))
    with pytest.raises(TaplineError, match="PLAINTEXT"):
        connect(KafkaSettings())


def test_a_user_sees_no_more_than_its_topics(running: Stack) -> None:
    seen = AdminClient(settings(running, "capture").client()).list_topics(timeout=30).topics
    assert "tapline.flow.v1" in seen
    assert "tapline.notification.v1" not in seen


def test_each_container_has_its_own_secrets_alone(running: Stack) -> None:
    for service in ("capture", "workers", "exporter-elasticsearch"):
        container = running.containers(service)[0]
        listed = container.exec_run(["ls", "/run/secrets"]).output.decode().split()
        assert set(listed) == {"ca.pem", "password"}
        own = container.exec_run(["cat", "/run/secrets/password"]).output.decode()
        kept = (running.folder / "compose" / "secrets" / f"{service}.password").read_text(encoding="utf-8")
        assert own == kept
        assert kept.strip() not in str(container.attrs), "a password is in what Docker tells of a container"
    (kafka,) = running.containers("kafka")
    assert set(kafka.exec_run(["ls", "/run/secrets"]).output.decode().split()) == OF_THE_BROKER
