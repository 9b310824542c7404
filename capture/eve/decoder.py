"""From an event to records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from capture.eve import events
from capture.eve.ends import ends_of
from capture.eve.errors import EveError
from capture.eve.flows import flow_of, netflow_of
from capture.eve.resources import dns_of, file_of, http_of, smb_of, ssh_of, tls_of
from capture.eve.statistics import statistics_of
from capture.eve.times import moment
from capture.source import Observation
from topics.catalog import ALERT, DOCUMENT, FLOW, METRIC, RESOURCE, Topic
from topics.partitions import digest
from topics.records import Alert, Document, Record, Resource

ALERT_TYPE: Final = "ids_alert"
ALERT_GROUP: Final = "External IDS"
GROUP: Final = "eve"
"""The group of documents that hold an event of which no other record is made."""

Made = tuple[Topic, str, Record]
"""A record, where it goes and by which key."""

T = TypeVar("T", bound=Struct)


class Context(NamedTuple):
    """What all records of an event have in common: their fields, and who saw it."""

    common: dict[str, Any]
    ends: dict[str, Any]
    identity: str
    sensor: str
    flow_id: str
    time: int


class EveDecoder:
    """Makes records of Suricata's events.

    An alert is an :class:`~topics.records.Alert` of the group External IDS, a flow or netflow event a final
    :class:`~topics.records.Flow`, dns, http, tls, fileinfo, ssh and smb are resources, statistics are a sample of
    the counter group ``Suricata``. Of any other event (anomalies, DHCP …), and of one that tells nothing of these,
    the JSON is a document of group ``eve``, its type the key. All that Suricata says of one flow has the same
    ``flow_id``.
    """

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self._event = msgspec.json.Decoder(events.Event)
        self._parts: dict[type[Struct], msgspec.json.Decoder[Any]] = {}
        self._makers: dict[str, Callable[[events.Event, Context], Iterator[Made]]] = {
            "alert": self._alert,
            "flow": self._flow,
            "netflow": self._netflow,
            "stats": self._statistics,
            "dns": self._resources("dns", events.DnsPart, dns_of),
            "http": self._resources("http", events.HttpPart, http_of),
            "tls": self._resources("tls", events.TlsPart, tls_of),
            "fileinfo": self._resources("fileinfo", events.FilePart, file_of),
            "ssh": self._resources("ssh", events.SshPart, ssh_of),
            "smb": self._resources("smb", events.SmbPart, smb_of),
        }

    def decode(self, text: str | bytes, sensor: str, identity: str) -> list[Made]:
        """The records of one event; :class:`EveError` says why there are none.

        ``sensor`` names who sent it, where the event does not; ``identity`` is the beginning of the records' ids.
        """
        try:
            event = self._event.decode(text)
            context = self._context(event, event.host or sensor, identity)
            maker = self._makers.get(event.event_type)
            made = list(maker(event, context)) if maker else []
        except msgspec.ValidationError as error:
            raise EveError("eve-type", str(error)) from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise EveError("eve-json", str(error)) from error
        return made or [self._document(event, context, text)]

    def _context(self, event: events.Event, sensor: str, identity: str) -> Context:
        observation = self._observation
        time = moment(event.timestamp)
        common: dict[str, Any] = {
            "id": identity,
            "time": time,
            "node": observation.node,
            "observation_point": observation.observation_point,
        }
        flow_id = digest(observation.identity, GROUP, sensor, event.flow_id) if event.flow_id else ""
        return Context(common, ends_of(event), identity, sensor, flow_id, time)

    def _part(self, kind: type[T], body: msgspec.Raw) -> T:
        decoder = self._parts.get(kind)
        if decoder is None:
            decoder = self._parts[kind] = msgspec.json.Decoder(kind)
        part: T = decoder.decode(body)
        return part

    def _alert(self, event: events.Event, context: Context) -> Iterator[Made]:
        part = self._part(events.AlertPart, event.alert)
        attributes = {
            "gid": str(part.gid),
            "rev": str(part.rev),
            "signature_id": str(part.signature_id),
            "action": part.action,
            "sensor": context.sensor,
            "application": event.app_proto,
        }
        for name, value in part.metadata.items():
            attributes[name] = value if isinstance(value, str) else ", ".join(value)
        record = Alert(
            **context.common,
            **context.ends,
            type=ALERT_TYPE,
            subtype=f"{part.gid}:{part.signature_id}",
            message=part.signature,
            group=ALERT_GROUP,
            signature=str(part.signature_id),
            classification=part.category,
            status="BLOCK" if part.action == "blocked" else "FIRE",
            severity=5 if part.severity <= 1 else 4,
            priority=min(max(part.severity, 1), 3),
            entity_kind="flow" if context.flow_id else "host",
            entity=context.flow_id or event.src_ip,
            peer=event.dest_ip,
            flow_id=context.flow_id,
            evidence=[context.flow_id] if context.flow_id else [],
            attributes={name: value for name, value in attributes.items() if value},
            category="security",
        )
        yield ALERT, f"{record.type}\0{record.entity}", record

    def _flow(self, event: events.Event, context: Context) -> Iterator[Made]:
        part = self._part(events.FlowPart, event.flow)
        tcp = self._tcp(event)
        start = moment(part.start) if part.start else context.time
        end = moment(part.end) if part.end else context.time
        flow_id = context.flow_id or context.identity
        record = flow_of(event, part, tcp, context.common | context.ends, flow_id, start, end)
        yield FLOW, record.community_id, record

    def _netflow(self, event: events.Event, context: Context) -> Iterator[Made]:
        part = self._part(events.NetflowPart, event.netflow)
        tcp = self._tcp(event)
        start = moment(part.start) if part.start else context.time
        end = moment(part.end) if part.end else context.time
        # Both directions have the same number, and a record of their own here.
        flow_id = digest(context.flow_id, event.src_ip, event.src_port) if context.flow_id else context.identity
        record = netflow_of(event, part, tcp, context.common | context.ends, flow_id, start, end)
        yield FLOW, record.community_id, record

    def _tcp(self, event: events.Event) -> events.TcpPart | None:
        return None if event.tcp == events.NOTHING else self._part(events.TcpPart, event.tcp)

    def _statistics(self, event: events.Event, context: Context) -> Iterator[Made]:
        record = statistics_of(self._part(events.StatsPart, event.stats), context.common, context.sensor)
        yield METRIC, f"{record.group}\0{record.key}", record

    def _resources(
        self, name: str, kind: type[T], make: Callable[[events.Event, T], Iterator[dict[str, Any]]]
    ) -> Callable[[events.Event, Context], Iterator[Made]]:
        def made(event: events.Event, context: Context) -> Iterator[Made]:
            part = self._part(kind, getattr(event, name))
            for number, details in enumerate(make(event, part)):
                common = context.common | context.ends
                if number:
                    common["id"] = f"{context.identity}{number:02x}"
                yield RESOURCE, common["community_id"], Resource(**common, **details)

        return made

    def _document(self, event: events.Event, context: Context, text: str | bytes) -> Made:
        record = Document(
            **context.common | {"id": f"{context.identity}00"},
            **context.ends,
            group=GROUP,
            key=event.event_type,
            text=text if isinstance(text, str) else text.decode("utf-8", "replace"),
        )
        return DOCUMENT, record.community_id or record.key, record
