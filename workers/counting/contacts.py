"""Who has to do with whom: hosts, ports, countries, domains and MAC addresses, each counted once.

Members of sets travel as numbers: an IPv4 address or a MAC address as itself, what is longer as a part of its
BLAKE2 digest, of which two would have to agree in 57 bits to be taken for one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from socket import inet_aton
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topics.records import Flow, Partial
from workers.counting.behaviour_groups import CONTACT_CODES, CONTACTS, MACS, SUBNET_CODES, SUBNET_CONTACTS
from workers.counting.coded import MEMBER_BITS, packed
from workers.counting.columns import Ints, Numbering, bytes_by_owner, distinct_pairs
from workers.counting.flow_kinds import KINDS
from workers.counting.meters import MOST_MEMBERS

_DIGEST: Final = 1 << (MEMBER_BITS - 1)
_MAC_BITS: Final = 48
_PORTS: Final = 1 << 16
_SHORT: Final = 3
_TCP, _UDP = 6, 17


@lru_cache(maxsize=200_000)
def address_number(ip: str) -> int:
    """An IP address as a number; other texts than IPv4 addresses by digest."""
    if ":" not in ip and ip.count(".") == 3:
        try:
            return int.from_bytes(inet_aton(ip), "big")
        except OSError:
            pass
    return text_number(ip)


def mac_number(mac: str) -> int:
    """A MAC address as a number."""
    try:
        number = int(mac.replace(":", ""), 16)
    except ValueError:
        return text_number(mac)
    return number if 0 <= number < 1 << _MAC_BITS else text_number(mac)


@lru_cache(maxsize=200_000)
def text_number(text: str) -> int:
    """A text by its digest, as a number that no address has."""
    digest = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    return _DIGEST | digest & (_DIGEST - 1)


@lru_cache(maxsize=200_000)
def domain_of(name: str) -> str:
    """The last two labels of a name, three where the one before the last is as short as in ``co.uk``.

    An address or a single label is itself.
    """
    labels = name.lower().rstrip(".").split(".")
    if len(labels) < _SHORT or ":" in name or labels[-1].isdigit():
        return ".".join(labels)
    return ".".join(labels[-3:] if len(labels[-2]) <= _SHORT and len(labels[-1]) <= _SHORT else labels[-2:])


class ContactColumns:
    """What the sets of the groups wanted need of a window's flows, beside what behaviour needs."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._with_names = CONTACTS.name in wanted
        self._with_macs = self._with_names or MACS.name in wanted
        self._names = Numbering({"": 0})
        self._macs = Numbering({"": 0})
        self._columns = tuple(array("q") for _ in range(4))

    def add(self, flows: Sequence[Flow]) -> None:
        """Take what is needed of these flow records."""
        named, macs = self._names, self._macs
        names, source_macs, destination_macs, ports = self._columns
        if self._with_macs:
            source_macs.fromlist([macs[flow.source_mac] for flow in flows])
            destination_macs.fromlist([macs[flow.destination_mac] for flow in flows])
        if self._with_names:
            names.fromlist([named[flow.server_name] for flow in flows])
            ports.fromlist([flow.destination_port if 0 <= flow.destination_port < _PORTS else 0 for flow in flows])

    def columns(self) -> tuple[Ints, ...]:
        """Numbers of server names, of the source's and the destination's MAC addresses, and destination ports."""
        return tuple(np.array(column, np.int64) for column in self._columns)

    @property
    def names(self) -> list[str]:
        """The server names by number; 0 is for none."""
        return list(self._names)

    @property
    def macs(self) -> list[str]:
        """The MAC addresses by number; 0 is for none."""
        return list(self._macs)


class Sets:
    """Coded sets of a group's keys, which are known by numbers."""

    def __init__(self) -> None:
        self._owners: list[Ints] = []
        self._values: list[Ints] = []

    def add(self, code: int, owners: NDArray[Any], members: NDArray[Any], numbers: Ints) -> None:
        """Put members into the set of this code, each into its owner's; ``numbers`` are those they travel by."""
        owning, kept_members = distinct_pairs(owners, members)
        values = numbers[kept_members]
        if len(owning) > MOST_MEMBERS:
            kept = _smallest(owning, values)
            owning, values = owning[kept], values[kept]
        self._owners.append(owning)
        self._values.append((code << MEMBER_BITS) | values)

    def partials(self, group: str, names: list[str]) -> Iterator[Partial]:
        """The sets of each owner."""
        owners, values = np.concatenate(self._owners), np.concatenate(self._values)
        order = np.argsort(owners, kind="stable")
        for owner, coded in bytes_by_owner(owners[order], values[order]):
            yield Partial(group, names[owner], [packed(coded)])


