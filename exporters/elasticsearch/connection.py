"""Reaching Elasticsearch."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from pathlib import Path
from typing import Any, Final

import msgspec
from elastic_transport import SerializationError, TlsError, TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError
from elasticsearch.serializer import CompatibilityModeJsonSerializer, CompatibilityModeNdjsonSerializer

from exporters.elasticsearch.settings import DEFAULT_HOSTS, ElasticsearchSettings
from tapline.process.secrets import secret
from topics.errors import TaplineError

OLDEST: Final = (8, 18)
"""First server version whose bulk and template interfaces the exporter relies on."""

_BETWEEN_TRIES: Final = 0.5
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NO_ERRORS: Final = b'{"errors":false,"items":['


class _Json(CompatibilityModeJsonSerializer):
    """Reads answers with msgspec, several times faster than the standard library."""

    def json_loads(self, data: bytes) -> Any:
        # What a bulk's answer says of each document is the same for all where there are no errors.
        if data.startswith(_NO_ERRORS) and data.endswith(b"]}"):
            return {"errors": False}
        return msgspec.json.decode(data)


class _Lines(CompatibilityModeNdjsonSerializer):
    """Passes a bulk's body on as it is: it was made as bytes."""

    def dumps(self, data: Any) -> bytes:
        return data if isinstance(data, bytes) else super().dumps(data)


def client(settings: ElasticsearchSettings) -> Elasticsearch:
    """A client for these settings; nothing is sent yet. It never retries by itself.

    :class:`TaplineError` where they contradict one another, or a file they name cannot be read.
    """
    try:
        return Elasticsearch(
            request_timeout=settings.timeout,
            max_retries=0,
            retry_on_timeout=False,
            serializers={each.mimetype: each for each in (_Json(), _Lines())},
            **_servers(settings),
            **_credentials(settings),
            **_trust(settings),
        )
    except (ValueError, OSError) as error:
        where = "cloud_id" if settings.cloud_id else f"hosts {_hosts(settings)}"
        raise TaplineError(f"elasticsearch.{where} cannot be used: {error}") from error


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
            except UnsupportedProductError as error:
                raise _other_product(made, settings) from error
            except (TlsError, SerializationError) as error:
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
        return f"{error.status_code} {reason(error)}"
    if isinstance(error, TransportError):
        last = error.errors[0] if error.errors else error
        return " ".join(str(getattr(last, "message", last)).split())
    return " ".join(str(error).split())


def reason(error: ApiError) -> str:
    """What the server said of a request that it refused; of one that is not allowed, which privilege is missing."""
    body = error.body.get("error") if isinstance(error.body, dict) else None
    told = body.get("reason") if isinstance(body, dict) and error.status_code == _FORBIDDEN else None
    return " ".join(str(told or error.message).split())


def _servers(settings: ElasticsearchSettings) -> dict[str, Any]:
    if settings.cloud_id:
        if settings.hosts != [*DEFAULT_HOSTS]:
            raise TaplineError("elasticsearch.cloud_id and elasticsearch.hosts exclude each other: set one of them")
        if settings.sniff:
            raise TaplineError("elasticsearch.sniff does not go with cloud_id: the cloud has one address for all nodes")
        return {"cloud_id": settings.cloud_id}
    for host in settings.hosts:
        if not host.startswith(("http://", "https://")):
            raise TaplineError(f"elasticsearch.hosts: {host!r} is no URL: write it like http://127.0.0.1:9200")
    sniffing = {"sniff_before_requests": True, "sniff_on_node_failure": True} if settings.sniff else {}
    return {"hosts": settings.hosts, **sniffing}


