"""What flows are enriched with."""

from __future__ import annotations

from msgspec import Struct, field


class EnrichmentSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``capture.enrichment:`` block; nothing is added that is not named here.

    ``geo_files`` are databases in MaxMind's format (mmdb) of countries, cities or autonomous systems; the first that
    knows an address decides. ``vendors_file`` tells who made a network card by the beginning of its MAC address:
    Wireshark's ``manuf``, or one of the IEEE's ``oui.csv``. ``services_file`` names services by port, as
    ``/etc/services`` does. ``subnets`` and ``sites`` name networks (CIDR), of several the smallest that holds an
    address. ``local_networks`` (CIDR) are one's own: with them flows have a direction. With ``containers`` the
    Docker daemon of ``capture.docker`` says which addresses are those of its containers. ``roles`` says by address or
    network what hosts are for (``resolver``, ``printer``). ``blacklists`` names files of addresses, networks, domain
    names and TLS fingerprints: a flow that meets an entry is tagged with the list's name. With ``passive_dns`` a flow's
    ends are called by the names that they were looked up by, as the packets of this source showed. Files that have
    changed are read again at the end of a window.
    """

    geo_files: list[str] = field(default_factory=list)
    vendors_file: str = ""
    services_file: str = ""
    subnets: dict[str, str] = field(default_factory=dict)
    sites: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    local_networks: list[str] = field(default_factory=list)
    containers: bool = False
    blacklists: dict[str, str] = field(default_factory=dict)
    passive_dns: bool = False