def _smallest(owners: Ints, values: Ints) -> NDArray[np.bool_]:
    """Which members stay where an owner has more than are told apart; owners are in order."""
    kept = np.ones(len(owners), np.bool_)
    begins = np.flatnonzero(np.diff(owners, prepend=-1))
    sizes = np.diff(begins, append=len(owners))
    for at in np.flatnonzero(sizes > MOST_MEMBERS).tolist():
        start, end = int(begins[at]), int(begins[at] + sizes[at])
        kept[start:end] = False
        kept[start + np.argsort(values[start:end])[:MOST_MEMBERS]] = True
    return kept


def contact_partials(
    columns: ContactColumns,
    wanted: frozenset[str],
    hosts: list[str],
    countries: list[str],
    kinds: NDArray[np.int32],
    sources: NDArray[np.int32],
    destinations: NDArray[np.int32],
    replied: NDArray[np.bool_],
    broadcast: NDArray[np.bool_],
    subnets: tuple[list[str], Ints | None],
) -> Iterator[Partial]:
    """The sets of the groups wanted, of one window's flow records."""
    names, source_macs, destination_macs, ports = columns.columns()
    addresses = np.fromiter(map(address_number, hosts), np.int64, len(hosts))
    macs = np.fromiter(map(mac_number, columns.macs), np.int64, len(columns.macs))
    if CONTACTS.name in wanted:
        sets = Sets()
        _add_peers(sets, addresses, countries, kinds, sources, destinations)
        _add_ports(sets, kinds, sources, destinations, replied, ports)
        named = np.flatnonzero(names)
        domains = Numbering()
        of_name = np.fromiter((domains[domain_of(name)] for name in columns.names), np.int64, len(columns.names))
        numbers = np.fromiter(map(text_number, domains), np.int64, len(domains))
        sets.add(CONTACT_CODES["domain_names"], sources[named], of_name[names[named]], numbers)
        sets.add(CONTACT_CODES["macs"], *_seen(sources, destinations, source_macs, destination_macs, replied), macs)
        yield from sets.partials(CONTACTS.name, hosts)
    if SUBNET_CONTACTS.name in wanted and subnets[1] is not None:
        sets = Sets()
        sent = np.concatenate((sources, destinations[replied]))
        shouted = sources[broadcast[destinations]]
        sets.add(SUBNET_CODES["hosts"], subnets[1][sent], sent, addresses)
        sets.add(SUBNET_CODES["broadcast_hosts"], subnets[1][shouted], shouted, addresses)
        yield from sets.partials(SUBNET_CONTACTS.name, subnets[0])
    if MACS.name in wanted:
        sets = Sets()
        ends, their_macs = _seen(sources, destinations, source_macs, destination_macs, replied)
        sets.add(0, their_macs, ends, addresses)
        yield from sets.partials(MACS.name, columns.macs)


def _seen(
    sources: NDArray[np.int32],
    destinations: NDArray[np.int32],
    source_macs: Ints,
    destination_macs: Ints,
    replied: NDArray[np.bool_],
) -> tuple[NDArray[np.int32], Ints]:
    """Hosts that have sent something, each with the MAC address it came from: sources, and who replied."""
    ahead, back = np.flatnonzero(source_macs), np.flatnonzero((destination_macs > 0) & replied)
    return (
        np.concatenate((sources[ahead], destinations[back])),
        np.concatenate((source_macs[ahead], destination_macs[back])),
    )


def _add_peers(
    sets: Sets,
    addresses: Ints,
    countries: list[str],
    kinds: NDArray[np.int32],
    sources: NDArray[np.int32],
    destinations: NDArray[np.int32],
) -> None:
    sets.add(CONTACT_CODES["servers"], sources, destinations, addresses)
    sets.add(CONTACT_CODES["clients"], destinations, sources, addresses)
    known = np.fromiter(map(bool, countries), np.bool_, len(countries))
    of_host = np.fromiter((text_number(country) for country in countries), np.int64, len(countries))
    for one, other in ((sources, destinations), (destinations, sources)):
        rows = known[other]
        sets.add(CONTACT_CODES["countries"], one[rows], other[rows], of_host)
    for application in ("dns", "ntp", "smtp"):
        rows = KINDS.where(application)[kinds]
        sets.add(CONTACT_CODES[f"{application}_servers"], sources[rows], destinations[rows], addresses)


def _add_ports(
    sets: Sets,
    kinds: NDArray[np.int32],
    sources: NDArray[np.int32],
    destinations: NDArray[np.int32],
    replied: NDArray[np.bool_],
    ports: Ints,
) -> None:
    for transport, number in (("tcp", _TCP), ("udp", _UDP)):
        rows = np.flatnonzero(KINDS.where(transport)[kinds])
        numbers = (number << 16) | np.arange(_PORTS)
        sets.add(CONTACT_CODES["server_ports"], sources[rows], ports[rows], numbers)
        answered = replied[rows]
        sets.add(CONTACT_CODES["own_ports"], destinations[rows[answered]], ports[rows[answered]], numbers)
