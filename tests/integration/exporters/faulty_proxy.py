"""A proxy before Elasticsearch that treats bulk requests badly."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from urllib.parse import urlsplit

FAULTS = ("429", "pass", "lost", "503", "pass", "cut", "page", "pass", "401", "pass")
"""What befalls bulk requests in turn: a status instead of being passed on, the answer lost or cut off, another page."""


@contextmanager
def faulty_proxy(url: str, most_documents: int) -> Iterator[tuple[str, list[str]]]:
    """The proxy's URL and what befell the bulk requests; those of more documents get a 413."""
    target = urlsplit(url)
    befell: list[str] = []
    faults = cycle(FAULTS)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = "pass"
            if self.path.startswith("/_bulk"):
                with lock:
                    fault = "413" if body.count(b"\n") // 2 > most_documents else next(faults)
                    befell.append(fault)
            if fault.isdigit():
                self.answer(int(fault), "application/json", b"{}")
            elif fault == "page":
                self.answer(200, "text/html", b"<html>try again later</html>")
            else:
                status, kind, answer = self.ask(body)
                if fault == "pass":
                    self.answer(status, kind, answer)
                    return
                if fault == "cut":
                    self.answer(status, kind, answer, sent=len(answer) // 2)
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = forward  # noqa: N815 - the base class's names

        def ask(self, body: bytes) -> tuple[int, str, bytes]:
            connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
            headers = {
                name: value for name, value in self.headers.items() if name.lower() in ("accept", "content-type")
            }
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            try:
                return response.status, response.headers.get("Content-Type", ""), response.read()
            finally:
                connection.close()

        def answer(self, status: int, kind: str, body: bytes, sent: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:sent])

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", befell
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
