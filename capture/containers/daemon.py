"""Talking to a Docker daemon."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, Final

import docker
from docker.errors import DockerException, NotFound
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

PROBLEMS: Final = (DockerException, RequestException, HTTPError, OSError, ValueError)
"""What may be raised when a daemon is not there, goes away, or says what cannot be."""

_TIMEOUT: Final = 10
_ANY_VERSION: Final = "1.41"
"""Of the API; with it a daemon is asked for its own."""

_UNIX: Final = "unix://"


class Daemon:
    """A connection to a daemon; everything raises :data:`PROBLEMS`."""

    def __init__(self, address: str) -> None:
        _reach(address)
        asking = docker.APIClient(base_url=address, version=_ANY_VERSION, timeout=_TIMEOUT)
        try:
            version = asking.version(api_version=False)["ApiVersion"]
        finally:
            asking.close()
        self._client = docker.APIClient(base_url=address, version=version, timeout=_TIMEOUT)

    def running(self) -> list[dict[str, Any]]:
        """All containers that run, as :meth:`inspect` tells of one."""
        listed: list[dict[str, Any]] = self._client.containers()
        return [found for each in listed if (found := self.inspect(each["Id"])) is not None]

    def inspect(self, identity: str) -> dict[str, Any] | None:
        """One container, ``None`` where it has gone or does not run."""
        try:
            found: dict[str, Any] = self._client.inspect_container(identity)
        except NotFound:
            return None
        return found if (found.get("State") or {}).get("Running") else None

    def statistics(self, identity: str) -> dict[str, Any] | None:
        """What a container has used so far, ``None`` where it has gone."""
        try:
            found: dict[str, Any] = self._client.stats(identity, stream=False, one_shot=True)
        except NotFound:
            return None
        return found

    def events(self) -> Events:
        """What happens to containers and their networks from now on."""
        return Events(self._client.events(decode=True, filters={"type": ["container", "network"]}))

    def close(self) -> None:
        """Talk no more."""
        self._client.close()


class Events:
    """Events, one after the other; :meth:`close` ends them from any thread."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from self._stream

    def close(self) -> None:
        """End them."""
        self._stream.close()


def _reach(address: str) -> None:
    """:class:`OSError` where nobody listens: the SDK would leave the socket that it tried open."""
    if address.startswith(_UNIX):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
            tried.settimeout(_TIMEOUT)
            tried.connect(address.removeprefix(_UNIX))
