"""Dead letters for people to look at: as a table, and one with all that can be read of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from tapline.commands.dead_letter_choice import Choice, chosen, one
from tapline.commands.output import print_json, print_table
from tapline.process.printable import printable
from topics.admin import partition_counts
from topics.dead_log import Standing, read_standings, read_whole
from topics.errors import TaplineError
from topics.records import DeadLetter
from topics.resending import NotAgain, decoded, resent
from topics.settings import KafkaSettings

SHOWN_ID: Final = 12
_MOST_RECORDS: Final = 20
_MOST_TEXT: Final = 2000
_MOST_ERROR: Final = 120
_HEX_LINE: Final = 16
_HEX_LINES: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def print_list(kafka: KafkaSettings, choice: Choice, limit: int, *, as_json: bool) -> None:
    """Print the dead letters that fit, the newest first."""
    found = chosen(read_standings(kafka), (), choice)
    found.reverse()
    if as_json:
        for standing in found[:limit]:
            print_json(_told(standing))
        return
    columns = ("id", "when", "topic", "place", "stage", "reason", "state", "error")
    print_table(columns, [_row(standing) for standing in found[:limit]])
    if len(found) > limit:
        click.echo(f"… and {len(found) - limit:,} more (--limit)")


def print_letter(kafka: KafkaSettings, identity: str, *, as_json: bool) -> None:
    """Print everything about one dead letter; :class:`TaplineError` when there is none of this id."""
    standing = one(read_standings(kafka), identity)
    letter = next(read_whole(kafka, {standing.letter.id: None}), None)
    if letter is None:
        raise TaplineError(f"dead letter {identity} has just been deleted by retention")
    try:
        headers, value = decoded(letter)
    except ValueError as error:
        raise TaplineError(f"dead letter {identity} is damaged: {error}") from error
    if as_json:
        text = {
            "headers": [[name, content.decode(errors="replace")] for name, content in headers],
            "value": value.decode(errors="replace"),
        }
        print_json(_told(standing) | text)
        return
    for name, told in _facts(standing, letter, _outlook(letter, kafka.prefix, partition_counts(kafka))):
        if told:
            click.echo(f"{name + ':':10} {printable(told)}")
    click.echo("\nheaders:")
    for name, content in headers:
        click.echo(f"  {printable(name)}: {printable(content.decode(errors='backslashreplace'))}")
    if not headers:
        click.echo("  none")
    click.echo(f"\nvalue, {len(value):,} bytes:")
    for line in body_lines(value):
        click.echo(f"  {line}")


def body_lines(value: bytes) -> list[str]:
    """A message's body as lines: its records as far as they can be read, then what follows as text or in hex."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return _hex(value)
    records, rest = _readable(text)
    shown = [_cut(json.dumps(record, ensure_ascii=False)) for record in records[:_MOST_RECORDS]]
    if len(records) > _MOST_RECORDS:
        shown.append(f"… and {len(records) - _MOST_RECORDS:,} more records (--json has all)")
    if rest:
        shown.append(f"{'from here on it is no JSON: ' if records else 'no JSON: '}{_cut(rest)}")
    return shown or ["nothing"]


def _readable(text: str) -> tuple[list[Any], str]:
    """The values of a JSON array, or the one value, that can be read from the beginning on, and what follows them."""
    decoder = json.JSONDecoder()
    records: list[Any] = []
    rest = text.strip()
    is_array = rest.startswith("[")
    rest = rest[1:].lstrip() if is_array else rest
    while rest and not (is_array and rest == "]"):
        try:
            record, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            return records, rest
        records.append(record)
        rest = rest[end:].lstrip()
        if not is_array:
            return records, rest
        if rest.startswith(","):
            rest = rest[1:].lstrip()
        elif rest != "]":
            return records, rest
    return records, "" if is_array and rest else rest


def _hex(value: bytes) -> list[str]:
    lines = []
    for begin in range(0, min(len(value), _HEX_LINE * _HEX_LINES), _HEX_LINE):
        part = value[begin : begin + _HEX_LINE]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{begin:08x}  {part.hex(' '):{3 * _HEX_LINE}} {text}")
    if len(value) > _HEX_LINE * _HEX_LINES:
        lines.append(f"… and {len(value) - _HEX_LINE * _HEX_LINES:,} more bytes")
    return lines


def _cut(text: str) -> str:
    return printable(text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}… ({len(text):,} characters)")


def _row(standing: Standing) -> list[Any]:
    letter = standing.letter
    error = letter.error if len(letter.error) <= _MOST_ERROR else f"{letter.error[:_MOST_ERROR]}…"
    place = f"{letter.partition}/{letter.offset}"
    return [
        letter.id[:SHOWN_ID],
        _when(letter.time),
        letter.topic,
        place,
        letter.stage,
        letter.reason,
        standing.state,
        " ".join(error.split()),
    ]


def _facts(standing: Standing, letter: DeadLetter, outlook: str) -> list[tuple[str, str]]:
    mark = standing.mark
    record = "" if letter.index is None else f", record {letter.index} of the message"
    done = ""
    if mark is not None:
        why = f": {mark.comment}" if mark.comment else ""
        done = f" {_when(mark.time)} by {mark.author or 'somebody'}{why}"
    return [
        ("letter", letter.id),
        ("when", _when(letter.time)),
        ("from", f"{letter.topic}, partition {letter.partition}, offset {letter.offset}{record}"),
        ("stage", f"{letter.stage} ({letter.node})" if letter.node != letter.stage else letter.stage),
        ("reason", letter.reason),
        ("error", letter.error),
        ("state", f"{standing.state}{done}"),
        ("retry", outlook),
    ]


def _outlook(letter: DeadLetter, prefix: str, partitions: Mapping[str, int]) -> str:
    """Whether it makes sense to send a letter again."""
    try:
        resent(letter, prefix, partitions)
    except NotAgain as error:
        return f"no: {error}"
    return f"goes to {letter.stage} alone"


def _told(standing: Standing) -> dict[str, Any]:
    letter, mark = standing.letter, standing.mark
    return {
        "id": letter.id,
        "time": _when(letter.time),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "index": letter.index,
        "stage": letter.stage,
        "node": letter.node,
        "reason": letter.reason,
        "error": letter.error,
        "state": standing.state,
        "author": mark.author if mark is not None else "",
        "comment": mark.comment if mark is not None else "",
        "done": _when(mark.time) if mark is not None else "",
    }


def _when(microseconds: int) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%d %H:%M:%S")
    except OverflowError:
        return f"{microseconds} us"
