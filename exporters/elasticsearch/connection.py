"""Reaching Elasticsearch."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from elastic_transport import SerializationError, TlsError, TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError
from elasticsearch.serializer import CompatibilityModeJsonSerializer, CompatibilityModeNdjsonSerializer

from exporters.elasticsearch.settings import ElasticsearchSettings
from topics.errors import TaplineError

OLDEST: Final = (8, 18)
"""First server version whose bulk and template interfaces the exporter relies on."""

_BETWEEN_TRIES: Final = 0.5


class _Json(CompatibilityModeJsonSerializer):
    """Reads answers with msgspec, several times faster than the standard library."""

    def json_loads(self, data: bytes) -> Any:
        return msgspec.json.decode(data)


class _Lines(CompatibilityModeNdjsonSerializer):
    """Passes a bulk's body on as it is: it was made as bytes."""

    def dumps(self, data: Any) -> bytes:
        return data if isinstance(data, bytes) else super().dumps(data)


def client(settings: ElasticsearchSettings) -> Elasticsearch:
    """A client for these settings; nothing is sent yet. It never retries by itself."""
    if settings.api_key and (settings.user or settings.password):
        raise TaplineError("elasticsearch.api_key and elasticsearch.user exclude each other: set one of them")
    for host in settings.hosts:
        if not host.startswith(("http://", "https://")):
            raise TaplineError(f"elasticsearch.hosts: {host!r} is no URL: write it like http://127.0.0.1:9200")
    if settings.ca_file and not Path(settings.ca_file).is_file():
        raise TaplineError(
            f"elasticsearch.ca_file {settings.ca_file} is no file: name the CA's certificate in PEM form"
        )
    options: dict[str, Any] = {}
    if settings.api_key:
        options["api_key"] = settings.api_key
    elif settings.user:
        options["basic_auth"] = (settings.user, settings.password)
    if any(host.startswith("https:") for host in settings.hosts):
        options["verify_certs"] = settings.verify
        options["ssl_show_warn"] = False
        if settings.ca_file:
            options["ca_certs"] = settings.ca_file
    try:
        return Elasticsearch(
            settings.hosts,
            request_timeout=settings.timeout,
            http_compress=settings.compress,
            max_retries=0,
            retry_on_timeout=False,
            serializers={each.mimetype: each for each in (_Json(), _Lines())},
            **options,
        )
    except (ValueError, OSError) as error:
        raise TaplineError(f"elasticsearch.hosts {settings.hosts} cannot be used: {error}") from error


def connect(settings: ElasticsearchSettings) -> Elasticsearch:
    """A client whose server has answered within ``start_timeout`` and is new enough.

    :class:`TaplineError` says what to do where that is not so.
    """
    made = client(settings)
    deadline = time.monotonic() + settings.start_timeout
    try:
        while True:
            try:
                _check_version(made, settings)
            except (TlsError, SerializationError, UnsupportedProductError) as error:
                raise _unusable(settings, error) from error
            except (TransportError, ApiError) as error:
                if time.monotonic() >= deadline or _is_final(error):
                    raise _unusable(settings, error) from error
                time.sleep(_BETWEEN_TRIES)
            else:
                return made
    except BaseException:
        made.close()
        raise


def describe(error: Exception) -> str:
    """An error of the client in one line."""
    if isinstance(error, ApiError):
        return f"{error.status_code} {error.message}"
    if isinstance(error, TransportError):
        last = error.errors[0] if error.errors else error
        return " ".join(str(getattr(last, "message", last)).split())
    return " ".join(str(error).split())


def _check_version(made: Elasticsearch, settings: ElasticsearchSettings) -> None:
    # Not `GET /`, which builds of Elasticsearch without the main module lack.
    answer = made.options(request_timeout=min(settings.timeout, settings.start_timeout)).perform_request(
        "GET", "/_nodes/_local?filter_path=nodes.*.version", headers={"accept": "application/json"}
    )
    for node in answer.body.get("nodes", {}).values():
        found = re.match(r"(\d+)\.(\d+)", node["version"])
        if found and (int(found[1]), int(found[2])) < OLDEST:
            raise TaplineError(
                f"Elasticsearch at {_hosts(settings)} is version {node['version']}: {OLDEST[0]}.{OLDEST[1]} or later"
                " is needed"
            )


def _is_final(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.status_code in (400, 401, 403, 404, 405)


def _hosts(settings: ElasticsearchSettings) -> str:
    return ", ".join(re.sub(r"(?<=://)[^/@\s]+@", "", host) for host in settings.hosts)


def _unusable(settings: ElasticsearchSettings, error: Exception) -> TaplineError:
    where, why = _hosts(settings), describe(error)
    if isinstance(error, TlsError):
        return TaplineError(f"no trusted connection to Elasticsearch at {where} ({why}): set elasticsearch.ca_file")
    if isinstance(error, UnsupportedProductError | SerializationError):
        return TaplineError(f"what answers at {where} is not Elasticsearch: set elasticsearch.hosts")
    if isinstance(error, ApiError) and error.status_code in (401, 403):
        return TaplineError(
            f"Elasticsearch at {where} refuses the credentials ({why}): set elasticsearch.user and"
            " elasticsearch.password, or elasticsearch.api_key"
        )
    return TaplineError(
        f"cannot reach Elasticsearch at {where} ({why}): start it with `tapline up`, or set elasticsearch.hosts"
    )
