"""Syslog messages: RFC 5424, and RFC 3164 as it is really sent.

RFC 5424 is held to, except that names may be longer and bytes that are no UTF-8 are replaced. Whatever else
begins with ``<PRI>`` is RFC 3164, which only describes what was in use. Understood are dates with or without
a year or a fraction, ISO 8601 dates, Cisco's sequence numbers, a missing date, host name or tag, and a
collector's ``TIME;HOST;`` before the priority.

It is written here because the libraries there are read one of the formats, a few thousand messages a second, and are
no longer kept up.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from ipaddress import ip_address
from typing import Final

from capture.syslog.times import Clock
from topics.records import Syslog

Parsed = tuple[Syslog, int, str, str]
"""The head, the message's own time (epoch microseconds, 0 where it has none), its text, and the host that a
collector put before it (empty without)."""

REASONS: Final = {
    "no-priority": "it does not begin with <PRI>, a number of up to three digits",
    "priority": "the number in <PRI> is above 191",
    "version": "the version of RFC 5424 is 0",
    "time": "the time is none of RFC 5424",
    "header": "RFC 5424 wants host, application, process and message id, each a word or -",
    "structured-data": 'the structured data is none of RFC 5424: [id name="value"] or -',
}
"""Why a line is no message, in a word and in a sentence."""

MAX_PRIORITY: Final = 191
_NAME = r"([!-~]{1,255})"
_TIME = r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?(Z|[+-][0-9]{2}:?[0-9]{2})"
_VALUE = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_PARAMETER = rf"[!#-<>-\\^-~]{{1,255}}+={_VALUE}"
_ELEMENT = rf"\[[!#-<>-\\^-~]{{1,255}}+(?: {_PARAMETER})*+ ?\]"

_rfc5424 = re.compile(
    rf"<([0-9]{{1,3}})>([1-9][0-9]{{0,2}}) (?:-|{_TIME}) {_NAME} {_NAME} {_NAME} {_NAME}"
    rf" (?:-|((?:{_ELEMENT})++))(?: |$)",
    re.DOTALL,
).match
_rfc5424_begins = re.compile(r"<[0-9]{1,3}>[0-9]{1,3} (?:- |[0-9]{4}-[0-9]{2}-[0-9]{2}T)").match
_rfc5424_header = re.compile(rf"<[0-9]{{1,3}}>[0-9]{{1,3}} (?:-|{_TIME}) {_NAME} {_NAME} {_NAME} {_NAME} ").match
_rfc5424_time = re.compile(rf"<[0-9]{{1,3}}>[0-9]{{1,3}} (?:-|{_TIME}) ").match
_part = re.compile(rf"\[([!#-<>-\\^-~]++)| ([!#-<>-\\^-~]++)=({_VALUE})", re.DOTALL).findall
_escape = re.compile(r'\\(["\\\]])').sub

_common = re.compile(
    r"<([0-9]{1,3})>([A-Z][a-z]{2}) ([ 0-9][0-9]) ([0-9]{2}:[0-9]{2}:[0-9]{2}) ([^\s:\[\]]{1,255}) "
    r"([^\s:\[\]]{1,255})(?:\[([^\]\s]{0,255})\])?: ?"
).match
"""What most systems send: date, host, tag, and a number of the process or none."""

_priority = re.compile(r"<([0-9]{1,3})>").match
_relayed = re.compile(r"[^;<]{0,64}; ?([^;<\s]{1,255}); ?(?=<)").match
_date = re.compile(
    r"(?:[0-9]{1,10}: )?[*.]?"
    r"(?:([A-Z][a-z]{2}) {1,2}([0-9]{1,2}) (?:([0-9]{4}) )?([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?"
    r"(?: ([0-9]{4})(?=[: ]|$))?(?: [A-Z]{3,4}(?=:))?"
    r"|([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?(Z|[+-][0-9]{2}:?[0-9]{2})?"
    r")(?::? |:?$)"
).match
_tag = re.compile(r"([^\s:\[\]]{1,255})(?:\[([^\]\s]{0,255})\](?::? ?|$)|:(?: |$))").match
_host = re.compile(r"([^\s\[\]]{1,255})(?: |$)").match

_BOM: Final = "\ufeff"


class Parser:
    """Reads messages; ``zone`` holds where a message's time names none. Never raises."""

    def __init__(self, zone: tzinfo) -> None:
        self._clock = Clock(zone)

    def parse(self, text: str, reference: int) -> Parsed | str:
        """The message in a line, or the word for why it is none.

        ``reference`` (epoch microseconds) is about when it was sent: a time without a year is put before it.
        The words are those of :data:`REASONS`; the last four are of what is RFC 5424 by its beginning.
        """
        relayed = ""
        if not text.startswith("<"):
            text = text.lstrip(_BOM + " ")
            match = _relayed(text)
            if match is not None:
                relayed = match[1]
                text = text[match.end() :]
        match = _common(text)
        if match is not None:
            digits, month, day, time, host, tag, process = match.groups()
            priority = int(digits)
            if priority > MAX_PRIORITY:
                return "priority"
            try:
                moment = self._clock.yearless(month, day, time, reference)
            except (ValueError, OverflowError):
                moment = 0
            head = Syslog(
                facility=priority >> 3, severity=priority & 7, hostname=host, application=tag, process_id=process or ""
            )
            content = text[match.end() :]
            return head, moment, content.removeprefix(_BOM), relayed
        match = _rfc5424(text)
        if match is not None:
            return self._structured(match, text, relayed)
        if _rfc5424_begins(text):
            return _problem(text)
        match = _priority(text)
        if match is None:
            return "no-priority"
        priority = int(match[1])
        if priority > MAX_PRIORITY:
            return "priority"
        head = Syslog(facility=priority >> 3, severity=priority & 7)
        moment, content = self._loose(head, text[match.end() :], reference)
        return head, moment, content, relayed

    def _structured(self, match: re.Match[str], text: str, relayed: str) -> Parsed | str:
        digits, version, date, fraction, offset, host, application, process, message, data = match.groups()
        priority = int(digits)
        if priority > MAX_PRIORITY:
            return "priority"
        moment = 0
        if date is not None:
            try:
                moment = self._clock.full(date, fraction, offset)
            except (ValueError, OverflowError):
                return "time"
        head = Syslog(
            facility=priority >> 3,
            severity=priority & 7,
            version=int(version),
            hostname="" if host == "-" else host,
            application="" if application == "-" else application,
            process_id="" if process == "-" else process,
            message_id="" if message == "-" else message,
        )
        if data is not None:
            head.structured_data = structured_data(data)
        return head, moment, text[match.end() :].removeprefix(_BOM), relayed

    def _loose(self, head: Syslog, rest: str, reference: int) -> tuple[int, str]:
        """Put what stands before an RFC 3164 message's text into ``head``; its time and its text."""
        rest = rest.lstrip(" ")
        moment = 0
        date = _date(rest)
        if date is not None:
            try:
                moment = self._moment(date, reference)
            except (ValueError, OverflowError):
                date = None
        if date is not None:
            rest = rest[date.end() :].lstrip(" ")
            tag = _tag(rest)
            if tag is None or _is_address(tag[1]):
                host = _host(rest)
                if host is not None:
                    head.hostname = host[1].removesuffix(":")
                    # Cisco's firewalls write " : " behind the host.
                    rest = rest[host.end() :].removeprefix(": ")
        tag = _tag(rest)
        if tag is not None:
            head.application, head.process_id = tag[1], tag[2] or ""
            rest = rest[tag.end() :]
        return moment, rest.removeprefix(_BOM)

    def _moment(self, date: re.Match[str], reference: int) -> int:
        month, day, year, time, fraction, year_behind, iso, iso_fraction, offset = date.groups()
        if iso is not None:
            return self._clock.full(iso.replace(" ", "T"), iso_fraction, offset)
        year = year or year_behind
        moment = (
            self._clock.with_year(year, month, day, time) if year else self._clock.yearless(month, day, time, reference)
        )
        return moment + (int(fraction[:6].ljust(6, "0")) if fraction else 0)


def structured_data(text: str) -> dict[str, dict[str, str]]:
    """The elements of RFC 5424's STRUCTURED-DATA by their ids; values of a repeated name are joined by commas."""
    elements: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    for element, name, quoted in _part(text):
        if element:
            values = elements.setdefault(element, {})
            continue
        value = quoted[1:-1]
        if "\\" in value:
            value = _escape(r"\1", value)
        values[name] = f"{values[name]}, {value}" if name in values else value
    return elements


def _problem(text: str) -> str:
    """Why something that begins as RFC 5424 is not."""
    version = text[text.index(">") + 1 :]
    if version.startswith("0"):
        return "version"
    if not _rfc5424_time(text):
        return "time"
    return "structured-data" if _rfc5424_header(text) else "header"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
