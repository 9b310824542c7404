"""The monitor types: subclass the one that sees what you want to see, and write its hooks.

A hook that is not overridden costs nothing. All hooks of a script on one partition of the stream run
one after the other in the order of the stream; each partition has an instance of its own. Windows
are named by the epoch seconds of their start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from msgspec import Struct

from tapline.groups import Wanted
from tapline.script import Runtime, Script
from topics.records import Alert, Document, Endpoints, Flow, Metric, Resource


class Monitor(Script):
    """A script that is told when a window of the stream ends."""

    def on_begin_flush(self, window: int) -> None:
        """Before the items of a window that has ended."""

    def on_end_flush(self, window: int) -> None:
        """After the items of a window that has ended."""


class EngineMonitor(Monitor):
    """Sees the windows themselves, once over all workers: a place to poll something once a window."""


class SessionMonitor(Monitor):
    """Sees flows. ``l4_proto`` (``TCP``) and ``l7_proto`` (``SSH``) select them; empty selects all."""

    group: ClassVar[Wanted] = ""
    l4_proto: ClassVar[str] = ""
    l7_proto: ClassVar[str] = ""

    def on_new_flow(self, flow: Flow) -> None:
        """A flow's first record."""

    def on_update(self, flow: Flow) -> None:
        """A record of a flow that goes on."""

    def on_terminate(self, flow: Flow) -> None:
        """A flow's last record."""

    def flush_filter(self, flow: Flow) -> bool:
        """False votes to keep the flow from :meth:`on_flush`; it is kept when all filters say so."""
        return True

    def on_flush(self, flow: Flow) -> None:
        """Each flow that had packets in the window that has ended, also one that goes on."""


class TopList(Struct, frozen=True, kw_only=True):
    """The keys of a counter group that had most of a meter in a window, largest first."""

    group: str
    meter: str
    window: int
    entries: list[Top]


class Top(Struct, frozen=True, kw_only=True):
    """One key of a :class:`TopList`; the largest has rank 1."""

    group: str
    meter: str
    window: int
    key: str
    value: float
    rank: int


class CounterMonitor(Monitor):
    """Sees the counters of the groups named by ``group``; empty sees every group.

    ``meters`` names the meters whose top lists are wanted; empty wants all of a group. Top lists are
    made of what all partitions have flushed: their hooks run in instances of their own (``ranking-0``,
    …), which share nothing with those that see the keys.
    """

    group: ClassVar[Wanted] = ""
    meters: ClassVar[tuple[str, ...]] = ()

    def on_update(self, counter: Metric) -> None:
        """A key's total so far, after each second of event time in which it grew."""

    def on_new_key(self, counter: Metric) -> None:
        """A key that has not been seen for ``workers.new_key_hours``; before its :meth:`on_flush`."""

    def flush_filter(self, counter: Metric) -> bool | Mapping[str, int | float]:
        """False votes to drop the key from this window: it is dropped when all filters say so.

        A mapping keeps it, with other values for the meters it names.
        """
        return True

    def on_flush(self, counter: Metric) -> None:
        """A key's totals of the window that has ended."""

    def on_totals(self, counter: Metric) -> None:
        """The totals over all keys of a group in the window that has ended; its key is ``SYS:GROUP_TOTALS``."""

    def on_begin_topper_flush(self, top: TopList) -> bool | None:
        """Before the keys of a top list; when all scripts that have this hook return ``False`` they are left out."""
        return True

    def topper_filter(self, top: Top) -> bool:
        """False votes to keep the key from :meth:`on_topper_flush`; it is kept when all filters say so."""
        return True

    def on_topper_flush(self, top: Top) -> None:
        """A key of a top list, largest first."""

    def on_end_topper_flush(self, top: TopList) -> None:
        """After the keys of a top list."""


