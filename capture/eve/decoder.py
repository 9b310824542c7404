"""From an event to records."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from capture.eve import events
from capture.eve.documents import Text, texts_of_dns, texts_of_http, texts_of_tls
from capture.eve.ends import Ends, ends_of
from capture.eve.errors import EveError
from capture.eve.flows import flow_of, netflow_of
from capture.eve.resources import MEMBERS, Told, dns_of, file_of, http_of, quic_of, smb_of, ssh_of, tls_of
from capture.eve.statistics import statistics_of
from capture.eve.times import moment
from capture.source import Made, Observation
from topics.catalog import ALERT, DOCUMENT, FLOW, METRIC, RESOURCE
from topics.partitions import digest
from topics.records import Alert, Document, Resource

ALERT_TYPE: Final = "ids_alert"
ALERT_GROUP: Final = "External IDS"
GROUP: Final = "eve"
"""The group of documents that hold an event of which no other record is made."""

_SENSORS: Final = 1000
"""Of how many sensors the beginning of their flows' ids is remembered."""

_NUMBER: Final = (1 << 64) - 1
"""The bits of a flow's number."""

_ORDINALS: Final = [f"{number:02x}" for number in range(256)]
"""What the ids of an event's further records end with; a chain of certificates has the most of them."""

_PASSWORD: Final = re.compile(r'("command":"PASS","command_data":")(?:[^"\\]|\\.)*"')
"""What somebody proves with who he is, in an event of FTP."""

_TYPE: Final = '"event_type"'


