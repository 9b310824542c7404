"""What is said of a Kafka that is not reached follows from what its client was told."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from topics.refusals import is_final, refused, unreachable
from topics.settings import KafkaSettings

SETTINGS = KafkaSettings(security_protocol="SASL_SSL", username="sensor", password="x", bootstrap="k:1")
DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
AUTHENTICATION = KafkaError._AUTHENTICATION
TRANSPORT = KafkaError._TRANSPORT


@pytest.mark.parametrize(
    ("errors", "said", "final"),
    [
        ([DOWN], "Kafka at k:1 does not speak SASL_SSL on this port: set kafka.security_protocol", False),
        ([KafkaError(TRANSPORT, "Connect to ipv4#k:1 failed: Connection refused"), DOWN], "cannot reach Kafka", False),
        (
            [
                DOWN,
                KafkaError(AUTHENTICATION, "Authentication failed due to invalid credentials with SASL mechanism X"),
            ],
            "Kafka at k:1 does not accept the Kafka user sensor: ",
            True,
        ),
        (
            [KafkaError(TRANSPORT, "error:0A000086:SSL routines::certificate verify failed")],
            "the certificate of Kafka at k:1 is by no CA that is trusted here, or for another host name",
            True,
        ),
        (
            [KafkaError(TRANSPORT, "SSL routines::ssl/tls alert bad certificate: SSL alert number 42")],
            "Kafka at k:1 wants a client's certificate",
            True,
        ),
        ([], "cannot reach Kafka at k:1 (timed out): start it with `tapline up`, or set kafka.bootstrap", False),
    ],
)
def test_what_is_wrong_is_told(errors: list[KafkaError], said: str, final: bool) -> None:  # noqa: FBT001
    assert unreachable(SETTINGS, "timed out", errors).startswith(said)
    assert is_final(errors) == final


def test_a_refusal_names_the_right() -> None:
    topic, group = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)
    said = [refused(SETTINGS, error, "Write", "tapline.flow.v1", "Read on the group g") for error in (topic, group)]
    assert said == [
        f"the Kafka user sensor has no right to {right}: see `tapline topics rights`"
        for right in ("Write on the topic tapline.flow.v1", "Read on the group g")
    ]
