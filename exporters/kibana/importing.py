"""Bringing saved objects into Kibana by its import interface, and what came of each.

``POST /s/<space>/api/saved_objects/_import?overwrite=true``,
https://www.elastic.co/docs/api/doc/kibana/operation/operation-post-saved-objects-import
"""

from __future__ import annotations

import re
import ssl
import warnings
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import urllib3
from msgspec import Struct, field

from exporters.kibana.settings import KibanaSettings
from topics.errors import TaplineError

OLDEST: Final = (8, 18)
"""First version of Kibana whose saved objects these are; the first whose Elasticsearch the exporter takes."""

_REDIRECTS: Final = range(300, 400)
_MOST: Final = 300


class Meta(Struct):
    """What Kibana says of an object besides its id."""

    title: str = ""


class Imported(Struct):
    """An object that Kibana has taken; ``overwrite`` says that there was one before.

    ``destination`` is its id there, where that is another: an object of another space has the id already.
    """

    type: str
    id: str
    meta: Meta = field(default_factory=Meta)
    overwrite: bool = False
    destination: str = field(name="destinationId", default="")

    @property
    def outcome(self) -> str:
        """What was done, in words."""
        done = "overwritten" if self.overwrite else "created"
        return f"{done} as {self.destination}" if self.destination else done


class Target(Struct):
    """An object that is referred to."""

    type: str
    id: str


class Reason(Struct):
    """Why an object was refused."""

    type: str
    message: str = ""
    references: list[Target] = field(default_factory=list)


class Refused(Struct):
    """An object that Kibana has not taken."""

    type: str
    id: str
    error: Reason
    meta: Meta = field(default_factory=Meta)

    @property
    def outcome(self) -> str:
        """Why, in words."""
        error = self.error
        if error.type == "missing_references":
            missing = ", ".join(f"{each.type} {each.id}" for each in error.references)
            return f"refused: it refers to what is not there: {missing}"
        if error.type == "unsupported_type":
            return "refused: this Kibana knows no such type of object"
        if error.type in {"conflict", "ambiguous_conflict"}:
            return "refused: it stands against another object, which is not overwritten"
        return f"refused: {error.message or error.type}"


class Outcome(Struct):
    """What came of an import."""

    success: bool
    success_count: int = field(name="successCount", default=0)
    imported: list[Imported] = field(name="successResults", default_factory=list)
    refused: list[Refused] = field(name="errors", default_factory=list)


