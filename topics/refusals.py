"""Why Kafka does not let us in, or do something, and what to do about it: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaError

from topics.settings import KafkaSettings

_CERTIFICATES: Final = (
    ("certificate verify failed", "trusts no CA that signed the brokers' certificate, or it is for another host name"),
    ("wrong version number", "speaks no TLS on this port"),
    ("alert number 116", "wants a client's certificate"),
    ("certificate required", "wants a client's certificate"),
    ("bad certificate", "does not accept the client's certificate"),
    ("unknown ca", "does not accept the client's certificate"),
)
_FIXES: Final[Mapping[str, str]] = {
    _CERTIFICATES[0][1]: "set kafka.ca_file to that CA's certificate and kafka.bootstrap to names that are in it",
    _CERTIFICATES[1][1]: "set kafka.security_protocol to what the port speaks",
    _CERTIFICATES[2][1]: "set kafka.certificate_file and kafka.key_file",
    _CERTIFICATES[4][1]: "set kafka.certificate_file to one that a CA of the brokers signed",
}
_WRONG_PROTOCOL: Final = ("Disconnected while requesting ApiVersion", "connection closing during handshake")


def who(settings: KafkaSettings) -> str:
    """Whom Kafka knows us as, for people."""
    if settings.has_password:
        return f"the Kafka user {settings.username}"
    return f"the Kafka user of {settings.certificate_file}" if settings.certificate_file else "this Kafka user"


def is_final(errors: list[KafkaError]) -> bool:
    """True where trying again does not help: Kafka, or the certificate, has been refused."""
    return any(error.code() in _FINAL for error in errors)


def unreachable(settings: KafkaSettings, reason: str, errors: list[KafkaError]) -> str:
    """The line that says why the cluster was not reached; ``errors`` are what the client was told meanwhile."""
    at = settings.bootstrap
    for error in errors:
        text = error.str()
        if error.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001 - the library's public constant
            if "mechanism" in text.lower():
                return f"Kafka at {at} knows no {settings.mechanism}: set kafka.sasl_mechanism to one it has"
            return (
                f"Kafka at {at} does not accept {who(settings)}: see to kafka.username and to kafka.password or"
                " kafka.password_file"
            )
        if error.code() == KafkaError._SSL:  # noqa: SLF001 - as above
            found = next((told for sign, told in _CERTIFICATES if sign in text.lower()), "")
            if found == _CERTIFICATES[0][1]:
                return f"the connection to Kafka at {at} {found}: {_FIXES[found]}"
            if found:
                return f"Kafka at {at} {found}: {_FIXES[found]}"
            return f"no TLS with Kafka at {at} ({text}): see to kafka.ca_file and kafka.security_protocol"
    if any(sign in error.str() for error in errors for sign in _WRONG_PROTOCOL):
        return (
            f"Kafka at {at} ends the connection: kafka.security_protocol is {settings.security_protocol}: set it to"
            " what the port speaks"
        )
    return f"cannot reach Kafka at {at} ({reason}): start it with `tapline up`, or set kafka.bootstrap"


def refused(settings: KafkaSettings, error: KafkaError, operation: str, topic: str = "", group: str = "") -> str:
    """What Kafka did not do, with the right that is missing where it was for want of one.

    ``operation`` is what was done with ``topic``, as Read; ``group`` the right that a reader needs on its group.
    """
    code = error.code()
    # Who may write nowhere gets no number as a producer, and of that Kafka speaks as of the cluster.
    if code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED) and topic:
        return lacking(settings, f"{operation} on the topic {topic}")
    if code == KafkaError.GROUP_AUTHORIZATION_FAILED and group:
        return lacking(settings, group)
    return error.str()


def lacking(settings: KafkaSettings, rights: str) -> str:
    """The line for rights that are missing."""
    return f"{who(settings)} has no right to {rights}: see `tapline topics rights`"


_FINAL: Final = (KafkaError._AUTHENTICATION, KafkaError._SSL)  # noqa: SLF001 - the library's public constants
