"""What every answer says about itself to the browser, and which hosts are answered at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Scripts and styles of our own alone, none within a page: what traffic smuggles into one cannot run."""

_HEADERS: Final = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    # For browsers that know nothing of frame-ancestors.
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
)
MOST_BYTES: Final = 1024 * 1024
"""The longest body that is read."""

_UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class SecurityHeaders:
    """Adds the headers, and refuses what was meant for another host or comes from another site.

    A browser can be led to call this server by a name of an attacker's (DNS rebinding): names that are not known are
    refused. What changes something has to come from a page of ours, where the browser says from which it comes.
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], secure: bool) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may be, with the headers added."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS:
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
                if self._secure:
                    headers.setdefault("strict-transport-security", "max-age=31536000")
            await send(message)

        status, problem = self._problem(scope["method"], Headers(scope=scope))
        if problem:
            await PlainTextResponse(problem, status_code=status)(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)

    def _problem(self, method: str, headers: Headers) -> tuple[int, str]:
        host = headers.get("host", "")
        if _name(f"//{host}") not in self._hosts:
            return 403, "This console is not called by that name: add it to console.hosts, or set console.public_url.\n"
        origin = headers.get("origin", "")
        if method in _UNSAFE and origin and _place(origin) != host.lower():
            return 403, "This comes from a page of another site.\n"
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdigit():
            return 411, "A body has to say how long it is.\n"
        if int(length) > MOST_BYTES:
            return 413, f"A body has at most {MOST_BYTES:,} bytes.\n"
        return 0, ""


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
