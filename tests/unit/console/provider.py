"""An OpenID provider of the test's own, which also says what no honest one would: a stand-in, not a real one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT = "tapline"


class Provider:
    """What it says can be changed: of itself, of whoever has logged in, and by which key that is signed."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = RSAKey.generate_key(2048, parameters={"kid": "first"})
        self.published = self.key
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "first"}
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {"sub": "1", "preferred_username": "ada", "groups": ["netops", "staff"]}
        self.described: dict[str, Any] = {}
        self.token_status = 200
        self.asked: list[dict[str, list[str]]] = []

    def describe(self) -> dict[str, Any]:
        places = {f"{name}_endpoint": f"{self.issuer}/{name}" for name in ("authorization", "token", "userinfo")}
        return {"issuer": self.issuer, **places, "jwks_uri": f"{self.issuer}/jwks"} | self.described

    def id_token(self) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 60} | self.claims
        return jwt.encode(self.header, {name: value for name, value in claims.items() if value is not None}, self.key)


@contextmanager
def providing() -> Iterator[Provider]:
    """The provider on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/jwks":
                self._answer(KeySet([provider.published]).as_dict())
            else:
                self._answer(provider.userinfo if self.path == "/userinfo" else provider.describe())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            provider.asked.append(parse_qs(body))
            if provider.token_status == 200:
                self._answer({"access_token": "a", "token_type": "Bearer", "id_token": provider.id_token()})
            else:
                self._answer({"error": "invalid_grant"}, provider.token_status)

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, content: Any, status: int = 200) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = Provider(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