class AlertMonitor(Monitor):
    """Sees the alerts of the groups named by ``group``; empty sees all."""

    group: ClassVar[Wanted] = ""

    def on_new_alert(self, alert: Alert) -> Mapping[str, str | int] | None:
        """An alert, as it comes, before the alert engine decides whether to tell of it.

        Return a mapping to have it told otherwise: its ``message``, ``severity`` (1 debug, 8 emergency) or
        ``priority`` (1 high, 3 low). Scripts after this one see what was made of it.
        """
        return None

    def admit(self, alert: Alert) -> bool:
        """False votes to keep the alert from being told; it is told when not all filters say so."""
        return True

    def flush_filter(self, alert: Alert) -> bool:
        """False votes to keep the alert from :meth:`on_flush`; it is kept when all filters say so."""
        return True

    def on_flush(self, alert: Alert) -> None:
        """Each alert of the window that has ended."""


class ResourceMonitor(Monitor):
    """Sees the resources of the groups named by ``group``; empty sees all.

    Groups are ``dns``, ``url``, ``tls``, ``x509``, ``file``, ``ssh``, ``smb``, ``login``, and those of scripts.
    """

    group: ClassVar[Wanted] = ""

    def on_new_resource(self, resource: Resource) -> None:
        """A resource, as it comes."""

    def flush_filter(self, resource: Resource) -> bool:
        """False votes to keep the resource from :meth:`on_flush`; it is kept when all filters say so."""
        return True

    def on_flush(self, resource: Resource) -> None:
        """Each resource of the window that has ended."""


class FullTextMonitor(Monitor):
    """Sees the documents of the groups named by ``group``; empty sees all.

    Groups are ``http-headers``, ``certificate-chain``, ``dns``, and those of scripts.
    """

    group: ClassVar[Wanted] = ""

    def on_new_document(self, document: Document) -> None:
        """A document, as it comes."""

    def flush_filter(self, document: Document) -> bool:
        """False votes to keep the document from :meth:`on_flush`; it is kept when all filters say so."""
        return True

    def on_flush(self, document: Document) -> None:
        """Each document of the window that has ended."""


class FlowTracker(Monitor):
    """Keeps the flows that are largest by a metric, over all workers.

    Each ``bucket_seconds``, a multiple of 60, the ``top`` largest go to the track topic; parameters of
    these names stand above the attributes. ``l4_proto`` and ``l7_proto`` select flows as in
    :class:`SessionMonitor`.
    """

    l4_proto: ClassVar[str] = ""
    l7_proto: ClassVar[str] = ""
    bucket_seconds: ClassVar[int] = 300
    top: ClassVar[int] = 200

    def metric(self, flow: Flow) -> float | None:
        """What the flow is ranked by, asked in each window it had packets in; the largest of a bucket holds.

        0 or ``None`` leaves it out.
        """
        raise NotImplementedError


class PacketRuntime(Runtime, Protocol):
    """What a running packet script is given to speak to; see :mod:`workers.packet_monitor`."""

    def ends(self) -> Endpoints:
        """The ends of the packet at hand."""


class PacketMonitor(Monitor):
    """Sees packets, those that ``display_filter`` lets through, where they are captured.

    The filter is one of Wireshark's (``dns.flags.rcode == 3``; ``frame`` is every packet) and has to be set; tshark
    looks at the packets before Python does. There is one instance for each interface, file or stream that is captured.
    What it emits is published as what a capture node makes, in the windows of the packets. It has no ``store`` and no
    messages: nothing of it is kept over restarts.
    """

    display_filter: ClassVar[str] = ""

    runtime: PacketRuntime

    def on_packet(self, packet: Any) -> None:
        """A packet as pyshark has it (``pyshark.packet.packet.Packet``), in the order in which packets were captured.

        Its layers are attributes, and their fields are those of the filter without the name of the layer, with ``_``
        for ``.``: ``packet.dns.qry_name`` is ``dns.qry.name``. They are numbers, texts and truth values, and lists
        where a field occurs several times; one that is not there raises ``AttributeError``
        (``packet.dns.get("qry_name")`` is ``None``).
        """

    @property
    def ends(self) -> Endpoints:
        """The ends of the flow of the packet at hand: what an alert, a resource, a document, a tag is about.

        The flow is the one that the flow engine sees: of a tunnel the outermost. Of ARP they are the addresses it is
        about, of what else is not IP there are none. There is no packet at hand but in :meth:`on_packet`.
        """
        return self.runtime.ends()
