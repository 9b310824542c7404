"""Why Kafka does not let us in, or do something, and what to do about it: one line each."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError

from topics.settings import KafkaSettings

_NO_USER: Final = "authentication failed"
_NO_MECHANISM: Final = "unsupported sasl mechanism"
_UNTRUSTED: Final = "certificate verify failed"
_NO_TLS: Final = "wrong version number"
_ABOUT_OURS: Final = ("alert bad certificate", "alert certificate", "alert unknown ca", "alert number 116")
_FINAL: Final = (_NO_USER, _NO_MECHANISM, _UNTRUSTED, _NO_TLS, *_ABOUT_OURS)
"""What the client says, in lower case, of that which does not pass by itself."""


def who(settings: KafkaSettings) -> str:
    """Whom Kafka knows us as, for people."""
    if settings.has_password:
        return f"the Kafka user {settings.username}"
    return f"the Kafka user of {settings.certificate_file}" if settings.certificate_file else "this Kafka user"


def is_final(errors: list[KafkaError]) -> bool:
    """True where trying again does not help: the user, or a certificate, has been refused.

    A broker that is starting or stopping may end a connection at any point; that is none.
    """
    return any(sign in error.str().lower() for error in errors for sign in _FINAL)


def unreachable(settings: KafkaSettings, reason: str, errors: list[KafkaError]) -> str:
    """The line that says why the cluster was not reached; ``errors`` are what the client was told meanwhile."""
    told = next((told for error in errors if (told := _told(settings, error))), "")
    if told:
        return told
    # Of a broker that ends the connection without a word the client says only that there is none left.
    if errors and all(error.code() == KafkaError._ALL_BROKERS_DOWN for error in errors):  # noqa: SLF001 - as below
        return (
            f"Kafka at {settings.bootstrap} does not speak {settings.security_protocol} on this port: set"
            " kafka.security_protocol"
        )
    return f"cannot reach Kafka at {settings.bootstrap} ({reason}): start it with `tapline up`, or set kafka.bootstrap"


def _told(settings: KafkaSettings, error: KafkaError) -> str:
    """What an error of the client's means; empty for one that says nothing but that there is no connection."""
    at, text = f"Kafka at {settings.bootstrap}", error.str().lower()
    if _NO_MECHANISM in text:
        return f"{at} knows no {settings.mechanism}: set kafka.sasl_mechanism to one it has"
    if error.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001 - the library's public constant
        return f"{at} does not accept {who(settings)}: see to kafka.username and kafka.password or password_file"
    if _UNTRUSTED in text:
        return (
            f"the certificate of {at} is by no CA that is trusted here, or for another host name: set kafka.ca_file to"
            " the certificate of its CA, and kafka.bootstrap to a name that is in it"
        )
    if _NO_TLS in text:
        return f"{at} speaks no TLS on this port: set kafka.security_protocol to what it speaks"
    if any(sign in text for sign in _ABOUT_OURS):
        if settings.certificate_file:
            return f"{at} does not accept the certificate in {settings.certificate_file}: use one by a CA it trusts"
        return f"{at} wants a client's certificate: set kafka.certificate_file and kafka.key_file"
    return ""


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
