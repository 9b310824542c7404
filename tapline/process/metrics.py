"""The pages a process shows: ``/metrics`` for Prometheus, ``/healthz`` and ``/readyz`` for orchestrators."""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from tapline.process.health import Health
from topics.errors import TaplineError


class MetricsServer:
    """Serves a process's metrics and health over HTTP, on the loopback interface unless told otherwise.

    ``port`` 0 takes a free one; below 0 there is no server, and :meth:`start` and :meth:`stop` do nothing.
    """

    def __init__(
        self, health: Health, *, port: int, host: str = "127.0.0.1", registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._health = health
        self._host = host
        self._port = port
        self._registry = registry
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Bind and serve from a thread; :class:`TaplineError` when the port cannot be had."""
        if self._port < 0:
            return
        health, registry = self._health, self._registry

        class Pages(BaseHTTPRequestHandler):
            server_version = "tapline"
            sys_version = ""

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif path in ("/healthz", "/readyz"):
                    good = health.alive() if path == "/healthz" else health.ready()
                    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
                    body = json.dumps({"ok": good, "components": health.states()}).encode() + b"\n"
                    self._answer(status, "application/json", body)
                else:
                    self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"see /metrics, /healthz, /readyz\n")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Keep quiet: a scrape every few seconds is no event."""

            def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        try:
            self._server = Server((self._host, self._port), Pages)
        except OSError as error:
            raise TaplineError(
                f"cannot serve metrics on {self._host}:{self._port} ({error.strerror or error}): choose another port"
                " with --metrics-port, 0 for a free one or -1 for none"
            ) from error
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port being served, or None."""
        return (self._host, self._server.server_port) if self._server else None

    def stop(self) -> None:
        """Stop serving and release the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
