"""Hosts: which there are, and all about one."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any, Final

from pydantic import Field

from console.data import counters
from console.data.model import Answer, Period, Ranked, Series
from console.data.span import Span
from console.data.store import Store, every, sums, value_of
from console.errors import Mistake
from topics.catalog import FLOW

MOST: Final = 200
_PEERS: Final = 20
_OCTET: Final = 8
_FROM_SOURCE: Final = ("source.ip", "destination.ip")
_FROM_DESTINATION: Final = ("destination.ip", "source.ip")


class Host(Answer):
    """An address that was seen, with what it sent and received."""

    address: str
    bytes: int
    packets: int
    flows: int = Field(description="Flows that began.")
    score: int = Field(default=0, description="The highest of any window.")


class HostList(Answer):
    """The hosts with the most bytes."""

    period: Period
    hosts: list[Host]
    most: int = Field(description="At most so many are told.")
    sampled: bool = Field(
        description="A sample told which are the largest; what is told of each is exact, the last may be others."
    )


class Peer(Answer):
    """Whom a host spoke with."""

    address: str
    bytes: int
    flows: int


class HostDetails(Answer):
    """All about one host: bytes a second over time, whom it spoke with, over what, and what is wrong with it."""

    period: Period
    address: str
    bytes: int
    traffic: Series
    score: Series
    peers: list[Peer]
    applications: list[Ranked]
    reasons: list[Ranked] = Field(description="What its flows were given a score for, and how many of them.")


def host_list(store: Store, span: Span, search: str = "") -> HostList:
    """The largest hosts, of a network or of those whose address begins so where something is searched for."""
    also = (_searched(search),) if search else ()
    return store.shared(("hosts", span.known_as, search), lambda: _host_list(store, span, also))


def _host_list(store: Store, span: Span, also: tuple[dict[str, Any], ...]) -> HostList:
    period = Period.of(span)
    found, sampled = counters.largest(store, "Hosts", span, MOST, also)
    scores = counters.highest(store, "Scores", span, "score", [each.key for each in found])
    hosts = [
        Host(
            address=each.key,
            bytes=each.bytes,
            packets=each.packets,
            flows=each.flows,
            score=scores.get(each.key, 0),
        )
        for each in found
    ]
    return HostList(period=period, hosts=hosts, most=MOST, sampled=sampled)


def address_of(text: str) -> str:
    """An address as records write it; :class:`Mistake` where it is none."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise Mistake(f"{text!r} is no address, as 192.0.2.1") from None


def host_details(store: Store, span: Span, address: str) -> HostDetails:
    """All about one address."""
    return store.shared(("host", span.known_as, address), lambda: _host_details(store, span, address))


def _host_details(store: Store, span: Span, address: str) -> HostDetails:
    period = Period.of(span)
    later = store.later
    ends = [later(_other_ends, store, span, address, *ends) for ends in (_FROM_SOURCE, _FROM_DESTINATION)]
    applications = later(_flows_by, store, span, address, "tapline.flow.application")
    reasons = later(_flows_by, store, span, address, "tapline.flow.reasons")
    score = later(counters.over_time, store, "Scores", address, span, ("score",), rate=False)
    traffic = counters.over_time(store, "Hosts", address, span, ("bytes_in", "bytes_out"), rate=True)
    total = round(sum(map(sum, traffic.values.values())) * span.step)
    return HostDetails(
        period=period,
        address=address,
        bytes=total,
        traffic=traffic,
        score=score.result(),
        peers=_peers([each.result() for each in ends]),
        applications=applications.result(),
        reasons=reasons.result(),
    )


def _searched(search: str) -> dict[str, Any]:
    """Hosts by network or by how their address begins: what is written there is text, not an address."""
    text = search.strip()
    if "/" not in text:
        return {"prefix": {"tapline.counter.key": text}}
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise Mistake(f"{search!r} is no network, as 192.0.2.0/24") from None
    if network.version != 4:
        raise Mistake("IPv6 hosts are found by how their address begins, as 2001:db8:1:")
    whole, rest = divmod(network.prefixlen, _OCTET)
    octets = str(network.network_address).split(".")
    if whole == len(octets):
        return {"term": {"tapline.counter.key": str(network.network_address)}}
    if not rest:
        return {"prefix": {"tapline.counter.key": "".join(f"{octet}." for octet in octets[:whole])}}
    first = int(octets[whole])
    begin = ".".join(octets[:whole]) + ("." if whole else "")
    values = range(first, first + (1 << (_OCTET - rest)))
    last = whole == len(octets) - 1
    each = [
        {"term" if last else "prefix": {"tapline.counter.key": f"{begin}{value}{'' if last else '.'}"}}
        for value in values
    ]
    return {"bool": {"should": each, "minimum_should_match": 1}}


def _other_ends(store: Store, span: Span, address: str, own: str, other: str) -> list[dict[str, Any]]:
    return store.buckets(
        FLOW.kind,
        every(span.over(), {"term": {own: address}}),
        {
            "terms": {"field": other, "size": _PEERS * 2, "order": {"bytes": "desc"}},
            "aggs": sums(bytes="network.bytes") | _flows(),
        },
    )


def _peers(ends: list[list[dict[str, Any]]]) -> list[Peer]:
    found: dict[str, tuple[int, int]] = {}
    for buckets in ends:
        for bucket in buckets:
            was = found.get(bucket["key"], (0, 0))
            found[bucket["key"]] = was[0] + value_of(bucket, "bytes"), was[1] + value_of(bucket, "flows")
    peers = [Peer(address=key, bytes=size, flows=flows) for key, (size, flows) in found.items()]
    return sorted(peers, key=lambda peer: -peer.bytes)[:_PEERS]


def _flows_by(store: Store, span: Span, address: str, field: str) -> list[Ranked]:
    either = [{"term": {"source.ip": address}}, {"term": {"destination.ip": address}}]
    buckets = store.buckets(
        FLOW.kind,
        every(span.over(), {"bool": {"should": either, "minimum_should_match": 1}}),
        {
            "terms": {"field": field, "size": _PEERS, "order": {"bytes": "desc"}},
            "aggs": sums(bytes="network.bytes", packets="network.packets") | _flows(),
        },
    )
    return [
        Ranked(
            key=bucket["key"],
            bytes=value_of(bucket, "bytes"),
            packets=value_of(bucket, "packets"),
            flows=value_of(bucket, "flows"),
        )
        for bucket in buckets
    ]


def _flows() -> dict[str, Any]:
    return {"flows": {"cardinality": {"field": "tapline.flow.id"}}}
