"""The console speaks TLS by a certificate and its key in files."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path

import httpx2
import pytest

from console.server import ConsoleServer
from tapline.process.health import Health
from tests.certificates import write_certificates
from tests.integration.console.seat import PASSWORD, console_alone
from tests.waiting import wait_for
from topics.errors import TaplineError


def test_a_certificate_in_a_file_makes_it_speak_tls(tmp_path: Path) -> None:
    ca, certificate, key = (tmp_path / name for name in ("ca.pem", "console.pem", "console.key"))
    write_certificates(ca, certificate, key)
    made = console_alone(tmp_path, certificate_file=str(certificate), key_file=str(key))
    said: list[str] = []
    with ConsoleServer(made, Health(), said.append) as server:
        thread = threading.Thread(target=server.run, name="console")
        thread.start()
        try:
            wait_for(lambda: len(said) == 2, "the console to say where it is")
            made.users.add("ada", "viewer", PASSWORD)
            assert server.url.startswith("https://127.0.0.1:")
            with httpx2.Client(base_url=server.url, verify=ssl.create_default_context(cafile=ca), timeout=60) as client:
                answer = client.post("/api/session", json={"name": "ada", "password": PASSWORD})
                assert answer.status_code == 200
                assert answer.headers["set-cookie"].startswith("__Host-tapline=")
                assert "secure" in answer.headers["set-cookie"].lower()
                assert answer.headers["strict-transport-security"]
                assert client.get("/api/session").json()["name"] == "ada"
            with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                httpx2.get(server.url, timeout=60)
            with pytest.raises(httpx2.HTTPError):
                httpx2.get(server.url.replace("https", "http"), timeout=60)
        finally:
            server.leave()
            thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"certificate_file": "/no/such", "key_file": "/no/such"}, "certificate_file /no/such is no file"),
        ({"certificate_file": __file__}, "go together: set both, or neither"),
        ({"certificate_file": __file__, "key_file": __file__}, "cannot be used for TLS"),
    ],
)
def test_what_cannot_be_used_is_told_at_the_start(files: dict[str, str], said: str, tmp_path: Path) -> None:
    with (
        pytest.raises(TaplineError, match=said),
        ConsoleServer(console_alone(tmp_path, **files), Health(), lambda _: None),
    ):
        pass
