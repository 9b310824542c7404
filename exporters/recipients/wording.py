"""Titles and texts of messages: templates of Jinja in a sandbox, their values escaped as the service wants it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from jinja2 import StrictUndefined, Template, TemplateError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from exporters.recipients.notification import Message, Notification, moment, severity_name
from exporters.recipients.settings import Recipient
from topics.errors import TaplineError
from topics.records import Alert

TITLE: Final = "[{{ severity }}] {{ event }}: {{ alert.type }}{% if alert.entity %} on {{ alert.entity }}{% endif %}"
TEXT: Final = """\
{{ alert.message }}
{% if alert.source_ip %}{{ source }} > {{ destination }} {{ alert.transport }}
{% endif %}{{ time }}{% if alert.script %}, by {{ alert.script }}{% endif %}{% if alert.count > 1 %}, \
{{ alert.count }} times{% endif %}
{% if author %}seen by {{ author }}{% if comment %}: {{ comment }}{% endif %}
{% endif %}"""

_EVENTS: Final = {"stored": "alert", "acknowledged": "seen"}
_VALUE_LENGTHS: Final = (1000, 300, 100, 30)
_MOST_LISTED: Final = 50


class Unwordable(Exception):
    """A template cannot be filled in for this alert; the text is why."""

    reason: Final = "template"


class Wording:
    """Puts notifications into words for one recipient.

    ``escape`` makes a value from the network harmless in the service's markup; a message's title has at most
    ``most_title`` characters and its text ``most_text``.
    """

    def __init__(
        self,
        recipient: Recipient,
        escape: Callable[[str], str],
        *,
        title: str = "",
        text: str = "",
        most_title: int = 200,
        most_text: int = 10_000,
    ) -> None:
        self._name = recipient.name
        self._zone = time_zone(recipient)
        self._escape = escape
        self._most_title, self._most_text = most_title, most_text
        self._length = _VALUE_LENGTHS[0]
        environment = ImmutableSandboxedEnvironment(finalize=self._finalized, undefined=StrictUndefined)
        self._title = self._compiled(environment, "title", title or TITLE)
        self._text = self._compiled(environment, "text", text or TEXT)

    def check(self) -> None:
        """:class:`TaplineError` where a template cannot be filled in for an ordinary alert."""
        try:
            self.of_one(SAMPLE)
        except Unwordable as error:
            raise TaplineError(f"recipient {self._name}: {error}: see docs/how-to/send-alerts-to-people.md") from error

    def of_one(self, notification: Notification) -> Message:
        """The message that tells of one; :class:`Unwordable` where a template fails."""
        values = context(notification, self._zone)
        return Message(
            key=notification.id,
            title=self._filled(self._title, values, self._most_title, "title"),
            text=self._filled(self._text, values, self._most_text, "text"),
            listed=[notification],
        )

    def of_many(self, key: str, listed: Sequence[Notification], types: Counter[str]) -> Message:
        """The message that tells of many: the title of each of the first, and how many there are of each type."""
        count = types.total()
        lines = [
            self._filled(self._title, context(each, self._zone), self._most_title, "title")
            for each in listed[:_MOST_LISTED]
        ]
        kinds = ", ".join(f"{number} {self._escape(name[:100])}" for name, number in types.most_common(5))
        more = f" and {len(types) - 5} other types" if len(types) > 5 else ""
        return Message(
            key=key,
            title=_cut(f"{count} alerts: {kinds}{more}", self._most_title),
            text=_whole_lines(lines, count, self._most_text),
            listed=list(listed),
            count=count,
        )

    def _compiled(self, environment: ImmutableSandboxedEnvironment, which: str, source: str) -> Template:
        try:
            return environment.from_string(source)
        except TemplateError as error:
            raise TaplineError(f"recipient {self._name}: its {which} is no template: {error}") from error

    def _finalized(self, value: Any) -> Any:
        if isinstance(value, Undefined):
            return value
        return self._escape(str(value)[: self._length])

    def _filled(self, template: Template, values: dict[str, Any], most: int, which: str) -> str:
        """Values are shortened before they are escaped, so that markup is never cut in the middle."""
        text = ""
        try:
            for self._length in _VALUE_LENGTHS:
                text = template.render(values).strip()
                if len(text) <= most:
                    return text
        except Exception as error:
            raise Unwordable(f"its {which} cannot be filled in: {' '.join(str(error).split())}") from error
        return _cut(text, most)


class JsonBody:
    """A template of JSON: each of its values is put as a JSON value, whatever it holds."""

    def __init__(self, recipient: Recipient, source: str) -> None:
        self._zone = time_zone(recipient)
        environment = ImmutableSandboxedEnvironment(finalize=_json_value, undefined=StrictUndefined)
        try:
            self._template = environment.from_string(source)
            self.of(SAMPLE_MESSAGE)
        except (TemplateError, Unwordable) as error:
            raise TaplineError(f"recipient {recipient.name}: its body is no template of JSON: {error}") from error

    def of(self, message: Message) -> bytes:
        """The body for a message; :class:`Unwordable` where the template fails or does not make JSON."""
        try:
            text = self._template.render(
                context(message.listed[0], self._zone)
                | {"id": message.key, "title": message.title, "text": message.text, "count": message.count}
                | {"alerts": [context(each, self._zone)["alert"] for each in message.listed]}
            )
            return msgspec.json.encode(msgspec.json.decode(text))
        except Exception as error:
            raise Unwordable(" ".join(str(error).split())) from error


def context(notification: Notification, zone: ZoneInfo) -> dict[str, Any]:
    """What templates may name."""
    alert = notification.alert
    return {
        "id": notification.id,
        "alert": msgspec.structs.asdict(alert),
        "event": _EVENTS.get(notification.event, notification.event),
        "severity": severity_name(alert.severity),
        "time": _moment(alert.time, zone),
        "began": _moment(alert.began or alert.time, zone),
        "source": _end(alert.source_ip, alert.source_port),
        "destination": _end(alert.destination_ip, alert.destination_port),
        "author": notification.author,
        "comment": notification.comment,
    }


def time_zone(recipient: Recipient) -> ZoneInfo:
    """The recipient's time zone; :class:`TaplineError` when there is none of this name."""
    try:
        return ZoneInfo(recipient.time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise TaplineError(
            f"recipient {recipient.name}: there is no time zone {recipient.time_zone!r}: write one as Europe/Berlin"
        ) from error


def local_time(time: int, zone: ZoneInfo) -> datetime:
    """A time of a record in a time zone."""
    return moment(time).astimezone(zone)


def _moment(time: int, zone: ZoneInfo) -> str:
    return local_time(time, zone).isoformat(sep=" ", timespec="seconds")


def _end(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _json_value(value: Any) -> Any:
    return value if isinstance(value, Undefined) else json.dumps(value)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _whole_lines(lines: Sequence[str], count: int, most: int) -> str:
    """As many lines as there is room for, and how many more there are."""
    kept: list[str] = []
    room = most - len(f"… and {count} more")
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    if len(kept) < count:
        kept.append(f"… and {count - len(kept)} more")
    return "\n".join(kept)


SAMPLE: Final = Notification(
    id="7465737474657374746573747465737474657374746573",
    event="stored",
    alert=Alert(
        id="7465737474657374746573747465737474657374746573",
        time=1_767_225_600_000_000,
        type="test",
        message="This is a test: alerts reach you.",
        entity="192.0.2.1",
        entity_kind="host",
        severity=3,
        event="stored",
        count=1,
    ),
)
"""A notification that tells of nothing, for tests of recipients and templates."""

SAMPLE_MESSAGE: Final = Message(key=SAMPLE.id, title="test", text="This is a test.", listed=[SAMPLE])
