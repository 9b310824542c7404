"""A secured Kafka of three brokers: TLS, SCRAM and mutual TLS for clients, access by rights alone.

Every broker is a controller too. Clients with a password come by SASL_SSL, those with a certificate by SSL on a port of
its own, over which the brokers speak to each other as well.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tapline.services.kafka import Kafka
from tapline.services.ports import free_port
from tapline.services.settings import ServicesSettings
from tests.certificates import Authority
from topics.settings import KafkaSettings

ADMIN = "admin"
BROKERS = 3
_TIMEOUT = 60.0

_PROPERTIES = """\
process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
listeners=PASSWORD://127.0.0.1:{clients},MUTUAL://127.0.0.1:{mutual},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PASSWORD://127.0.0.1:{clients},MUTUAL://127.0.0.1:{mutual}
listener.security.protocol.map=PASSWORD:SASL_SSL,MUTUAL:SSL,CONTROLLER:SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=MUTUAL
listener.name.mutual.ssl.client.auth=required
listener.name.controller.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={ca_file}
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.password.scram-sha-512.sasl.jaas.config=\
 org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:broker;User:admin
log.dirs=data
auto.create.topics.enable=false
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=6000
log.segment.bytes=134217728
log.cleaner.dedupe.buffer.size=16777216
"""


class NodeSettings(ServicesSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a node of the cluster has beside what an engine has: a port for clients with certificates."""

    kafka_mutual_port: int


class Node(Kafka):
    """One of the cluster; ``voters`` are all controllers as Kafka wants them named."""

    port_settings: ClassVar[Mapping[str, str]] = {**Kafka.port_settings, "mutual": "kafka_mutual_port"}

    def __init__(self, settings: NodeSettings, number: int, cluster: SecuredCluster, voters: str) -> None:
        super().__init__(settings)
        self._number = number
        self._cluster = cluster
        self._voters = voters

    def _properties(self, ports: Mapping[str, int]) -> str:
        return _PROPERTIES.format(
            number=self._number,
            voters=self._voters,
            keystore=self._cluster.broker_file,
            ca_file=self._cluster.authority.ca_file,
            **ports,
        )

    def _format_options(self) -> list[str]:
        password = self._cluster.passwords[ADMIN]
        scram = f"SCRAM-SHA-512=[name={ADMIN},password={password}]"
        return [f"--cluster-id={self._cluster.identity}", "--add-scram", scram]

    def _client(self) -> Mapping[str, str | int | float | bool]:
        return {**self._cluster.settings(ADMIN).client(), "bootstrap.servers": self.address}


class SecuredCluster:
    """Three brokers below a folder, a CA, and users with passwords."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self.authority = Authority(folder / "ca.pem")
        self.passwords = {ADMIN: uuid.uuid4().hex}
        self.broker_file = folder / "broker.pem"
        self.authority.issue("broker", folder / "broker.crt", folder / "broker.key")
        self.broker_file.write_bytes((folder / "broker.key").read_bytes() + (folder / "broker.crt").read_bytes())
        taken: list[int] = []
        for _ in range(3 * BROKERS):
            taken.append(free_port(taken))
        ports = [taken[3 * each : 3 * each + 3] for each in range(BROKERS)]
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, (_, port, _) in enumerate(ports, 1))
        self.nodes = [
            Node(
                NodeSettings(
                    folder=str(folder / f"node-{number}"),
                    kafka_port=clients,
                    kafka_controller_port=controller,
                    kafka_mutual_port=mutual,
                    kafka_heap=320,
                    stop_timeout=90,
                ),
                number,
                self,
                voters,
            )
            for number, (clients, controller, mutual) in enumerate(ports, 1)
        ]
        self._mutual = ",".join(f"127.0.0.1:{mutual}" for _, _, mutual in ports)

    @property
    def bootstrap(self) -> str:
        """Where clients with passwords begin."""
        return ",".join(node.address for node in self.nodes)

    def start(self) -> None:
        """Start all brokers and wait until they serve."""
        with ThreadPoolExecutor(BROKERS) as pool:
            list(pool.map(lambda node: node.start(), self.nodes))
        for node in self.nodes:
            node.wait_ready(_TIMEOUT * 2)

    def stop(self) -> None:
        """Stop all brokers, at once: a controller that is alone waits for the others."""
        with ThreadPoolExecutor(BROKERS) as pool:
            list(pool.map(lambda node: node.stop(), self.nodes))

    def settings(self, user: str, prefix: str = "tapline") -> KafkaSettings:
        """How this user reaches the cluster with a password."""
        return KafkaSettings(
            bootstrap=self.bootstrap,
            prefix=prefix,
            replication=BROKERS,
            security_protocol="SASL_SSL",
            ca_file=str(self.authority.ca_file),
            sasl_mechanism="SCRAM-SHA-512",
            username=user,
            password=self.passwords[user],
        )

    def settings_with_certificate(self, user: str, prefix: str = "tapline") -> KafkaSettings:
        """How this user reaches the cluster with a certificate, which is made."""
        certificate_file, key_file = self.folder / f"{user}.crt", self.folder / f"{user}.key"
        self.authority.issue(user, certificate_file, key_file)
        return KafkaSettings(
            bootstrap=self._mutual,
            prefix=prefix,
            replication=BROKERS,
            security_protocol="SSL",
            ca_file=str(self.authority.ca_file),
            certificate_file=str(certificate_file),
            key_file=str(key_file),
        )

    def admin(self) -> AdminClient:
        """A client that may do everything."""
        return AdminClient(self.settings(ADMIN).client() | {"log_level": "0"})

    def add_users(self, names: list[str]) -> None:
        """Give these users passwords."""
        self.passwords |= {name: uuid.uuid4().hex for name in names}
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = [UserScramCredentialUpsertion(name, info, self.passwords[name].encode()) for name in names]
        admin = self.admin()
        for future in admin.alter_user_scram_credentials(wanted, request_timeout=_TIMEOUT).values():
            future.result()


@contextmanager
def secured_cluster(folder: Path) -> Iterator[SecuredCluster]:
    """The cluster, for as long as it is needed."""
    cluster = SecuredCluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