def _credentials(settings: ElasticsearchSettings) -> dict[str, Any]:
    """What the client is given to say who we are; nothing where nothing is set."""
    password = _secret(settings.password, settings.password_file, "password")
    api_key = _secret(settings.api_key, settings.api_key_file, "api_key")
    token = _secret(settings.bearer_token, settings.bearer_token_file, "bearer_token")
    if (bool(settings.user or password), bool(api_key), bool(token)).count(True) > 1:
        raise TaplineError(
            "elasticsearch.user, elasticsearch.api_key and elasticsearch.bearer_token exclude each other:"
            " set one of them"
        )
    if bool(settings.user) != bool(password):
        missing = "password" if settings.user else "user"
        raise TaplineError(f"elasticsearch.{missing} is not set: user and password belong together")
    if api_key:
        return {"api_key": api_key}
    if token:
        return {"bearer_auth": token}
    # The client itself takes nothing but ASCII.
    return {"basic_auth": b64encode(f"{settings.user}:{password}".encode()).decode()} if password else {}


def _secret(value: str, file: str, name: str) -> str:
    if value and file:
        raise TaplineError(f"elasticsearch.{name} and elasticsearch.{name}_file exclude each other: set one of them")
    return secret(f"file:{file}", f"elasticsearch.{name}_file") if file else value


def _trust(settings: ElasticsearchSettings) -> dict[str, Any]:
    """What the client is given to tell the right servers from others."""
    if settings.ca_file and not Path(settings.ca_file).is_file():
        raise TaplineError(
            f"elasticsearch.ca_file {settings.ca_file} is no file: name the CA's certificate in PEM form"
        )
    if settings.ca_file and settings.certificate_fingerprint:
        raise TaplineError(
            "elasticsearch.ca_file and elasticsearch.certificate_fingerprint exclude each other: set one of them"
        )
    if not settings.cloud_id and not any(host.startswith("https:") for host in settings.hosts):
        return {}
    trust: dict[str, Any] = {"verify_certs": settings.verify, "ssl_show_warn": False}
    if settings.ca_file:
        trust["ca_certs"] = settings.ca_file
    if settings.certificate_fingerprint:
        trust["ssl_assert_fingerprint"] = settings.certificate_fingerprint.replace(":", "")
    return trust


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
    if settings.cloud_id:
        return f"cloud {settings.cloud_id.partition(':')[0]}"
    return ", ".join(re.sub(r"(?<=://)[^/@\s]+@", "", host) for host in settings.hosts)


def _other_product(made: Elasticsearch, settings: ElasticsearchSettings) -> TaplineError:
    """What to do about a server that is something else; the client has told it by a header of each answer."""
    where = _hosts(settings)
    try:
        made.perform_request("GET", "/", headers={"accept": "application/json"})
    except UnsupportedProductError as error:
        version = error.body.get("version") if isinstance(error.body, dict) else None
        if isinstance(version, dict) and version.get("distribution") == "opensearch":
            return TaplineError(
                f"what answers at {where} is OpenSearch {version.get('number', '')}, which is not supported: set"
                " elasticsearch.hosts to an Elasticsearch, or feed OpenSearch by its own tools from what"
                " `tapline export mirror` writes"
            )
    except (ApiError, TransportError, SerializationError):
        pass
    return TaplineError(f"what answers at {where} is not Elasticsearch 8 or later: set elasticsearch.hosts")


def _unusable(settings: ElasticsearchSettings, error: Exception) -> TaplineError:
    where, why = _hosts(settings), describe(error)
    if isinstance(error, TlsError):
        by = "certificate_fingerprint" if settings.certificate_fingerprint else "ca_file or certificate_fingerprint"
        return TaplineError(f"no trusted connection to Elasticsearch at {where} ({why}): set elasticsearch.{by}")
    if isinstance(error, SerializationError):
        return TaplineError(f"what answers at {where} is not Elasticsearch 8 or later: set elasticsearch.hosts")
    if isinstance(error, ApiError) and error.status_code == _UNAUTHORIZED:
        return TaplineError(
            f"Elasticsearch at {where} refuses the credentials ({why}): set elasticsearch.user and"
            " elasticsearch.password, or elasticsearch.api_key or elasticsearch.bearer_token"
        )
    if isinstance(error, ApiError) and error.status_code == _FORBIDDEN:
        return TaplineError(
            f"Elasticsearch at {where} knows the user, who lacks a privilege ({why}): give the role the cluster"
            " privilege monitor"
        )
    return TaplineError(
        f"cannot reach Elasticsearch at {where} ({why}): start it with `tapline up`, or set elasticsearch.hosts"
    )
