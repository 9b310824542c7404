"""How a capture node is set up."""

from __future__ import annotations

import socket
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from capture.containers.settings import DockerSettings
from capture.enrichment.settings import EnrichmentSettings
from capture.folder.settings import FolderSettings
from capture.host.settings import HostSettings
from capture.snmp.settings import SnmpSettings

Engine = Literal["auto", "tshark", "suricata"]
FlowEngine = Literal["nfstream", "suricata"]


class SyslogSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``capture.syslog:`` block: how lines are received and whose they are.

    ``producers`` names the producer of what an address or a host sends, by a collector's client address, by the
    host name in the message or by the sender's address; without an entry it is the application's name in lower
    case, and ``*`` is for what has none. ``timezone`` holds for times that name none. ``longest_line`` is in bytes:
    what is longer is cut. ``connections`` is how many senders may be connected at once, ``idle_seconds`` after how
    long without a line one is let go; ``receive_buffer`` (bytes) is what the kernel keeps of datagrams.
    ``eve_documents`` also makes documents of Suricata's events, which are decoded into flows, alerts and
    resources anyway, for handlers of the producer ``suricata``. ``rejected_per_minute`` bounds how many of the
    lines that cannot be used are published as dead letters. ``certificate_file`` and ``key_file`` (PEM) are the
    listener's own for TLS; with ``client_ca_file`` senders have to show a certificate of one of its authorities.
    """

    producers: dict[str, str] = field(default_factory=dict)
    timezone: str = "UTC"
    longest_line: Annotated[int, Meta(ge=480, le=1 << 20)] = 64 * 1024
    connections: Annotated[int, Meta(ge=1, le=100_000)] = 500
    idle_seconds: Annotated[int, Meta(ge=1)] = 3600
    receive_buffer: Annotated[int, Meta(ge=4096, le=1 << 30)] = 8 * 1024 * 1024
    eve_documents: bool = False
    rejected_per_minute: Annotated[int, Meta(ge=0, le=100_000)] = 600
    certificate_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""


class FlowExportSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``capture.flow_exports:`` block: how NetFlow, IPFIX and sFlow are received.

    ``receive_buffer`` (bytes) is what the kernel keeps of datagrams. ``wait_seconds`` is how long a window stays open
    after its end for the flows that ended in it: an exporter tells of a flow when it was silent for a while.
    ``exporters`` is how many of them may send at once (each observation domain is one); the one that was silent for
    longest makes room. ``templates_folder`` is where templates and sampling rates are kept, so that a capture node
    that starts again need not wait for them, and how far each exporter had come, so that it counts what it has missed;
    empty: nowhere. ``rejected_per_minute`` bounds how many of the
    datagrams that cannot be used are published as dead letters.
    """

    receive_buffer: Annotated[int, Meta(ge=4096, le=1 << 30)] = 32 * 1024 * 1024
    wait_seconds: Annotated[int, Meta(ge=0, le=3600)] = 60
    exporters: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    templates_folder: str = ""
    rejected_per_minute: Annotated[int, Meta(ge=0, le=100_000)] = 60


class EveSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``capture.eve:`` block: reading what an existing Suricata writes.

    ``positions`` is the folder in which it is kept how far the files that are followed were read.
    """

    positions: str = ".tapline/positions"


class ZeekSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``capture.zeek:`` block: reading logs while Zeek writes them.

    ``positions`` is the folder in which it is kept how far the logs that are followed were read.
    """

    positions: str = ".tapline/positions"


class PacketScriptSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``capture.packet_scripts:`` block: packets for scripts.

    ``packets_per_tshark`` is after how many packets of an interface or a stream another tshark takes the place of the
    one that runs, since that keeps something of all it has seen.
    """

    packets_per_tshark: Annotated[int, Meta(ge=100, le=1 << 31)] = 200_000


class SuricataSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``capture.suricata:`` block: the Suricata that a node starts.

    ``rules`` is a folder whose ``*.rules`` it loads; without one there are no alerts. ``home_networks`` are what rules
    call ``$HOME_NET``.
    """

    rules: str = ""
    home_networks: list[str] = field(default_factory=lambda: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])


class CaptureSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``capture:`` block.

    ``node`` names this capture node in every record; empty means the host's name. ``depth`` is
    ``light`` (flows) or ``deep`` (also resources and documents, where what makes them is installed): the
    ``engine`` ``tshark`` or ``suricata``; ``auto`` is Suricata where 7 or later is installed, else tshark. ``flows``
    says what flows are from: ``nfstream``, or ``suricata`` to have that engine alone.
    ``idle_timeout`` is how many seconds without a packet end a flow, ``max_flows`` how many may go on
    at once (4 KB each) before the oldest is ended for a new one. ``filter`` (BPF syntax),
    ``promiscuous`` and ``snaplen`` (bytes kept of a packet) are for live interfaces.
    ``fanout`` is how many processes share the packets of an interface, each those of other flows.
    ``tunnels`` says which packet counts where one carries another: the ``inner``, whose flow names the tunnel as
    well, or the ``outer``.
    ``queue_megabytes`` bounds what waits to be sent to Kafka. ``syslog``, ``eve`` and ``zeek`` are for lines instead
    of packets, ``suricata`` is for that engine, ``packet_scripts`` for packets that scripts see, ``flow_exports`` for
    flows that routers and switches tell of, ``snmp`` for devices that are asked, ``host`` for the machine itself,
    ``docker`` for its daemon; ``folder`` is for folders of capture files, ``enrichment`` is what is known of flows'
    ends.
    """

    node: str = ""
    depth: Literal["light", "deep"] = "deep"
    engine: Engine = "auto"
    flows: FlowEngine = "nfstream"
    idle_timeout: Annotated[int, Meta(ge=1)] = 120
    max_flows: Annotated[int, Meta(ge=1)] = 200_000
    filter: str = ""
    promiscuous: bool = True
    snaplen: Annotated[int, Meta(ge=64, le=262144)] = 262144
    fanout: Annotated[int, Meta(ge=1, le=64)] = 1
    tunnels: Literal["inner", "outer"] = "inner"
    queue_megabytes: Annotated[int, Meta(ge=16, le=2048)] = 64
    syslog: SyslogSettings = field(default_factory=SyslogSettings)
    flow_exports: FlowExportSettings = field(default_factory=FlowExportSettings)
    snmp: SnmpSettings = field(default_factory=SnmpSettings)
    host: HostSettings = field(default_factory=HostSettings)
    docker: DockerSettings = field(default_factory=DockerSettings)
    folder: FolderSettings = field(default_factory=FolderSettings)
    enrichment: EnrichmentSettings = field(default_factory=EnrichmentSettings)
    eve: EveSettings = field(default_factory=EveSettings)
    zeek: ZeekSettings = field(default_factory=ZeekSettings)
    suricata: SuricataSettings = field(default_factory=SuricataSettings)
    packet_scripts: PacketScriptSettings = field(default_factory=PacketScriptSettings)

    @property
    def node_name(self) -> str:
        """The node's name: as set, else the host's."""
        return self.node or socket.gethostname()