class Kibana:
    """A Kibana that is asked over HTTP; a context manager. Nothing is sent before :meth:`check`.

    ``where`` is its URL.
    """

    def __init__(self, settings: KibanaSettings) -> None:
        if settings.api_key and (settings.user or settings.password):
            raise TaplineError("kibana.api_key and kibana.user exclude each other: set one of them")
        if "@" in settings.url:
            raise TaplineError("kibana.url holds credentials: set kibana.user and kibana.password instead")
        if not re.match(r"https?://[^/]", settings.url):
            raise TaplineError(f"kibana.url: {settings.url!r} is no URL: write it like http://127.0.0.1:5601")
        if not settings.api_key.isascii():
            raise TaplineError("kibana.api_key is no encoded key: copy what Kibana calls its base64 form")
        self._settings = settings
        self.where: Final = settings.url.rstrip("/")
        self._pool: urllib3.PoolManager | None = None

    def __enter__(self) -> Self:
        settings = self._settings
        options: dict[str, Any] = {}
        if settings.url.startswith("https:"):
            options["ssl_context"] = self._context()
        self._pool = urllib3.PoolManager(retries=False, timeout=settings.timeout, **options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.clear()
            self._pool = None

    def check(self) -> str:
        """The version of the Kibana that answers, empty where it tells it only to administrators.

        :class:`TaplineError` says what to do where none answers, or one that is too old.
        """
        status, headers, body = self._ask("GET", "/api/status")
        found = _decoded(body)
        if "kbn-name" not in headers and not isinstance(found.get("status"), dict):
            raise TaplineError(f"what answers at {self.where} is not Kibana: set kibana.url")
        if status not in {200, 503}:
            raise TaplineError(
                f"Kibana at {self.where} answers {status} ({_said(found, body)}): see that it is healthy"
            )
        version = found.get("version")
        number = str(version.get("number", "")) if isinstance(version, dict) else ""
        parsed = re.match(r"(\d+)\.(\d+)", number)
        if parsed and (int(parsed[1]), int(parsed[2])) < OLDEST:
            raise TaplineError(
                f"Kibana at {self.where} is version {number}: {OLDEST[0]}.{OLDEST[1]} or later is needed"
            )
        return number

    def import_objects(self, objects: bytes) -> Outcome:
        """Import objects (NDJSON), in place of those of the same type and id; what came of each."""
        space = self._settings.space
        prefix = "" if space == "default" else f"/s/{space}"
        status, _, body = self._ask(
            "POST", f"{prefix}/api/saved_objects/_import?overwrite=true", {"file": ("tapline.ndjson", objects)}
        )
        found = _decoded(body)
        if status == 404 and prefix:
            raise TaplineError(f"Kibana at {self.where} has no space {space!r}: make it, or set kibana.space")
        if status != 200:
            raise TaplineError(f"Kibana at {self.where} refuses the import ({status} {_said(found, body)})")
        try:
            return msgspec.convert(found, Outcome)
        except msgspec.ValidationError as error:
            raise TaplineError(
                f"Kibana at {self.where} answers an import in a way that is not known ({error}): nothing is certain"
            ) from error

    def _ask(
        self, method: str, path: str, fields: Mapping[str, tuple[str, bytes]] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of an answer, which is one of Kibana or of whatever stands there."""
        if self._pool is None:
            raise RuntimeError("a Kibana is asked within its context")
        try:
            with warnings.catch_warnings():
                # Whoever sets `verify` to false knows.
                warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
                answer = self._pool.request(
                    method,
                    f"{self.where}{path}",
                    fields=fields,
                    headers={"kbn-xsrf": "tapline", "Accept": "application/json", **self._credentials()},
                    redirect=False,
                )
        except urllib3.exceptions.SSLError as error:
            raise TaplineError(
                f"no trusted connection to Kibana at {self.where} ({_line(error)}): set kibana.ca_file"
            ) from error
        except urllib3.exceptions.HTTPError as error:
            raise TaplineError(
                f"cannot reach Kibana at {self.where} ({_line(error)}): start it, or set kibana.url"
            ) from error
        status = answer.status
        if status in {401, 403}:
            raise TaplineError(
                f"Kibana at {self.where} refuses the credentials ({status}): set kibana.user and kibana.password, or"
                " kibana.api_key, of a user who may manage saved objects"
            )
        if status in _REDIRECTS:
            where = answer.headers.get("location", "elsewhere")
            raise TaplineError(f"what answers at {self.where} sends on to {where}: set kibana.url to where Kibana is")
        return status, {name.lower(): value for name, value in answer.headers.items()}, answer.data

    def _credentials(self) -> dict[str, str]:
        settings = self._settings
        if settings.api_key:
            return {"Authorization": f"ApiKey {settings.api_key}"}
        if settings.user:
            both = b64encode(f"{settings.user}:{settings.password}".encode()).decode()
            return {"Authorization": f"Basic {both}"}
        return {}

    def _context(self) -> ssl.SSLContext:
        settings = self._settings
        if settings.ca_file and not Path(settings.ca_file).is_file():
            raise TaplineError(f"kibana.ca_file {settings.ca_file} is no file: name the CA's certificate in PEM form")
        try:
            context = ssl.create_default_context(cafile=settings.ca_file or None)
        except ssl.SSLError as error:
            raise TaplineError(f"kibana.ca_file {settings.ca_file} is no certificate in PEM form") from error
        if not settings.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _said(found: dict[str, Any], body: bytes) -> str:
    """What an answer says in words, in one short line."""
    text = str(found.get("message") or found.get("error") or body.decode("utf-8", "replace"))
    return " ".join(text.split())[:_MOST]


def _line(error: Exception) -> str:
    """An error of the client in one line, without the object it happened to."""
    reason = getattr(error, "reason", None)
    text = str(reason if isinstance(reason, Exception) else error)
    return " ".join(re.sub(r"^(<[^>]*>|\w+\([^)]*\)): ", "", text).split())
