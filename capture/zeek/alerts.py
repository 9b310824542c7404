"""Notices and what Zeek finds weird."""

from __future__ import annotations

from typing import Any, Final

from capture.zeek.logs import NoticeLine, WeirdLine

GROUP: Final = "Zeek"
NOTICE: Final = "zeek_notice"
WEIRD: Final = "zeek_weird"

_NOTICE_LEVEL: Final = 3
_WARNING: Final = 4
_ERROR: Final = 5

_URGENT: Final = frozenset({"Notice::ACTION_ALARM", "Notice::ACTION_EMAIL", "Notice::ACTION_PAGE"})
"""What Zeek was told to bring before a person."""

_OF_THE_NETWORK: Final = frozenset({"CaptureLoss", "PacketFilter", "Weird", "LongConnection"})
"""Those whose notices are about the network, or about Zeek itself, more than about somebody's intent."""


def notice_of(line: NoticeLine) -> dict[str, Any]:
    """A notice: a warning, or an error where Zeek was told to raise an alarm or to send mail."""
    module = line.note.partition("::")[0]
    urgent = not _URGENT.isdisjoint(line.actions)
    attributes = {
        "sub": line.sub,
        "sensor": line.peer_descr,
        "count": str(line.n) if line.n else "",
        "port": str(line.p) if line.p else "",
        "actions": ", ".join(line.actions),
    }
    return {
        "type": NOTICE,
        "subtype": line.note,
        "message": line.msg or line.note,
        "group": GROUP,
        "signature": line.note,
        "classification": module,
        "status": "BLOCK" if line.dropped else "FIRE",
        "severity": _ERROR if urgent else _WARNING,
        "priority": 2 if urgent else 3,
        "attributes": {name: value for name, value in attributes.items() if value},
        "category": "network" if module in _OF_THE_NETWORK else "security",
    }


def weird_of(line: WeirdLine) -> dict[str, Any]:
    """What is not as its protocol has it: of severity notice, a warning where Zeek made a notice of it."""
    attributes = {"addl": line.addl, "sensor": line.peer, "analyzer": line.source}
    return {
        "type": WEIRD,
        "subtype": line.name,
        "message": f"{line.name}: {line.addl}" if line.addl else line.name,
        "group": GROUP,
        "signature": line.name,
        "classification": "Weird",
        "status": "FIRE",
        "severity": _WARNING if line.notice else _NOTICE_LEVEL,
        "priority": 3,
        "attributes": {name: value for name, value in attributes.items() if value},
        "category": "network",
    }
