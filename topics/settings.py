"""How to reach Kafka."""

from __future__ import annotations

from msgspec import Struct, field


class KafkaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``kafka:`` block, shared by everything that speaks to Kafka.

    ``options`` are librdkafka settings passed through as they are, for what has no key of its own.
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
    options: dict[str, str] = field(default_factory=dict)

    def client(self) -> dict[str, str | int | float | bool]:
        """The librdkafka configuration these settings amount to."""
        named: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.certificate_file,
            "ssl.key.location": self.key_file,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.username,
            "sasl.password": self.password,
        }
        return {name: value for name, value in named.items() if value} | {**self.options}
