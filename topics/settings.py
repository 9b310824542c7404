"""How to reach Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct, field

from topics.errors import TaplineError

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
"""Without and with TLS, without and with a name and a password."""

MECHANISMS: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
"""How a password is proved, the first where nothing is set."""


class KafkaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``kafka:`` block, shared by everything that speaks to Kafka.

    ``security_protocol`` is PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL. With SSL in it the brokers' certificates are
    checked, their host names too, against the CA in ``ca_file`` (PEM; the system's where none is named), and a
    client's own certificate and key are ``certificate_file`` and ``key_file`` (PEM, the key without a password). With
    SASL in it ``sasl_mechanism`` is SCRAM-SHA-512, as without it, SCRAM-SHA-256 or PLAIN, and ``username`` and
    ``password`` say who one is; the password may be in a file instead, as its first line: ``password_file``.
    ``options`` are librdkafka settings passed through as they are, for what has no key of its own; the group of the
    workers, which another client reads for, does not know them.
    """

    bootstrap: str = "127.0.0.1:9092"
    prefix: str = "tapline"
    partitions: int = 4
    replication: int = 1
    security_protocol: str = "PLAINTEXT"
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    sasl_mechanism: str = ""
    username: str = ""
    password: str = ""
    password_file: str = ""
    options: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.security_protocol.upper() not in PROTOCOLS:
            raise ValueError(f"security_protocol {self.security_protocol!r} is none of {', '.join(PROTOCOLS)}")
        if self.sasl_mechanism and self.sasl_mechanism.upper() not in MECHANISMS:
            raise ValueError(f"sasl_mechanism {self.sasl_mechanism!r} is none of {', '.join(MECHANISMS)}")

    @property
    def has_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.security_protocol.upper().endswith("SSL")

    @property
    def has_password(self) -> bool:
        """Whether one says who one is by a name and a password."""
        return self.security_protocol.upper().startswith("SASL")

    @property
    def mechanism(self) -> str:
        """How the password is proved."""
        return self.sasl_mechanism.upper() or MECHANISMS[0]

    def secret(self) -> str:
        """The password, wherever it is kept; :class:`TaplineError` where there is none, or two."""
        if self.password and self.password_file:
            raise TaplineError("kafka.password and kafka.password_file are both set: keep one of them")
        if not self.password_file:
            if not self.password:
                raise TaplineError("kafka.password is empty: set it, or kafka.password_file")
            return self.password
        try:
            lines = Path(self.password_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise TaplineError(
                f"kafka.password_file: cannot read {self.password_file}:"
                f" {getattr(error, 'strerror', None) or 'it is no UTF-8 text'}: name a file whose first line it is"
            ) from error
        if not lines or not lines[0]:
            raise TaplineError(f"kafka.password_file: the first line of {self.password_file} is empty: write it there")
        return lines[0]

    def client(self) -> dict[str, str | int | float | bool]:
        """The librdkafka configuration these settings amount to; :class:`TaplineError` says what of them is missing."""
        named: dict[str, str | int | float | bool] = {"bootstrap.servers": self.bootstrap}
        named["security.protocol"] = self.security_protocol.upper()
        if self.has_tls:
            self.check_files()
            named["ssl.ca.location"] = self.ca_file
            named["ssl.certificate.location"] = self.certificate_file
            named["ssl.key.location"] = self.key_file
        if self.has_password:
            if not self.username:
                raise TaplineError(f"kafka.username is empty: {self.security_protocol} needs it, and kafka.password")
            named["sasl.mechanism"] = self.mechanism
            named["sasl.username"] = self.username
            named["sasl.password"] = self.secret()
        return {name: value for name, value in named.items() if value} | {**self.options}

    def check_files(self) -> None:
        """See that the files of certificates are there; :class:`TaplineError` names the one that is not."""
        for key in ("ca_file", "certificate_file", "key_file"):
            path = getattr(self, key)
            if path and not Path(path).is_file():
                raise TaplineError(f"kafka.{key}: {path} is no file: name one in PEM form")
        if bool(self.certificate_file) != bool(self.key_file):
            missing = "key_file" if self.certificate_file else "certificate_file"
            raise TaplineError(f"kafka.{missing} is empty: a client's certificate and its key go together")
