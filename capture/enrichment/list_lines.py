"""What a line of a blacklist names.

Lists come in forms that differ little: an entry a line (abuse.ch, FireHOL's netset and ipset files, Spamhaus's DROP),
what ``ipset save`` writes, hosts files, and rows whose first column is the entry (abuse.ch's JA3 fingerprints).
"""

from __future__ import annotations

import re
from typing import Final

_COMMENTS: Final = ("#", ";", "//")
_comment = re.compile(r"[#;]").split
_SINKS: Final = frozenset({"0.0.0.0", "127.0.0.1", "127.0.1.1", "::", "::1", "255.255.255.255"})  # noqa: S104
"""Where a hosts file has names lead that are not to be reached, and addresses of the machine itself."""

_OWN_NAME: Final = "localhost.localdomain"
_is_address = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/.*)?", re.ASCII).fullmatch
_is_fingerprint = re.compile(
    r"[0-9a-f]{32}|[tqd][0-9]{2}[di][0-9]{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}", re.ASCII
).fullmatch
"""JA3 and JA3S, or JA4."""

_is_name = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII
).fullmatch
_LONGEST_NAME: Final = 253
_LONGEST_TOLD: Final = 60


class Network(str):
    """An address or a network, by its looks."""

    __slots__ = ()


class Name(str):
    """A domain name in lower case, in its DNS form (IDNA)."""

    __slots__ = ()


class Fingerprint(str):
    """How a client or a server of TLS begins: JA3, JA3S or JA4."""

    __slots__ = ()


Entry = Network | Name | Fingerprint


def entries_of(line: str) -> list[Entry]:
    """What a line names, nothing of a comment; :class:`ValueError` where it is something else."""
    text = line.strip()
    if not text or text.startswith(_COMMENTS):
        return []
    first, *others = _comment(text, maxsplit=1)[0].partition(",")[0].split() or [""]
    if others and _is_alone(first):
        if first in _SINKS or _is_name(others[0].lower()):
            # A hosts file also names the machine itself, and its networks, mostly without a dot.
            return [_name(each) for each in others if "." in each and each not in _SINKS and each != _OWN_NAME]
        if _is_alone(others[0]):
            raise ValueError(f"{first[:_LONGEST_TOLD]!r} to {others[0][:_LONGEST_TOLD]!r}: ranges have to be networks")
    if first == "create":
        return []
    if first == "add" and len(others) >= 2:
        first = others[1]
    return [_entry(first.strip("\"'"))]


def _is_alone(text: str) -> bool:
    """True for what looks like an address, not a network."""
    return "/" not in text and (_is_address(text) is not None or ":" in text)


def _entry(text: str) -> Entry:
    if _is_address(text) or ":" in text:
        if text.endswith("/0"):
            raise ValueError(f"{text[:_LONGEST_TOLD]!r} is every address")
        return Network(text)
    lower = text.lower()
    return Fingerprint(lower) if _is_fingerprint(lower) else _name(text)


def _name(text: str) -> Name:
    name = text.lower().removeprefix("*").removeprefix(".").removesuffix(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            name = ""
    if _is_name(name) is None or len(name) > _LONGEST_NAME:
        raise ValueError(f"{text[:_LONGEST_TOLD]!r} is no address, network, domain name or fingerprint")
    return Name(name)
