"""What worker processes say of themselves: the policy they go by, and how scripts fare in them.

A report is a :class:`~topics.records.Message` with a subject of its own, so it needs no topic besides: it comes every
:data:`EVERY_SECONDS`, and at once when another policy is in force. Scripts never hear of it.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct, field

from topics.partitions import digest
from topics.records import Message

SUBJECT: Final = "tapline.worker"
"""The subject of reports."""

PARTITION: Final = 0
"""The partition of the message topic that reports are sent to."""

EVERY_SECONDS: Final = 10.0
"""How often a process reports when nothing has changed."""

GONE_SECONDS: Final = 3 * EVERY_SECONDS
"""A process of which nothing was heard for so long is taken to be gone."""


class HookReport(Struct, frozen=True, omit_defaults=True):
    """The calls of one hook since the process began: how many, how long in seconds, how many raised.

    ``last_error`` is ``file:line: what`` of the one that raised last.
    """

    script: str
    hook: str
    calls: int = 0
    seconds: float = 0.0
    errors: int = 0
    last_error: str = ""


class InstanceReport(Struct, frozen=True, omit_defaults=True):
    """How many instances of a script stand so, and why; of a file that cannot be used ``script`` is empty."""

    script: str
    file: str
    state: str
    why: str = ""
    count: int = 1


class WorkerReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One process: ``worker`` names it, ``host`` is where it runs.

    ``policy`` is the offset of the newest entry of the policy topic that it goes by, -1 before the first; ``refused``
    are the entries that it cannot use, each with what is wrong.
    """

    worker: str
    host: str
    time: int
    policy: int = -1
    refused: dict[str, str] = field(default_factory=dict)
    hooks: list[HookReport] = field(default_factory=list)
    instances: list[InstanceReport] = field(default_factory=list)


_decoder = msgspec.json.Decoder(WorkerReport)


def message_of(report: WorkerReport) -> Message:
    """The report as a message."""
    return Message(
        id=digest(SUBJECT, report.worker, report.time),
        time=report.time,
        node=report.host,
        subject=SUBJECT,
        payload=msgspec.json.encode(report).decode(),
    )


def report_of(message: Message) -> WorkerReport | None:
    """The report that a message is, ``None`` for those of scripts; :class:`msgspec.DecodeError` where it is broken."""
    return _decoder.decode(message.payload) if message.subject == SUBJECT else None
