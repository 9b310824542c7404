"""From a line to records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from capture.source import Observation
from capture.zeek import NAME
from capture.zeek.alerts import notice_of, weird_of
from capture.zeek.ends import ends_of, hosts
from capture.zeek.errors import ZeekError
from capture.zeek.flows import flow_of
from capture.zeek.joins import Joins
from capture.zeek.logs import (
    AnyEnds,
    Conn,
    DnsLine,
    FileLine,
    HttpLine,
    Line,
    NoticeLine,
    SslLine,
    WeirdLine,
    X509Line,
)
from capture.zeek.resources import certificate_of, dns_of, file_of, http_of, tls_of
from topics.catalog import ALERT, FLOW, RESOURCE, Topic
from topics.partitions import digest
from topics.records import Alert, Record, Resource

Made = tuple[Topic, str, Record]
"""A record, where it goes and by which key."""


class Placed(NamedTuple):
    """A line with what is known of it beside its fields: when it began and ended, and what its records are called."""

    line: Line
    start: int
    end: int
    identity: str


class ZeekDecoder:
    """Makes records of lines.

    A line of conn is a final :class:`~topics.records.Flow`, those of dns, http, ssl, x509 and files are resources, of
    notice and weird :class:`~topics.records.Alert` of the group Zeek. Alerts name the flow by the id that its record
    has.

    A certificate does not say where it was shown, nor what is weird over which transport: such lines are to be decoded
    after others that came near them (:meth:`waits`).
    """

    def __init__(self, observation: Observation, count: Callable[[str], None]) -> None:
        self._observation = observation
        self._count = count
        self._joins = Joins(count)
        self._makers: dict[type[Line], Callable[[Any, Placed], Iterator[Made]]] = {
            Conn: self._flow,
            DnsLine: self._dns,
            HttpLine: self._http,
            SslLine: self._ssl,
            X509Line: self._x509,
            FileLine: self._file,
            NoticeLine: self._notice,
            WeirdLine: self._weird,
        }

    def waits(self, line: Line) -> bool:
        """True for a line that needs others, which may stand after it; what others need of it is remembered."""
        if isinstance(line, FileLine):
            self._joins.file(line)
        return isinstance(line, FileLine | X509Line | NoticeLine | WeirdLine)

    def decode(self, placed: Placed) -> list[Made]:
        """The records of a line; :class:`~capture.zeek.errors.ZeekError` says why there are none."""
        return list(self._makers[type(placed.line)](placed.line, placed))

    def _common(self, placed: Placed, time: int, ends: dict[str, Any], number: int = 0) -> dict[str, Any]:
        observation = self._observation
        return {
            "id": f"{placed.identity}{number:02x}" if number else placed.identity,
            "time": time,
            "node": observation.node,
            "observation_point": observation.observation_point,
            **ends,
        }

    def _flow_id(self, uid: str) -> str:
        return digest(self._observation.identity, NAME, uid) if uid else ""

    def _flow(self, line: Conn, placed: Placed) -> Iterator[Made]:
        ends = ends_of(line, number=line.ip_proto, vlan=line.inner_vlan or line.vlan)
        if not ends:
            raise _nobody()
        self._joins.connection(line.uid, ends)
        flow_id = self._flow_id(line.uid) or placed.identity
        record = flow_of(line, self._observation, placed.identity, ends, flow_id, placed.start, placed.end)
        yield FLOW, record.community_id, record

    def _dns(self, line: DnsLine, placed: Placed) -> Iterator[Made]:
        ends = self._known(line.uid, ends_of(line))
        for number, fields in enumerate(dns_of(line)):
            yield self._resource(placed, placed.end if number else placed.start, ends, fields, number)

    def _http(self, line: HttpLine, placed: Placed) -> Iterator[Made]:
        ends = self._known(line.uid, ends_of(line, transport="tcp"))
        for number, fields in enumerate(http_of(line)):
            yield self._resource(placed, placed.start, ends, fields, number)

    def _ssl(self, line: SslLine, placed: Placed) -> Iterator[Made]:
        transport = "udp" if line.version.startswith("DTLS") else "tcp"
        ends = self._known(line.uid, ends_of(line, transport=transport))
        self._joins.handshake(line, ends)
        for number, fields in enumerate(tls_of(line)):
            yield self._resource(placed, placed.start, ends, fields, number)

    def _x509(self, line: X509Line, placed: Placed) -> Iterator[Made]:
        chained = self._joins.chained(line.id or line.fingerprint)
        if chained is None:
            self._count("unjoined.x509")
        fields = certificate_of(line, chained, self._joins.hashes(line.id) if line.id else None)
        yield self._resource(placed, placed.start, chained.ends if chained else {}, fields)

    def _file(self, line: FileLine, placed: Placed) -> Iterator[Made]:
        uid = line.uid or (line.conn_uids[0] if line.conn_uids else "")
        ends = self._joins.ends(uid) or ends_of(line)
        if not ends.get("protocol_number"):
            self._count("unjoined.file")
        if not ends:
            sender = line.tx_hosts[0] if line.tx_hosts else ""
            receiver = line.rx_hosts[0] if line.rx_hosts else ""
            # The client is who began the connection, whoever sends.
            ends = hosts(sender, receiver) if line.is_orig else hosts(receiver, sender)
        yield self._resource(placed, placed.start, ends, file_of(line))

    def _notice(self, line: NoticeLine, placed: Placed) -> Iterator[Made]:
        yield self._alert(line, placed, notice_of(line), line.src, line.dst, line.peer_descr)

    def _weird(self, line: WeirdLine, placed: Placed) -> Iterator[Made]:
        yield self._alert(line, placed, weird_of(line), "", "", line.peer)

    def _known(self, uid: str, ends: dict[str, Any]) -> dict[str, Any]:
        if not ends:
            raise _nobody()
        self._joins.connection(uid, ends)
        return ends

    def _resource(
        self, placed: Placed, time: int, ends: dict[str, Any], fields: dict[str, Any], number: int = 0
    ) -> Made:
        record = Resource(**self._common(placed, time, ends, number), **fields)
        return RESOURCE, record.community_id or record.uri, record

    def _alert(
        self, line: AnyEnds, placed: Placed, fields: dict[str, Any], source: str, destination: str, sensor: str
    ) -> Made:
        ends = self._joins.ends(line.uid) or ends_of(line) or hosts(source, destination)
        flow_id = self._flow_id(line.uid) if line.uid and line.orig_h else ""
        address = ends["source_ip"]
        if flow_id:
            kind, entity = "flow", flow_id
        elif address:
            kind, entity = "host", address
        else:
            kind, entity = "system", sensor or self._observation.observation_point
        record = Alert(
            **self._common(placed, placed.start, ends),
            **fields,
            entity_kind=kind,
            entity=entity,
            peer=ends["destination_ip"],
            flow_id=flow_id,
            evidence=[flow_id] if flow_id else [],
        )
        return ALERT, f"{record.type}\0{record.entity}", record


def _nobody() -> ZeekError:
    return ZeekError("zeek-address", "an end of the connection is missing")
