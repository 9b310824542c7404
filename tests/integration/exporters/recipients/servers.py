"""Real servers on loopback that remember what they were told: HTTP with and without TLS, SMTP."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import urllib.request
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

from aiosmtpd.controller import Controller


class Request(NamedTuple):
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class WebServer:
    """An HTTP server; ``answers`` are status and headers of its next answers, after which it says 200."""

    def __init__(self, certificate: Path | None = None, key: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.answers: deque[tuple[int, dict[str, str]]] = deque()
        self.let_go = threading.Event()
        self.let_go.set()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.requests.append(Request(self.path, dict(self.headers.items()), body))
                web.let_go.wait(60)
                status, headers = web.answers.popleft() if web.answers else (200, {})
                said = b"no more of this" if status >= 300 else b"ok"
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that was killed is no error of the server."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = "https" if certificate is not None else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Proxy:
    """An HTTP proxy: ``CONNECT`` (RFC 9110 9.3.6) and requests in absolute form, for those with this name and password.

    ``asked`` is what it was asked for.
    """

    def __init__(self, user: str, password: str) -> None:
        self.asked: list[str] = []
        expected = b64encode(f"{user}:{password}".encode()).decode()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_CONNECT(self) -> None:
                host, _, port = self.path.partition(":")
                if not self._is_known():
                    return
                with socket.create_connection((host, int(port)), timeout=60) as target:
                    self.send_response(200)
                    self.end_headers()
                    there = threading.Thread(target=_carry, args=(self.connection, target))
                    there.start()
                    _carry(target, self.connection)
                    there.join()
                self.close_connection = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not self._is_known():
                    return
                with urllib.request.urlopen(urllib.request.Request(self.path, body), timeout=60) as answer:
                    self.send_response(answer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _is_known(self) -> bool:
                proxy.asked.append(self.path)
                if self.headers["Proxy-Authorization"] == f"Basic {expected}":
                    return True
                self.send_response(407)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return False

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes until there are no more."""
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Mailbox:
    """What an SMTP server of aiosmtpd calls; ``refusals`` maps addresses to what is answered for them."""

    def __init__(self) -> None:
        self.messages: list[tuple[list[str], bytes]] = []
        self.refusals: dict[str, deque[str]] = {}
        self.answers: deque[str] = deque()

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        refusals = self.refusals.get(address)
        if refusals:
            return refusals.popleft()
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802
        if self.answers:
            return self.answers.popleft()
        self.messages.append((list(envelope.rcpt_tos), envelope.content))
        return "250 taken"


@contextmanager
def smtp_server(mailbox: Mailbox, context: ssl.SSLContext | None = None, **options: Any) -> Iterator[int]:
    """An SMTP server on a free port, which it is; with ``context`` it offers STARTTLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        class Listening(Controller):
            """A controller that is given its socket, so that nobody else can have its port."""

            def _create_server(self) -> Any:
                return self.loop.create_server(self._factory_invoker, sock=listener)

        controller = Listening(
            mailbox, hostname="127.0.0.1", port=port, tls_context=context, ready_timeout=60, **options
        )
        controller.start()
        try:
            yield port
        finally:
            controller.stop()


@contextmanager
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, and nobody else can."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own CA, and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key
