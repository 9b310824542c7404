"""A stand-in for Kibana: it answers as its interface is documented to, and keeps what it is given. It is not Kibana."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field


class StandIn(Struct):
    """What it is told to be like, and what has come to it.

    ``users`` are the values of ``Authorization`` that it takes (none: all); ``refuses`` is the error for an object by
    its id; ``status`` and ``instead`` are status, content type and body to be given when asked how it is, and to
    every import.
    """

    version: str = "8.18.0"
    name: str | None = "kibana"
    users: set[str] = field(default_factory=set)
    spaces: set[str] = field(default_factory=lambda: {"default"})
    refuses: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: tuple[int, str, bytes] | None = None
    instead: tuple[int, str, bytes] | None = None
    objects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body of the answer to a request."""
        self.asked.append((method, path))
        if self.users and headers.get("authorization") not in self.users:
            return _json(401, {"statusCode": 401, "error": "Unauthorized", "message": "Unauthorized"})
        if (method, path) == ("GET", "/api/status"):
            return self.status or _json(
                200, {"name": "stand-in", "version": {"number": self.version}, "status": {"overall": {}}}
            )
        found = re.fullmatch(r"(?:/s/([a-z0-9_-]+))?/api/saved_objects/_import\?overwrite=true", path)
        space = (found[1] or "default") if found else ""
        if method != "POST" or space not in self.spaces:
            return _json(404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"})
        if "kbn-xsrf" not in headers:
            return _json(400, {"statusCode": 400, "error": "Bad Request", "message": "must contain a kbn-xsrf header."})
        return self.instead or _json(200, self._import(space, _file(headers["content-type"], body)))

    def _import(self, space: str, lines: bytes) -> dict[str, Any]:
        taken, refused = [], []
        for line in lines.splitlines():
            saved = msgspec.json.decode(line)
            key = (space, saved["type"], saved["id"])
            said = {"type": saved["type"], "id": saved["id"], "meta": {"title": saved["attributes"]["title"]}}
            if saved["id"] in self.refuses:
                refused.append(said | {"error": self.refuses[saved["id"]]})
                continue
            taken.append(said | ({"overwrite": True} if key in self.objects else {}) | {"managed": False})
            self.objects[key] = saved
        answer: dict[str, Any] = {"success": not refused, "successCount": len(taken), "warnings": []}
        return answer | ({"successResults": taken} if taken else {}) | ({"errors": refused} if refused else {})


@contextmanager
def kibana(
    stand_in: StandIn, certificate: Path | None = None, *, address: tuple[str, int] = ("127.0.0.1", 0)
) -> Iterator[StandIn]:
    """The stand-in at a free port of loopback, over TLS with a certificate and its key in one file."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, kind, answer = stand_in.answer(self.command, self.path, headers, body)
            self.send_response(status)
            if stand_in.name is not None:
                self.send_header("kbn-name", stand_in.name)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = handle_any  # noqa: N815 - the base class's names

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            """A client that does not trust us goes away, which is not this server's error."""

    server = Server(address, Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stand_in.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _json(status: int, body: dict[str, Any]) -> tuple[int, str, bytes]:
    return status, "application/json", msgspec.json.encode(body)


def _file(content_type: str, body: bytes) -> bytes:
    """The one file of a ``multipart/form-data`` body (RFC 7578)."""
    found = re.fullmatch(r"multipart/form-data; boundary=(\S+)", content_type)
    assert found is not None
    boundary = b"--" + found[1].encode()
    before, part, after = body.split(boundary)
    assert (before, after) == (b"", b"--\r\n")
    head, _, content = part.partition(b"\r\n\r\n")
    assert b'name="file"; filename="tapline.ndjson"' in head
    return content.removesuffix(b"\r\n")
