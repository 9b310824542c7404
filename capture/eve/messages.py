"""Events that a shipper of logs has put into Kafka."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from capture.collectors.places import prefix_of
from capture.eve import NAME
from capture.eve.intake import Intake
from capture.source import Observation, Sink

MADE: Final = ("flow", "metric", "resource", "document", "alert", "dead")
"""The kinds of records that are made of a message."""

_BARE: Final = b'{"timestamp":'
_LONGEST_NAME: Final = 255
_NUMBERED: Final = "0000"
"""A message has one event, whose records' ids are as long as any."""


class _Shipped(Struct):
    """What a shipper writes around an event; each may be anything, since others write to topics, too."""

    event_type: Raw = Raw(b"")
    message: Raw = Raw(b"")
    suricata: Raw = Raw(b"")
    event: Raw = Raw(b"")
    host: Raw = Raw(b"")


class _Host(Struct):
    name: str = ""


class _Module(Struct):
    eve: Raw = Raw(b"")


class _Original(Struct):
    original: str = ""


class MessageLines:
    """Makes the records of messages, each of which has one event; they are named after their places in the topic.

    What follows one another in a partition is taken together, at the latest by :meth:`flush`.
    """

    def __init__(self, observation: Observation, sink: Sink, topic: str, now: int) -> None:
        self._intake = Intake(observation, sink, now)
        self._topic = topic
        self._prefixes: dict[int, str] = {}
        self._lines: list[bytes] = []
        self._first = (0, 0)
        self._sensor = ""

    def at(self, now: int) -> None:
        """It is now this time (epoch microseconds)."""
        self._intake.at(now)

    def turns(self, now: int) -> bool:  # noqa: ARG002 - the signature of all intakes
        """False: no sums are kept."""
        return False

    def take(self, message: bytes | None, partition: int, offset: int) -> None:
        """Take a message from its place in the topic."""
        line, sensor = event_in(message or b"")
        before, first = self._first
        if partition != before or offset != first + len(self._lines) or sensor != self._sensor:
            self.flush()
            self._first, self._sensor = (partition, offset), sensor
        self._lines.append(line)

    def flush(self) -> None:
        """Put the records of the messages taken so far."""
        if not self._lines:
            return
        partition, offset = self._first
        prefix = self._prefixes.get(partition)
        if prefix is None:
            prefix = self._prefixes[partition] = prefix_of(NAME, self._topic, partition) + _NUMBERED
        self._intake.take(self._lines, prefix, offset, self._sensor)
        self._first = partition, offset + len(self._lines)
        self._lines = []

    def finish(self) -> None:
        """Nothing more comes."""
        self.flush()


def event_in(message: bytes) -> tuple[bytes, str]:
    """The event that a message holds, and the host that it was read on, where the shipper says it.

    The event is the message itself, or its members under ``@timestamp`` and the like (Filebeat,
    ``json.keys_under_root``), the text in ``message`` (Filebeat, Vector, Logstash) or ``event.original``, or the object
    ``suricata.eve`` (Filebeat's module). A message that is none of these is the event itself: its
    decoder says what is wrong with it.
    """
    if message.startswith(_BARE):
        return message, ""
    try:
        shipped = msgspec.json.decode(message, type=_Shipped)
        sensor = _sensor(shipped.host)
        if shipped.event_type:
            return _without_host(message, shipped.host), sensor
        if shipped.suricata and (eve := msgspec.json.decode(shipped.suricata, type=_Module).eve):
            return bytes(eve), sensor
        if shipped.message:
            return _text(msgspec.json.decode(shipped.message, type=str)), sensor
        if shipped.event and (original := msgspec.json.decode(shipped.event, type=_Original).original):
            return _text(original), sensor
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    return message, ""


def _sensor(host: Raw) -> str:
    """The host, which Filebeat tells of as an object and others by its name alone."""
    if not host:
        return ""
    try:
        found = msgspec.json.decode(host, type=_Host | str)
    except (msgspec.DecodeError, UnicodeError):
        return ""
    return (found if isinstance(found, str) else found.name)[:_LONGEST_NAME]


def _without_host(message: bytes, host: Raw) -> bytes:
    """An event among whose members the shipper's are; its host is no name then."""
    if not bytes(host).startswith(b"{"):
        return message
    members: dict[str, Any] = msgspec.json.decode(message)
    del members["host"]
    return msgspec.json.encode(members)


def _text(event: str) -> bytes:
    return event.strip().encode("utf-8", "replace")
