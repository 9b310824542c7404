"""Groups: what a script attaches to and what it puts things into.

Counters, alerts, resources and documents belong to groups. A group has a name, and may have a GUID;
a GUID names a group of one kind only. Trisul's well-known GUIDs and names are known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from topics.records import MeterKind

Wanted = str | re.Pattern[str] | Iterable[str | re.Pattern[str]]
"""What a script says it attaches to: a name or GUID, a pattern that is searched in names, or several of these."""

TOTALS: Final = "SYS:GROUP_TOTALS"
"""The key of a group's totals over all its keys, as Trisul names it."""


@dataclass(frozen=True)
class Group:
    """A named group; ``aliases`` are other names people know it by."""

    name: str
    guid: str = ""
    description: str = ""
    aliases: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Everything it answers to, as it is written."""
        return tuple(name for name in (self.name, *self.aliases) if name)


class AlertGroup(Group):
    """A group of alerts."""


class ResourceGroup(Group):
    """A group of resources."""


class DocumentGroup(Group):
    """A group of full-text documents."""


class SessionGroup(Group):
    """A group of sessions."""


@dataclass(frozen=True)
class Meter:
    """One meter of a counter group: its name, how its values combine, its unit, and how many keys a top list has."""

    name: str
    kind: MeterKind = "counter"
    unit: str = ""
    top: int = 20
    description: str = ""


@dataclass(frozen=True)
class CounterGroup:
    """A counter group: ``keys`` says what its keys are, ``meters`` what is counted of each."""

    name: str
    meters: tuple[Meter, ...] = ()
    keys: str = ""
    guid: str = ""
    description: str = ""
    aliases: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Everything it answers to, as it is written."""
        return tuple(name for name in (self.name, *self.aliases) if name)

    def meter(self, name: str) -> Meter | None:
        """The meter of this name."""
        return next((meter for meter in self.meters if meter.name == name), None)


AnyGroup = Group | CounterGroup

SESSION_GROUPS: Final = (SessionGroup("flows", "99A78737-4B41-4387-8F31-8077DB917336", "IP flows", ("IP flows",)),)
ALERT_GROUPS: Final = (
    AlertGroup("External IDS", "9AFD8C08-07EB-47E0-BF05-28B4A7AE8DC9", "alerts of an intrusion detection system"),
    AlertGroup("Blacklist", "5E97C3A3-41DB-4E34-92C3-87C904FAB83E", "contact with something on a list"),
    AlertGroup("Threshold Crossing", "03AC6B72-FDB7-44C0-9B8C-7A1975C1C5BA", "a counter crossed a threshold"),
    AlertGroup("Flow Tracker", "18CE5961-38FF-4AEA-BAF8-2019F3A09063", "a flow tracker found something"),
    AlertGroup("System", "F69C2462-ECEA-45B8-B1CB-F90342D37A4F", "about the system itself"),
    AlertGroup("User", "B5F1DECB-51D5-4395-B71B-6FA730B772D9", "of people's own scripts", ("User Alerts",)),
)
RESOURCE_GROUPS: Final = (
    ResourceGroup("dns", "D1E27FF0-6D66-4E57-BB91-99F76BB2143E", "DNS questions and answers", ("DNS Resources",)),
    ResourceGroup("url", "4EF9DEB9-4332-4867-A667-6A30C5900E9E", "HTTP requests and responses", ("HTTP URLs",)),
    ResourceGroup("tls", "", "TLS hellos"),
    ResourceGroup("x509", "5AEE3F0B-9304-44BE-BBD0-0467052CF468", "certificates", ("SSL Certs",)),
    ResourceGroup("file", "9781DB2C-F78A-4F7F-A7E8-2B1A9A7BE71A", "files and their hashes", ("File Hash",)),
    ResourceGroup("ssh", "", "what the sides of SSH connections say of themselves"),
    ResourceGroup("smb", "", "which SMB is spoken"),
    ResourceGroup("login", "", "passwords sent in clear text, without them"),
)
DOCUMENT_GROUPS: Final = (
    DocumentGroup("certificate-chain", "9FEB8ADE-ADBB-49AD-BC68-C6A02F389C71", "certificate chains", ("SSL Certs",)),
    DocumentGroup("http-headers", "28217924-E7A5-4523-993C-44B52758D5A8", "HTTP headers", ("HTTP Headers",)),
    DocumentGroup("dns", "09B305DF-078C-4B9E-8E2F-EA64B7326880", "DNS messages in words", ("DNS Records",)),
    DocumentGroup("syslog", "", "lines of logs"),
)


class Directory:
    """The groups of one kind, found by name or GUID in any case of letters.

    ``add`` takes groups that scripts define; one of the same name replaces another.
    """

    def __init__(self, groups: Iterable[AnyGroup] = ()) -> None:
        self._by_alias: dict[str, AnyGroup] = {}
        for group in groups:
            self.add(group)

    def add(self, group: AnyGroup) -> None:
        """Make a group known."""
        for alias in (*group.names(), group.guid):
            if alias:
                self._by_alias[_plain(alias)] = group

    def find(self, name: str) -> AnyGroup | None:
        """The group of a name or GUID, with or without braces."""
        return self._by_alias.get(_plain(name))

    def names(self) -> list[str]:
        """The own names of all groups."""
        return sorted({group.name for group in self._by_alias.values()})

    def canonical(self, name: str) -> str:
        """A group's own name for any of its names or its GUID; an unknown name stays as it is."""
        found = self.find(name)
        return name if found is None else found.name

    def names_of(self, name: str) -> tuple[str, ...]:
        """All names of a group, the one given where it is unknown."""
        found = self.find(name)
        return (name,) if found is None else found.names()

    def selector(self, wanted: Wanted) -> Callable[[str], bool]:
        """Tells whether a group is among those wanted; an empty string or no entry wants all."""
        entries: list[str | re.Pattern[str]] = [wanted] if isinstance(wanted, str | re.Pattern) else list(wanted)
        entries = [entry for entry in entries if entry]
        if not entries:
            return lambda _: True
        named = {_plain(self.canonical(entry)) for entry in entries if isinstance(entry, str)}
        patterns = [entry for entry in entries if isinstance(entry, re.Pattern)]

        def select(group: str) -> bool:
            return _plain(self.canonical(group)) in named or any(
                pattern.search(name) for pattern in patterns for name in self.names_of(group)
            )

        return select


class Directories:
    """The directories of all kinds of groups."""

    def __init__(self, counters: Iterable[CounterGroup] = ()) -> None:
        self.counters = Directory(counters)
        self.sessions = Directory(SESSION_GROUPS)
        self.alerts = Directory(ALERT_GROUPS)
        self.resources = Directory(RESOURCE_GROUPS)
        self.documents = Directory(DOCUMENT_GROUPS)

    def of(self, kind: type[AnyGroup]) -> Directory:
        """The directory of this kind of group."""
        return {
            CounterGroup: self.counters,
            SessionGroup: self.sessions,
            AlertGroup: self.alerts,
            ResourceGroup: self.resources,
            DocumentGroup: self.documents,
        }[kind]

    def add(self, group: AnyGroup) -> None:
        """Make a group known among its kind."""
        self.of(type(group)).add(group)


def _plain(name: str) -> str:
    return name.strip("{}").lower()
