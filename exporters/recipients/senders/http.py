"""JSON by HTTP POST: how the request is made, and which answers are worth another attempt."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import unquote

import urllib3

from exporters.recipients.senders.sender import Rejected, Unavailable
from tapline.process.secrets import secret
from topics.errors import TaplineError

MOST_SECONDS: Final = 3600.0
"""For how long, at most, a server may have us wait."""

_AGAIN: Final = frozenset({408, 425, 429})
_MOST_ANSWER: Final = 2000


class Poster:
    """Posts JSON to one URL, over a connection that is kept.

    2xx is delivered; 408, 425, 429 and 5xx, and no answer, are worth another attempt; everything else is not. The URL
    may be a secret, so no error names it. Redirections are not followed. ``proxy`` is that of the settings.
    """

    def __init__(self, name: str, url: str, ca_file: str, timeout: float, proxy: str = "") -> None:
        self._url = url
        self._timeout = timeout
        _parsed(f"recipient {name}: its url", url)
        options: dict[str, Any] = {
            "num_pools": 1,
            "maxsize": 1,
            "retries": False,
            "timeout": urllib3.Timeout(connect=timeout, read=timeout),
            "ssl_context": tls_context(name, ca_file),
        }
        self._pool = _proxied(name, proxy, options) if proxy else urllib3.PoolManager(**options)

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Post ``body``; :class:`Rejected` or :class:`Unavailable` when the answer is not 2xx."""
        fixed = {"Content-Type": "application/json", "User-Agent": "tapline"}
        try:
            answer = self._pool.request(
                "POST", self._url, body=body, headers={**fixed, **headers}, redirect=False, preload_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from None
        said = _said(answer)
        if not 200 <= answer.status < 300:
            raise self._refused(answer.status, said, answer.headers.get("Retry-After"))

    def close(self) -> None:
        """Close the connection."""
        self._pool.clear()

    def _unreachable(self, error: Exception) -> Unavailable:
        if isinstance(error, urllib3.exceptions.ProxyError):
            return Unavailable("proxy", _words(error))
        if isinstance(error, urllib3.exceptions.SSLError):
            return Unavailable("tls", _words(error))
        if isinstance(error, urllib3.exceptions.TimeoutError) and not isinstance(
            error, urllib3.exceptions.NewConnectionError
        ):
            return Unavailable("timeout", f"no answer within {self._timeout:g} s")
        return Unavailable("unreachable", _words(error))

    def _refused(self, status: int, said: bytes, retry_after: str | None) -> Rejected | Unavailable:
        detail = f"it answers {status}: {' '.join(said.decode(errors='replace').split())[:300]}"
        if status in _AGAIN or status >= 500:
            return Unavailable(str(status), detail, _seconds(retry_after))
        if 300 <= status < 400:
            detail = f"it answers {status}, a redirection: write the URL to which it leads"
        return Rejected(str(status), detail)


def _parsed(named: str, url: str) -> urllib3.util.Url:
    try:
        parsed = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        parsed = urllib3.util.Url()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise TaplineError(f"{named} is none: it begins with https:// or http://")
    return parsed


def _proxied(name: str, proxy: str, options: dict[str, Any]) -> urllib3.ProxyManager:
    """What asks through a proxy (RFC 9110 9.3.6), with the name and password its URL has (RFC 7617)."""
    named = f"recipient {name}: proxy"
    if proxy.startswith(("env:", "file:")):
        proxy = secret(proxy, named)
    elif "@" in proxy:
        raise TaplineError(f"{named}: secrets do not stand in the configuration: write env:NAME or file:PATH")
    parsed = _parsed(named, proxy)
    headers = urllib3.make_headers(proxy_basic_auth=unquote(parsed.auth)) if parsed.auth else None
    return urllib3.ProxyManager(parsed._replace(auth=None).url, proxy_headers=headers, **options)


def _said(answer: urllib3.BaseHTTPResponse) -> bytes:
    """The beginning of what a server says; the connection is kept where that is all."""
    try:
        said = answer.read(_MOST_ANSWER)
        if answer.read(1):
            answer.close()
    except urllib3.exceptions.HTTPError:
        # The status has told what matters.
        answer.close()
        return b""
    finally:
        answer.release_conn()
    return said


def tls_context(name: str, ca_file: str) -> ssl.SSLContext:
    """How a recipient's certificate is checked: by the machine's CAs, or by those of ``ca_file``."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or "it holds no certificate"
        raise TaplineError(f"recipient {name}: cannot use its ca_file {ca_file}: {why}") from error


def _words(error: Exception) -> str:
    """What an error says, without the object it names first and without the URL."""
    cause = error.__cause__ or error.__context__ or error
    return f"{type(cause).__name__}: {getattr(cause, 'strerror', None) or 'connection failed'}"


def _seconds(retry_after: str | None) -> float:
    if not retry_after:
        return 0.0
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(max(seconds, 0.0), MOST_SECONDS) if seconds == seconds else 0.0  # noqa: PLR0124 - not a number
