"""From an event to records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Struct

from capture.eve import events
from capture.eve.documents import Text, texts_of_dns, texts_of_http, texts_of_tls
from capture.eve.ends import Ends, ends_of
from capture.eve.errors import EveError
from capture.eve.flows import flow_of, netflow_of
from capture.eve.resources import dns_of, file_of, http_of, quic_of, smb_of, ssh_of, tls_of
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

_SENSORS: Final = 1000
"""How many sensors' ids are remembered in a form that is quick to go on from."""

_PASSWORD: Final = re.compile(r'("command":"PASS","command_data":")(?:[^"\\]|\\.)*"')
"""What somebody proves with who he is, in an event of FTP."""

_TYPE: Final = '"event_type"'

Made = tuple[Topic, str, Record]
"""A record, where it goes and by which key."""


class Context(Struct, frozen=True, gc=False):
    """What all records of an event have in common, and who saw it."""

    identity: str
    time: int
    ends: Ends
    sensor: str
    flow_id: str


class EveDecoder:
    """Makes records of Suricata's events.

    An alert is an :class:`~topics.records.Alert` of the group External IDS, a flow or netflow event a final
    :class:`~topics.records.Flow`, dns, http, tls, quic, fileinfo, ssh and smb are resources, statistics are a sample of
    the counter group ``Suricata``. Of any other event (anomalies, DHCP …), and of one that tells nothing of these,
    the JSON is a document of group ``eve``, its type the key, without the passwords of FTP. All that Suricata says of
    one flow has the same ``flow_id``; with ``joined`` it is the one by which the flow engine knows a flow that begins
    with the same packet. With ``texts`` DNS messages, heads of HTTP and chains of certificates are documents as well.
    """

    def __init__(self, observation: Observation, *, texts: bool = False, joined: bool = False) -> None:
        self._observation = observation
        self._texts = texts
        self._joined = joined
        self._known = msgspec.json.Decoder(events.Known)
        self._other = msgspec.json.Decoder(events.Other)
        self._sensors: dict[str, Any] = {}
        self._makers: dict[type[events.Event], Callable[[Any, Context], list[Made]]] = {
            events.AlertEvent: self._alert,
            events.NetflowEvent: self._netflow,
            events.StatsEvent: self._statistics,
            events.DnsEvent: self._resources(dns_of, lambda event: event.dns, texts_of_dns),
            events.HttpEvent: self._resources(http_of, lambda event: event.http, texts_of_http),
            events.TlsEvent: self._resources(tls_of, lambda event: event.tls, texts_of_tls),
            events.QuicEvent: self._resources(quic_of, lambda event: event.quic),
            events.FileEvent: self._resources(file_of, lambda event: event.fileinfo),
            events.SshEvent: self._resources(ssh_of, lambda event: event.ssh),
            events.SmbEvent: self._resources(smb_of, lambda event: event.smb),
        }
        kinds: tuple[type[events.Event], ...] = (*self._makers, events.FlowEvent)
        self._types = {kind.__struct_config__.tag for kind in kinds}

    def decode(
        self, text: str | bytes, sensor: str, identity: str, time: int | None = None, reason: str = ""
    ) -> list[Made]:
        """The records of one event; :class:`EveError` says why there are none.

        ``sensor`` names who sent it, where the event does not; ``identity`` is the beginning of the records' ids.
        ``time`` (epoch microseconds) and ``reason``, why a flow ended (``timeout`` or ``shutdown``), are for those who
        know better than the event.
        """
        try:
            event = self._read(text)
            ends = ends_of(event)
            sensor = event.host or sensor
            if self._joined:
                flow_id = self._joined_id(event, ends)
            else:
                flow_id = self._flow_id(sensor, event.flow_id) if event.flow_id else ""
            # Most events of most networks are flows.
            if type(event) is events.FlowEvent:
                record = flow_of(event, self._observation, identity, ends, flow_id=flow_id or identity, reason=reason)
                return [(FLOW, record.community_id, record)]
            if time is None:
                time = moment(event.timestamp)
            context = Context(identity, time, ends, sensor, flow_id)
            maker = self._makers.get(type(event))
            made = maker(event, context) if maker else []
        except msgspec.ValidationError as error:
            raise EveError("eve-type", str(error)) from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise EveError("eve-json", str(error)) from error
        return made or [self._document(event, context, text)]

    def _read(self, text: str | bytes) -> events.Event:
        try:
            known: events.Event = self._known.decode(text)
        except msgspec.ValidationError:
            other = self._other.decode(text)
            if other.event_type in self._types:
                raise
            return other
        return known

    def _flow_id(self, sensor: str, number: int) -> str:
        """The digest of the observation, the sensor and the number that it has given the flow."""
        begun = self._sensors.get(sensor)
        if begun is None:
            if len(self._sensors) >= _SENSORS:
                self._sensors.clear()
            begun = blake2b(digest_size=16)
            begun.update(f"{self._observation.identity}\0{GROUP}\0{sensor}\0".encode("utf-8", "surrogatepass"))
            self._sensors[sensor] = begun
        state = begun.copy()
        state.update(b"%d" % number)
        text: str = state.hexdigest()
        return text

    def _joined_id(self, event: events.Event, ends: Ends) -> str:
        """The id of the flow that began then, the first of its community id; only flows and alerts tell."""
        kind = type(event)
        if kind is not events.FlowEvent and kind is not events.AlertEvent:
            return ""
        flow = event.flow  # type: ignore[attr-defined]
        if flow is None or not flow.start:
            return ""
        return digest(self._observation.identity, ends.community_id, moment(flow.start), 0)

    def _common(self, context: Context) -> dict[str, Any]:
        """The fields that all records of an event have alike."""
        observation, ends = self._observation, context.ends
        return {
            "time": context.time,
            "node": observation.node,
            "observation_point": observation.observation_point,
            "community_id": ends.community_id,
            "source_ip": ends.source_ip,
            "destination_ip": ends.destination_ip,
            "source_port": ends.source_port,
            "destination_port": ends.destination_port,
            "transport": ends.transport,
            "protocol_number": ends.protocol_number,
            "vlan_id": ends.vlan_id,
        }

    def _alert(self, event: events.AlertEvent, context: Context) -> list[Made]:
        part = event.alert
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
            id=context.identity,
            **self._common(context),
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
        return [(ALERT, f"{record.type}\0{record.entity}", record)]

    def _netflow(self, event: events.NetflowEvent, context: Context) -> list[Made]:
        # Both directions have the same number, and a record of their own here.
        flow_id = digest(context.flow_id, event.src_ip, event.src_port) if context.flow_id else context.identity
        record = netflow_of(event, self._observation, context.identity, context.ends, flow_id=flow_id)
        return [(FLOW, record.community_id, record)]

    def _statistics(self, event: events.StatsEvent, context: Context) -> list[Made]:
        observation = self._observation
        common = {
            "id": context.identity,
            "time": context.time,
            "node": observation.node,
            "observation_point": observation.observation_point,
        }
        record = statistics_of(event.stats, common, context.sensor)
        return [(METRIC, f"{record.group}\0{record.key}", record)]

    def _resources(
        self,
        make: Callable[[Any, Any], Iterator[dict[str, Any]]],
        part_of: Callable[[Any], Any],
        tell: Callable[[Any, list[dict[str, Any]]], Iterator[Text]] | None = None,
    ) -> Callable[[Any, Context], list[Made]]:
        def made(event: events.Event, context: Context) -> list[Made]:
            part, common, identity = part_of(event), self._common(context), context.identity
            key = context.ends.community_id
            found = list(make(event, part))
            records: list[Made] = []
            for details in found:
                own = f"{identity}{len(records):02x}" if records else identity
                records.append((RESOURCE, key, Resource(id=own, **common, **details)))
            if tell is not None and self._texts:
                for group, called, text in tell(part, found):
                    own = f"{identity}{len(records):02x}"
                    records.append((DOCUMENT, key, Document(id=own, **common, group=group, key=called, text=text)))
            return records

        return made

    def _document(self, event: events.Event, context: Context, text: str | bytes) -> Made:
        kind = event.event_type if isinstance(event, events.Other) else str(type(event).__struct_config__.tag)
        plain = text if isinstance(text, str) else text.decode("utf-8", "replace")
        if self._joined:
            # Before the type stand numbers that are others each time.
            plain = "{" + plain[max(plain.find(_TYPE), 0) :].removeprefix("{")
        record = Document(
            id=f"{context.identity}00",
            **self._common(context),
            group=GROUP,
            key=kind,
            text=_PASSWORD.sub(r'\1***"', plain) if kind == "ftp" else plain,
        )
        return DOCUMENT, record.community_id or record.key, record
