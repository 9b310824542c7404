"""Elasticsearch 8 with security and TLS, for tests; it needs a whole Java 17 of the system's."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from elasticsearch import Elasticsearch as Client

from tapline.services.elasticsearch import Elasticsearch
from tapline.services.processes import Account
from tapline.services.settings import ServicesSettings
from tests.certificates import write_certificates
from tests.integration.engines import engine_folder, engine_settings, running

ADMIN = ("operator", "operator-of-tests")
"""Name and password of the superuser."""

PASSWORD = "password-of-tests"
"""The password of all other users."""

_SERVICE, _SERVICE_SECRET = "elastic/fleet-server/tests", "secret-of-the-tests"

SERVICE_TOKEN = base64.b64encode(b"\0\1\0\1" + f"{_SERVICE}:{_SERVICE_SECRET}".encode()).decode()
"""The bearer token of a service that Elasticsearch knows by itself, and that may look at nodes."""

_MODULE = "jdk.jdi"


@lru_cache(maxsize=1)
def system_java() -> Path | None:
    """The home of a Java 17 or later on this machine with the module that Elasticsearch 8.18 needs."""
    program = shutil.which("java")
    if program is None:
        return None
    told = subprocess.run([program, "--list-modules"], capture_output=True, text=True, check=False).stdout
    return Path(program).resolve().parents[1] if f"{_MODULE}@" in told else None


class SecuredElasticsearch(Elasticsearch):
    """Elasticsearch 8.19, the oldest line that is supported. It asks for credentials, over TLS.

    It has a superuser, ``ADMIN``, the roles that it is made with, and a user of each role with its name and
    ``PASSWORD``. All of that is in files: this build cannot make the index for users that are made by requests.
    """

    name: ClassVar[str] = "elasticsearch-8"

    def __init__(self, settings: ServicesSettings, roles: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(settings)
        self.roles = roles

    def _java(self, account: Account | None) -> Path:  # noqa: ARG002 - anyone may use the system's
        home = system_java()
        assert home is not None
        return home

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The certificate of the CA that signed the server's."""
        return self.folder.parent / "ca.pem"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the server's certificate, as openssl prints it."""
        certificate = x509.load_pem_x509_certificate((self.folder / "config" / "http.pem").read_bytes())
        return certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def _configure(self, folder: Path, home: Path, ports: Mapping[str, int]) -> None:
        super()._configure(folder, home, ports)
        configuration = folder / "config"
        path = configuration / "elasticsearch.yml"
        node = json.loads(path.read_text(encoding="utf-8")) | {
            "xpack.security.enabled": True,
            "xpack.security.autoconfiguration.enabled": False,
            "xpack.security.http.ssl.enabled": True,
            "xpack.security.http.ssl.certificate": str(configuration / "http.pem"),
            "xpack.security.http.ssl.key": str(configuration / "http.key"),
            "xpack.security.authc.password_hashing.algorithm": "pbkdf2_1000",
        }
        path.write_text(json.dumps(node), encoding="utf-8")
        self.write_users(configuration)
        if not self.ca_file.exists():
            write_certificates(self.ca_file, configuration / "http.pem", configuration / "http.key")

    def write_users(self, configuration: Path) -> None:
        """Put roles, users and the token of a service into the node's files."""
        users = dict([ADMIN, *((name, PASSWORD) for name in self.roles)])
        lines = {
            "users": [f"{name}:{_hashed(password)}" for name, password in users.items()],
            "users_roles": [f"superuser:{ADMIN[0]}", *(f"{name}:{name}" for name in self.roles)],
            "roles.yml": [yaml.safe_dump({name: dict(role)}) for name, role in self.roles.items()],
            "service_tokens": [f"{_SERVICE}:{_hashed(_SERVICE_SECRET)}"],
        }
        for name, written in lines.items():
            (configuration / name).write_text("\n".join(written) + "\n", encoding="ascii")

    def _answers(self) -> bool:
        if not self.ca_file.exists():
            return False
        with self.client(basic_auth=ADMIN) as client:
            try:
                return client.cluster.health(wait_for_status="yellow", timeout="1s").meta.status == 200
            except Exception:  # noqa: BLE001 - whatever it is, it does not serve yet
                return False

    def client(self, **options: object) -> Client:
        """A client that trusts it."""
        return Client(self.address, ca_certs=str(self.ca_file), request_timeout=30, **options)


def _hashed(password: str) -> str:
    """A password as Elasticsearch keeps it in files."""
    rounds, salt = 10_000, os.urandom(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, 32)
    return f"{{PBKDF2}}{rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


@contextmanager
def secured_elasticsearch(roles: Mapping[str, Mapping[str, Any]]) -> Iterator[SecuredElasticsearch]:
    """Such an engine with these roles, at work on free ports; the test is skipped where it cannot run."""
    if system_java() is None:
        pytest.skip("Elasticsearch 8.19 needs a Java 17 with jdk.jdi (apt install openjdk-17-jre-headless)")
    with engine_folder() as folder:
        # It takes longer than the other one to start.
        settings = msgspec.structs.replace(engine_settings(folder), start_timeout=300.0)
        with running(SecuredElasticsearch(settings, roles)) as engine:
            yield engine
