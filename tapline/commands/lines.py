"""Records as lines for people."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime, timedelta

from topics.records import (
    Alert,
    Annotation,
    DeadLetter,
    Document,
    Endpoints,
    Flow,
    Message,
    Metric,
    Record,
    Resource,
    Track,
    TrackEntry,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = 60


def line(kind: str, record: Record) -> str:
    """One line about a record of this kind: when, what kind, who with whom, and what."""
    ends = f"{_ends(record):47}  " if isinstance(record, Endpoints) else ""
    return f"{_time(record.time)}  {kind:8}  {ends}{_what(record)}".rstrip()


def rejected_line(letter: DeadLetter) -> str:
    """One line about what could not be used: when, which node, of which topic, why, and what it was."""
    try:
        value = b64decode(letter.value).decode("utf-8", "replace")
    except ValueError:
        value = letter.value
    why = f"{letter.reason} ({_short(letter.error, 200)})" if letter.error else letter.reason
    return f"{_time(letter.time)}  {letter.node}  {letter.topic}  {why}: {_short(value, 1000)}".rstrip()


def _what(record: Record) -> str:
    if isinstance(record, Flow):
        more = "" if record.record == "final" else ", goes on"
        named = f" {record.server_name}" if record.server_name else ""
        state = f" {record.state}" if record.state else ""
        return (
            f"{record.transport} {record.application}{named}: {record.delta_bytes:,} bytes,"
            f" {record.delta_packets:,} packets{state}{more}"
        )
    if isinstance(record, Resource):
        return f"{record.group} {_short(record.uri)}{_details(record)}"
    if isinstance(record, Document):
        return f"{record.group} {_short(record.text)}"
    if isinstance(record, Alert):
        over = " is over" if record.action == "release" else ""
        return f"{record.type}{over}: {_short(record.message, 1000)}"
    if isinstance(record, Metric):
        meters = ", ".join(f"{name} {_number(value)}" for name, value in record.meters.items())
        return f"{record.group} {_short(record.key)}: {meters}"
    if isinstance(record, Track):
        return f"{record.tracker}, {record.bucket_seconds} s: {len(record.entries)} flows{_largest(record.entries)}"
    if isinstance(record, Annotation):
        return _annotation(record)
    if isinstance(record, Message):
        return f"{record.script} sends {record.subject}: {_short(record.payload)}"
    if isinstance(record, DeadLetter):
        return f"message {record.offset} of {record.topic}: {record.reason}: {_short(record.error, 1000)}"
    return _short(str(record))


def _annotation(record: Annotation) -> str:
    key = f"{record.group} {_short(record.key)}"
    if record.kind == "tag":
        return f"tag {_short(record.value)}"
    if record.kind == "label":
        return f"label of {key}: {_short(record.value)}"
    if record.kind == "attribute":
        return f"attribute of {key}: {record.name} = {_short(record.value)}"
    if record.kind == "status":
        return f"status {record.name}, score {record.score}: {_short(record.value)}".removesuffix(": ")
    return f"edge {key} - {record.other_group} {_short(record.other_key)}"


def _largest(entries: list[TrackEntry]) -> str:
    if not entries:
        return ""
    first = entries[0]
    ends = f"{_end(first.source_ip, first.source_port)} > {_end(first.destination_ip, first.destination_port)}"
    return f", largest {_number(first.metric)}: {ends} {first.application}".rstrip()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _details(record: Resource) -> str:
    if record.dns is not None:
        told = ", ".join(record.dns.resolved_ips) or record.dns.response_code
        return f" {record.dns.type} {record.dns.query_type} {_short(told)}".rstrip()
    if record.http is not None:
        return f" {record.http.method}{record.http.status_code or ''} {_short(record.http.content_type)}".rstrip()
    if record.tls is not None:
        return f" {record.tls.type} {record.tls.version}"
    if record.x509 is not None:
        return f" {_short(record.x509.subject)}"
    if record.file is not None:
        return f" {_short(record.file.name)} {record.file.size:,} bytes"
    if record.ssh is not None or record.smb is not None or record.login is not None:
        return f" {_short(record.label)}"
    return ""


def _ends(record: Endpoints) -> str:
    if isinstance(record, Alert) and record.entity and not record.destination_ip:
        return _short(record.entity, 47)
    if not record.source_ip:
        return ""
    return f"{_end(record.source_ip, record.source_port)} > {_end(record.destination_ip, record.destination_port)}"


def _end(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _time(microseconds: int) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%d %H:%M:%S.%f")
    except OverflowError:
        return f"{microseconds} us"


def _short(text: str, most: int = _TEXT) -> str:
    """The beginning of a text, without what would disturb a terminal."""
    flat = "".join(character if character.isprintable() else " " for character in text[: 2 * most])
    flat = " ".join(flat.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
