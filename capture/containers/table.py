"""Which container has which address."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

LINGER: Final = 300.0
"""Seconds for which an address is still that of a container that has gone: flows are reported after they have ended."""

_MOST_LABELS: Final = 50
_LONGEST: Final = 256


class Container(Struct, frozen=True):
    """A container; ``labels`` are ``key=value``, in their order, 50 at most."""

    id: str
    name: str
    image: str
    labels: tuple[str, ...] = ()


class ContainerTable:
    """Addresses and the containers that have them, or had them until a while ago. Safe to use from several threads.

    ``clock`` is in seconds and only goes on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_address: dict[str, Container] = {}
        self._addresses: dict[str, frozenset[str]] = {}
        self._gone: dict[str, float] = {}

    def __len__(self) -> int:
        """How many addresses are known."""
        return len(self._by_address)

    def find(self, address: str) -> Container | None:
        """The container of an address."""
        # One look-up in a dict: it needs no lock, and runs for every flow.
        return self._by_address.get(address)

    def replace(self, found: Iterable[tuple[Container, frozenset[str]]]) -> None:
        """These are all containers that run."""
        with self._lock:
            running = dict(found)
            for identity in self._addresses.keys() - {container.id for container in running}:
                self._leave(identity)
            for container, addresses in running.items():
                self._put(container, addresses)
            self._forget()

    def put(self, container: Container, addresses: frozenset[str]) -> None:
        """A container has these addresses now."""
        with self._lock:
            self._put(container, addresses)
            self._forget()

    def remove(self, identity: str) -> None:
        """A container has gone."""
        with self._lock:
            self._leave(identity)
            self._forget()

    def _put(self, container: Container, addresses: frozenset[str]) -> None:
        for former in self._addresses.get(container.id, frozenset()) - addresses:
            self._gone[former] = self._clock()
        for address in addresses:
            self._by_address[address] = container
            self._gone.pop(address, None)
        self._addresses[container.id] = addresses

    def _leave(self, identity: str) -> None:
        now = self._clock()
        for address in self._addresses.pop(identity, frozenset()):
            # It may have been given to another one already.
            if self._by_address[address].id == identity:
                self._gone[address] = now

    def _forget(self) -> None:
        before = self._clock() - LINGER
        for address in [address for address, since in self._gone.items() if since < before]:
            del self._gone[address], self._by_address[address]


def described(inspected: Mapping[str, Any]) -> tuple[Container, frozenset[str]]:
    """The container and its addresses, as the daemon's API tells of one (``/containers/ID/json``)."""
    configuration = inspected.get("Config") or {}
    labels = configuration.get("Labels") or {}
    container = Container(
        id=str(inspected["Id"]),
        name=str(inspected.get("Name", "")).lstrip("/")[:_LONGEST],
        image=str(configuration.get("Image", ""))[:_LONGEST],
        labels=tuple(f"{key}={value}"[:_LONGEST] for key, value in sorted(labels.items())[:_MOST_LABELS]),
    )
    networks = (inspected.get("NetworkSettings") or {}).get("Networks") or {}
    found = (str(network.get(key) or "") for network in networks.values() for key in ("IPAddress", "GlobalIPv6Address"))
    return container, frozenset(address for address in found if address)