class Context(Struct, frozen=True, gc=False):
    """What all records of an event have in common, and who saw it."""

    identity: str
    time: int
    ends: Ends
    sensor: str


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
        self._node = observation.node
        self._point = observation.observation_point
        self._texts = texts
        self._joined = joined
        self._known = msgspec.json.Decoder(events.Known).decode
        self._other = msgspec.json.Decoder(events.Other).decode
        self._sensors: dict[str, str] = {}
        self._makers: dict[type[events.Event], Callable[[Any, Context], list[Made]]] = {
            events.AlertEvent: self._alert,
            events.NetflowEvent: self._netflow,
            events.StatsEvent: self._statistics,
            events.DnsEvent: self._resources(dns_of, attrgetter("dns"), texts_of_dns),
            events.HttpEvent: self._resources(http_of, attrgetter("http"), texts_of_http),
            events.TlsEvent: self._resources(tls_of, attrgetter("tls"), texts_of_tls),
            events.QuicEvent: self._resources(quic_of, attrgetter("quic")),
            events.FileEvent: self._resources(file_of, attrgetter("fileinfo")),
            events.SshEvent: self._resources(ssh_of, attrgetter("ssh")),
            events.SmbEvent: self._resources(smb_of, attrgetter("smb")),
        }
        kinds: tuple[type[events.Event], ...] = (*self._makers, events.FlowEvent)
        self._types = {kind.__struct_config__.tag for kind in kinds}

    def decode(
        self, text: str | bytes, sensor: str, identity: str, time: int | None = None, reason: str = ""
    ) -> list[Made]:
        """The records of one event, of one time and key; :class:`EveError` says why there are none.

        ``sensor`` names who sent it, where the event does not; ``identity`` is the beginning of the records' ids.
        ``time`` (epoch microseconds) and ``reason``, why a flow ended (``timeout`` or ``shutdown``), are for those who
        know better than the event.
        """
        # This runs for every event.
        try:
            try:
                event: events.Event = self._known(text)
            except msgspec.ValidationError:
                event = self._unknown(text)
            ends = ends_of(event)
            # Most events of most networks are flows.
            if isinstance(event, events.FlowEvent):
                flow_id = self._flow_id(event, ends, event.host or sensor) or identity
                record = flow_of(event, self._observation, identity, ends, flow_id=flow_id, reason=reason)
                return [(FLOW, ends.community_id, record)]
            context = Context(identity, moment(event.timestamp) if time is None else time, ends, event.host or sensor)
            maker = self._makers.get(type(event))
            return (maker(event, context) if maker else None) or [self._document(event, context, text)]
        except msgspec.ValidationError as error:
            raise EveError("eve-type", str(error)) from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise EveError("eve-json", str(error)) from error

    def _unknown(self, text: str | bytes) -> events.Other:
        """An event of a type that has no name here; one that has one, and was refused, is refused again."""
        other = self._other(text)
        if other.event_type in self._types:
            self._known(text)
        return other

    def _flow_id(self, event: events.Event, ends: Ends, sensor: str) -> str:
        """What all that is told of a flow names it by; empty where the event does not say which it is."""
        if self._joined:
            return self._joined_id(event, ends)
        return self._numbered(sensor, event.flow_id) if event.flow_id else ""

    def _numbered(self, sensor: str, number: int) -> str:
        """The observation and the sensor, as the first half, and the number that it has given the flow."""
        begun = self._sensors.get(sensor)
        if begun is None:
            if len(self._sensors) >= _SENSORS:
                self._sensors.clear()
            begun = self._sensors[sensor] = digest(self._observation.identity, GROUP, sensor)[:16]
        return f"{begun}{number & _NUMBER:016x}"

    def _joined_id(self, event: events.Event, ends: Ends) -> str:
        """The id of the flow that began then, the first of its community id; only flows and alerts tell."""
        kind = type(event)
        if kind is not events.FlowEvent and kind is not events.AlertEvent:
            return ""
        flow = event.flow  # type: ignore[attr-defined]
        if flow is None or not flow.start:
            return ""
        return digest(self._observation.identity, ends.community_id, moment(flow.start), 0)

    def _alert(self, event: events.AlertEvent, context: Context) -> list[Made]:
        part, ends, action = event.alert, context.ends, event.alert.action
        flow_id = self._flow_id(event, ends, context.sensor)
        signature = str(part.signature_id)
        attributes = {"gid": str(part.gid), "rev": str(part.rev), "signature_id": signature}
        if action:
            attributes["action"] = action
        if context.sensor:
            attributes["sensor"] = context.sensor
        if event.app_proto:
            attributes["application"] = event.app_proto
        for name, value in part.metadata.items():
            text = value if isinstance(value, str) else ", ".join(value)
            if text:
                attributes[name] = text
        record = Alert(
            context.identity,
            context.time,
            self._node,
            self._point,
            ends.community_id,
            ends.source_ip,
            ends.destination_ip,
            ends.source_port,
            ends.destination_port,
            ends.transport,
            ends.protocol_number,
            ends.vlan_id,
            type=ALERT_TYPE,
            message=part.signature,
            subtype=f"{part.gid}:{signature}",
            entity=flow_id or event.src_ip,
            group=ALERT_GROUP,
            signature=signature,
            classification=part.category,
            status="BLOCK" if action == "blocked" else "FIRE",
            severity=5 if part.severity <= 1 else 4,
            priority=min(max(part.severity, 1), 3),
            flow_id=flow_id,
            evidence=[flow_id] if flow_id else [],
            attributes=attributes,
            category="security",
            entity_kind="flow" if flow_id else "host",
            peer=event.dest_ip,
        )
        return [(ALERT, f"{ALERT_TYPE}\0{record.entity}", record)]

    def _netflow(self, event: events.NetflowEvent, context: Context) -> list[Made]:
        # Both directions have the same number, and a record of their own here.
        number = self._flow_id(event, context.ends, context.sensor)
        flow_id = digest(number, event.src_ip, event.src_port) if number else context.identity
        record = netflow_of(event, self._observation, context.identity, context.ends, flow_id=flow_id)
        return [(FLOW, record.community_id, record)]

    def _statistics(self, event: events.StatsEvent, context: Context) -> list[Made]:
        common = {
            "id": context.identity,
            "time": context.time,
            "node": self._node,
            "observation_point": self._point,
        }
        record = statistics_of(event.stats, common, context.sensor)
        return [(METRIC, f"{record.group}\0{record.key}", record)]

    def _resources(
        self,
        make: Callable[[Any, Any], list[Told]],
        part_of: Callable[[Any], Any],
        tell: Callable[[Any, list[Told]], list[Text]] | None = None,
    ) -> Callable[[Any, Context], list[Made]]:
        texts_of = tell if self._texts else None
        node, point, document_of = self._node, self._point, self._text

        def made(event: events.Event, context: Context) -> list[Made]:
            part, ends, identity, time = part_of(event), context.ends, context.identity, context.time
            community_id, source_ip, destination_ip = ends.community_id, ends.source_ip, ends.destination_ip
            source_port, destination_port = ends.source_port, ends.destination_port
            transport, protocol_number, vlan_id = ends.transport, ends.protocol_number, ends.vlan_id
            told = make(event, part)
            records: list[Made] = []
            for group, uri, label, detail in told:
                record = Resource(
                    identity + _ORDINALS[len(records)] if records else identity,
                    time,
                    node,
                    point,
                    community_id,
                    source_ip,
                    destination_ip,
                    source_port,
                    destination_port,
                    transport,
                    protocol_number,
                    vlan_id,
                    group=group,
                    uri=uri,
                    label=label,
                )
                # Nobody has it yet; keywords of a dict take three times as long.
                force_setattr(record, MEMBERS[group], detail)
                records.append((RESOURCE, community_id, record))
            if texts_of is not None:
                for text in texts_of(part, told):
                    records.append(document_of(context, identity + _ORDINALS[len(records)], text))
            return records

        return made

    def _text(self, context: Context, identity: str, text: Text) -> Made:
        ends = context.ends
        group, key, plain = text
        record = Document(
            identity,
            context.time,
            self._node,
            self._point,
            ends.community_id,
            ends.source_ip,
            ends.destination_ip,
            ends.source_port,
            ends.destination_port,
            ends.transport,
            ends.protocol_number,
            ends.vlan_id,
            group=group,
            key=key,
            text=plain,
        )
        return DOCUMENT, ends.community_id, record

    def _document(self, event: events.Event, context: Context, text: str | bytes) -> Made:
        kind = event.event_type if isinstance(event, events.Other) else str(type(event).__struct_config__.tag)
        plain = text if isinstance(text, str) else text.decode("utf-8", "replace")
        if self._joined:
            # Before the type stand numbers that are others each time.
            plain = "{" + plain[max(plain.find(_TYPE), 0) :].removeprefix("{")
        if kind == "ftp":
            plain = _PASSWORD.sub(r'\1***"', plain)
        topic, community_id, record = self._text(context, f"{context.identity}00", (GROUP, kind, plain))
        return topic, community_id or kind, record
