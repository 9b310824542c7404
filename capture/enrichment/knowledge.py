"""All that is known, and what it says of flows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from capture.containers.table import ContainerTable
from capture.enrichment.blacklists import Blacklist, Blacklists
from capture.enrichment.geo import GeoFile, Place, joined
from capture.enrichment.services import read_services
from capture.enrichment.settings import EnrichmentSettings
from capture.enrichment.vendors import Vendors
from tapline.lists import NetworkSet
from topics.errors import TaplineError
from topics.records import Flow

REMEMBERED: Final = 100_000
"""So many addresses are known without looking anything up again."""


class Known(Struct, frozen=True):
    """What is known of one address."""

    place: Place
    site: str
    subnet: str
    role: str
    local: bool
    blacklists: tuple[str, ...]


class Networks:
    """What the configuration says of networks; :class:`TaplineError` names an entry that is none."""

    def __init__(self, settings: EnrichmentSettings) -> None:
        self.sites = _networks(settings.sites, "sites")
        self.subnets = _networks(settings.subnets, "subnets")
        self.roles = _networks(settings.roles, "roles")
        self.local = _networks(dict.fromkeys(settings.local_networks, ""), "local_networks")
        self.has_local = bool(settings.local_networks)


class Knowledge:
    """What files and configuration say, as they were read together, and whose addresses are containers'.

    Files and configuration never change in it: there is another one when they have changed.
    """

    def __init__(
        self,
        networks: Networks,
        geo: Mapping[str, GeoFile],
        vendors: Vendors | None,
        services: Mapping[tuple[str, int], str],
        containers: ContainerTable | None,
        blacklists: Mapping[str, Blacklist],
    ) -> None:
        self.geo = geo
        self.vendors = vendors
        self.services = services
        self.containers = containers
        self.blacklists = Blacklists(blacklists)
        self._networks = networks
        self._address = lru_cache(maxsize=REMEMBERED)(self._look_up)
        self._vendor = lru_cache(maxsize=REMEMBERED)(vendors.find) if vendors is not None else None

    def enrich(self, flow: Flow) -> Flow:
        """The flow with what is known of its ends; what it says itself stays."""
        # This runs for every flow.
        source, destination = self._address(flow.source_ip), self._address(flow.destination_ip)
        news: dict[str, Any] = {}
        for side, known in (("source_", source), ("destination_", destination)):
            place = known.place
            if place.country:
                news[f"{side}country"] = place.country
            if place.city:
                news[f"{side}city"] = place.city
            if place.as_number:
                news[f"{side}as_number"] = place.as_number
                news[f"{side}as_organization"] = place.as_organization
            if known.site:
                news[f"{side}site"] = known.site
            if known.subnet:
                news[f"{side}subnet"] = known.subnet
            if known.role:
                news[f"{side}role"] = known.role
        if self._networks.has_local:
            news["direction"] = _DIRECTIONS[source.local, destination.local]
        if self._vendor is not None:
            if flow.source_mac:
                news["source_vendor"] = self._vendor(flow.source_mac)
            if flow.destination_mac:
                news["destination_vendor"] = self._vendor(flow.destination_mac)
        if self.containers is not None:
            for side, address in (("source_", flow.source_ip), ("destination_", flow.destination_ip)):
                container = self.containers.find(address)
                if container is not None:
                    news[f"{side}container"] = container.name
                    news[f"{side}image"] = container.image
                    news[f"{side}labels"] = container.labels
        if self.services:
            news["service"] = self.services.get((flow.transport, flow.destination_port), "")
        if self.blacklists.lists:
            self._tag(flow, source.blacklists, destination.blacklists, news)
        for name in ("source_country", "destination_country"):
            if name in news and getattr(flow, name):
                del news[name]
        return replace(flow, **news) if news else flow

    def _tag(self, flow: Flow, source: tuple[str, ...], destination: tuple[str, ...], news: dict[str, Any]) -> None:
        """Note the lists that have something of a flow's, at the end that it is of, and as tags."""
        lists = self.blacklists
        asked: tuple[str, ...] = ()
        if flow.source_domain:
            source += lists.with_name(flow.source_domain)
        if flow.client_fingerprint:
            source += lists.with_fingerprint(flow.client_fingerprint)
        if flow.destination_domain:
            destination += lists.with_name(flow.destination_domain)
        if flow.server_fingerprint:
            destination += lists.with_fingerprint(flow.server_fingerprint)
        if flow.server_name:
            if flow.application.partition(".")[0] in _ASKED_FOR_NAMES:
                # Whoever is asked for a name is not called by it.
                asked = lists.with_name(flow.server_name)
            else:
                destination += lists.with_name(flow.server_name)
        if source or destination or asked:
            news["source_blacklists"] = tuple(dict.fromkeys(source))
            news["destination_blacklists"] = tuple(dict.fromkeys(destination))
            news["tags"] = tuple(dict.fromkeys((*flow.tags, *source, *destination, *asked)))

    def broken(self) -> int:
        """How many look-ups have failed so far."""
        return sum(file.broken for file in self.geo.values())

    def _look_up(self, ip: str) -> Known:
        networks = self._networks
        site, subnet, role = networks.sites.find(ip), networks.subnets.find(ip), networks.roles.find(ip)
        return Known(
            place=joined([file.find(ip) for file in self.geo.values()]) if self.geo else _NOWHERE,
            site=site.value if site is not None else "",
            subnet=subnet.value if subnet is not None else "",
            role=role.value if role is not None else "",
            local=networks.local.find(ip) is not None,
            blacklists=self.blacklists.with_address(ip),
        )


_NOWHERE: Final = Place()
_ASKED_FOR_NAMES: Final = frozenset({"DNS", "MDNS", "LLMNR"})
_DIRECTIONS: Final = {
    (True, True): "internal",
    (True, False): "outbound",
    (False, True): "inbound",
    (False, False): "external",
}
"""What ECS calls the direction of a conversation, as seen from one's own networks."""


def _networks(named: Mapping[str, str], key: str) -> NetworkSet:
    try:
        return NetworkSet(named.items())
    except ValueError as error:
        raise TaplineError(f"capture.enrichment.{key}: {error}") from error


def open_vendors(path: str) -> Vendors | None:
    """The vendors of a file, ``None`` where none is named."""
    return Vendors(path) if path else None


def open_services(path: str) -> dict[tuple[str, int], str]:
    """The services of a file, none where none is named."""
    return read_services(path) if path else {}
