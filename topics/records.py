"""The records that travel through the topics.

Units: every time is an integer in microseconds since the epoch, UTC, and is event time (when it
happened on the network), never the time of processing. Bytes are frame bytes on the wire, from the
link layer up, unless a field says otherwise. ``source`` is the side that sent the flow's first
packet (ECS ``source``, IPFIX initiator). Absent text is ``""``, absent numbers ``0``; both are left
out of the encoding. A reader ignores fields it does not know, so a later 1.x may add some.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

WINDOW_SECONDS = 60
"""Length of a stream snapshot window; windows are aligned to whole minutes of event time."""


MeterKind = Literal[
    "counter", "rate", "gauge", "running", "average", "delta_rate", "maximum", "minimum", "distinct", "sustained"
]
"""How the values of a meter combine within a window, and from one window to the next.

``counter``: their sum. ``rate``: their sum a second. ``gauge``: the latest. ``running``: their sum
since the stream began. ``average``: their mean. ``delta_rate``: values are readings of a counter that
only grows; the result is its growth a second since the last reading of an earlier window.
``maximum``, ``minimum``: the largest, the smallest. ``distinct``: how many different ones there were, where
1,000 means at least as many. ``sustained``: their sum a second, the largest that was reached in each of three
seconds in a row.
"""


class Record(Struct, omit_defaults=True, gc=False, frozen=True):
    """What every record carries.

    ``id`` is deterministic: reading the same input again gives the same id, which makes every
    later step idempotent. ``time`` is the event time the record is about; ``node`` is the capture
    node that made it and ``observation_point`` where that node looked (an interface or a file name).

    What makes many records gives the fields of this, of :class:`Endpoints` and of :class:`Flow` by their places, which
    is several times as fast as by names: a field that is added to a flow comes last.
    """

    id: str
    time: int
    node: str = ""
    observation_point: str = ""


class Endpoints(Record, frozen=True):
    """A record about a conversation between two ends.

    ``transport`` is the IANA name in lower case (``tcp``, ``udp``, ``icmp``, ``ipv6-icmp`` …) and
    ``protocol_number`` the IP protocol number. ``community_id`` is the Community ID v1, seed 0.
    """

    community_id: str = ""
    source_ip: str = ""
    destination_ip: str = ""
    source_port: int = 0
    destination_port: int = 0
    transport: str = ""
    protocol_number: int = 0
    vlan_id: int = 0


class Flow(Endpoints, frozen=True):
    """A flow, as far as it has come.

    A flow is reported once for each window in which it had packets (``record`` is ``update``) and at
    its end (``final``); a flow that begins and ends inside one window has its ``final`` alone.
    ``sequence`` counts a flow's records from 0, so ``sequence == 0`` is the first news of it.
    ``delta_*`` is what came since the flow's previous record: the deltas of all its records add up
    to its ``total_*`` (IPFIX deltaCount and totalCount). ``time`` equals ``end``.

    ``state`` is the TCP state (``syn``, ``syn-ack``, ``established``, ``closing``, ``closed``,
    ``reset``) or ``""``; ``end_reason`` of a final record follows IPFIX flowEndReason: ``idle``,
    ``end`` (FIN both ways or RST), ``forced`` (end of the capture), ``resources`` (too many flows at once).
    ``tunnel`` names what the flow came through: ``ipip``, ``6in4``, ``4in6``, ``6in6``, ``gre``, ``erspan``, ``vxlan``,
    ``geneve``, ``teredo`` or ``gtp``; of several the innermost. ``tunnel_source_ip`` and ``tunnel_destination_ip`` are
    its ends, of the flow's first packet, and ``tunnel_id`` is what it is known by there: the key of GRE, the session of
    ERSPAN, the virtual network (VNI) of VXLAN and Geneve, the TEID of GTP. Bytes are those of the whole frame.
    ``application`` is nDPI's name (``TLS.Google``: protocol, dot, service).
    ``tcp_flags_*`` are the cumulative flags of each direction as in the TCP header.
    ``setup_rtt_us`` is how many microseconds a TCP handshake took, from the SYN to the ACK that ends it;
    0 where it was not seen whole. Retransmissions are TCP segments that repeat what their side had
    sent, or that come more than half a round trip late; those out of order fill a gap sooner.
    Payload is what TCP or UDP carried. A zero window (RFC 9293) asks the other side to wait; those of SYN, FIN and
    RST do not count. ``risks`` are what the engine says is wrong with the flow, by the names of nDPI's flow risks
    (``tls_certificate_expired``). Countries are ISO 3166-1 codes of two letters, where they are known.

    Of a flow that an exporter told of (NetFlow, IPFIX, sFlow), ``exporter_ip`` is its address, ``input_interface`` and
    ``output_interface`` are its interfaces by their numbers in SNMP (ifIndex), and ``sampling_rate`` says of how many
    packets it looked at one, 1 for all: bytes and packets are multiplied by it already. Its ``end_reason`` may also be
    ``active``: it went on, and the exporter told of it meanwhile.
    What a node was given to enrich flows with it adds: of each end the ``city``, the number and the organisation of
    its autonomous system, the names of its site and subnet, who made its network card (``vendor``), the name of the
    ``container`` that it is, with its ``image`` and its ``labels`` (``key=value``); ``service`` is what the
    destination's port is registered for, ``direction`` how the flow runs as seen from one's own networks
    (``internal``, ``outbound``, ``inbound``, ``external``). Of each end also the ``role`` it was given, the ``domain``
    that its address was looked up by, and the ``blacklists`` that have its address, its name or its TLS fingerprint;
    ``tags`` are the names of all lists that have something of the flow.
    """

    record: Literal["update", "final"] = "update"
    sequence: int = 0
    flow_id: str = ""
    start: int = 0
    end: int = 0
    ip_version: int = 4
    source_mac: str = ""
    destination_mac: str = ""
    tunnel: str = ""
    tunnel_source_ip: str = ""
    tunnel_destination_ip: str = ""
    tunnel_id: int = 0
    application: str = ""
    application_category: str = ""
    server_name: str = ""
    client_fingerprint: str = ""
    server_fingerprint: str = ""
    user_agent: str = ""
    state: str = ""
    end_reason: str = ""
    tcp_flags_source: int = 0
    tcp_flags_destination: int = 0
    delta_source_bytes: int = 0
    delta_destination_bytes: int = 0
    delta_source_packets: int = 0
    delta_destination_packets: int = 0
    total_source_bytes: int = 0
    total_destination_bytes: int = 0
    total_source_packets: int = 0
    total_destination_packets: int = 0
    setup_rtt_us: int = 0
    delta_source_retransmissions: int = 0
    delta_destination_retransmissions: int = 0
    total_source_retransmissions: int = 0
    total_destination_retransmissions: int = 0
    total_source_out_of_order: int = 0
    total_destination_out_of_order: int = 0
    total_source_zero_windows: int = 0
    total_destination_zero_windows: int = 0
    total_source_payload_bytes: int = 0
    total_destination_payload_bytes: int = 0
    source_country: str = ""
    destination_country: str = ""
    exporter_ip: str = ""
    input_interface: int = 0
    output_interface: int = 0
    sampling_rate: int = 0
    source_city: str = ""
    destination_city: str = ""
    source_as_number: int = 0
    destination_as_number: int = 0
    source_as_organization: str = ""
    destination_as_organization: str = ""
    source_site: str = ""
    destination_site: str = ""
    source_subnet: str = ""
    destination_subnet: str = ""
    source_vendor: str = ""
    destination_vendor: str = ""
    source_container: str = ""
    destination_container: str = ""
    source_image: str = ""
    destination_image: str = ""
    source_labels: tuple[str, ...] = ()
    destination_labels: tuple[str, ...] = ()
    service: str = ""
    direction: str = ""
    source_role: str = ""
    destination_role: str = ""
    source_domain: str = ""
    destination_domain: str = ""
    source_blacklists: tuple[str, ...] = ()
    destination_blacklists: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    score: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        """Bytes in both directions since the flow began."""
        return self.total_source_bytes + self.total_destination_bytes

    @property
    def total_packets(self) -> int:
        """Packets in both directions since the flow began."""
        return self.total_source_packets + self.total_destination_packets

    @property
    def delta_bytes(self) -> int:
        """Bytes in both directions since the flow's previous record."""
        return self.delta_source_bytes + self.delta_destination_bytes

    @property
    def delta_packets(self) -> int:
        """Packets in both directions since the flow's previous record."""
        return self.delta_source_packets + self.delta_destination_packets

    @property
    def total_retransmissions(self) -> int:
        """TCP retransmissions in both directions since the flow began."""
        return self.total_source_retransmissions + self.total_destination_retransmissions

    @property
    def delta_retransmissions(self) -> int:
        """TCP retransmissions in both directions since the flow's previous record."""
        return self.delta_source_retransmissions + self.delta_destination_retransmissions

    @property
    def duration(self) -> float:
        """Seconds from the flow's first packet to its last so far."""
        return (self.end - self.start) / 1_000_000


class Dns(Struct, omit_defaults=True, kw_only=True, gc=False):
    """A DNS message (RFC 1035). ``answers`` are ``[name, type, data]`` rows.

    ``size`` is that of the message in bytes, without the headers that carried it, and ``answer_bytes`` how many of
    them are data of its answers (RDATA). ``fragmented`` says that its IP packet came in several. ``flags`` are ``AA``,
    ``TC``, ``RD``, ``RA``, ``Z`` (which must be 0), ``AD`` and ``CD``; the ``*_count`` are what its header announces.
    """

    type: Literal["query", "answer"]
    message_id: int = 0
    query_name: str = ""
    query_type: str = ""
    query_class: str = ""
    response_code: str = ""
    answers: list[tuple[str, str, str]] = []
    resolved_ips: list[str] = []
    flags: list[str] = []
    truncated: bool = False
    operation: str = ""
    size: int = 0
    fragmented: bool = False
    answer_bytes: int = 0
    question_count: int = 0
    answer_count: int = 0
    authority_count: int = 0
    additional_count: int = 0


class Http(Struct, omit_defaults=True, kw_only=True, gc=False):
    """An HTTP request or response. ``headers`` keep their order and case, as ``[name, value]``.

    What proves who asks is left out of them: of ``Authorization`` the scheme alone is told. ``server`` is what the
    server of a response calls itself.
    """

    type: Literal["request", "response"]
    version: str = ""
    method: str = ""
    host: str = ""
    uri: str = ""
    user_agent: str = ""
    referrer: str = ""
    server: str = ""
    status_code: int = 0
    content_type: str = ""
    body_bytes: int = 0
    headers: list[tuple[str, str]] = []


class Tls(Struct, omit_defaults=True, kw_only=True, gc=False):
    """A TLS client or server hello. ``ja3``/``ja4`` are absent where the engine has none."""

    type: Literal["client-hello", "server-hello"]
    version: str = ""
    server_name: str = ""
    cipher: str = ""
    alpn: list[str] = []
    ja3: str = ""
    ja3s: str = ""
    ja4: str = ""
    ja4s: str = ""


class Certificate(Struct, omit_defaults=True, kw_only=True, gc=False):
    """An X.509 certificate as sent; hashes are lower-case hex over its DER bytes.

    ``not_before`` and ``not_after`` are microseconds since the epoch; ``position`` is its place in
    the chain, 0 being the leaf; ``der`` is base64 of the certificate itself.
    """

    subject: str = ""
    issuer: str = ""
    serial_number: str = ""
    not_before: int = 0
    not_after: int = 0
    alternative_names: list[str] = []
    public_key_algorithm: str = ""
    public_key_size: int = 0
    signature_algorithm: str = ""
    version: int = 0
    md5: str = ""
    sha1: str = ""
    sha256: str = ""
    self_signed: bool = False
    position: int = 0
    server_name: str = ""
    der: str = ""


class File(Struct, omit_defaults=True, kw_only=True, gc=False):
    """A file carried by a protocol; hashes are lower-case hex over its content.

    ``mime_type`` is what was said of it, ``format`` what its first bytes are (``pe``, ``elf``, ``zip`` …; ``""``
    where they are none that is known).
    """

    name: str = ""
    protocol: str = ""
    mime_type: str = ""
    format: str = ""
    size: int = 0
    complete: bool = True
    md5: str = ""
    sha1: str = ""
    sha256: str = ""


class Ssh(Struct, omit_defaults=True, kw_only=True, gc=False):
    """What one side of an SSH connection says of itself before encryption begins (RFC 4253, 4.2 and 7.1).

    A ``version`` has ``protocol_version`` (``2.0``; ``1.99`` speaks 1 as well) and ``software``
    (``OpenSSH_9.2p1 Debian-2``). An ``algorithms`` message, which SSH 1 has not, repeats both and adds what the side
    offers, its first choice first, and the fingerprint of that, HASSH; ``ciphers`` and ``macs`` are those for what
    this side sends.
    """

    type: Literal["version", "algorithms"]
    side: Literal["client", "server"]
    protocol_version: str = ""
    software: str = ""
    hassh: str = ""
    key_exchange: list[str] = []
    host_keys: list[str] = []
    ciphers: list[str] = []
    macs: list[str] = []


class Smb(Struct, omit_defaults=True, kw_only=True, gc=False):
    """Which SMB a connection speaks, as its server chose: ``version`` is ``1``, ``2`` or ``3``.

    ``dialect`` is the version in full (``NT LM 0.12``, ``2.0.2``, ``3.1.1``), ``""`` where the choice was not seen,
    and version 2 may then be 3; ``signing_required`` says that the server insists on signed messages.
    """

    version: str
    dialect: str = ""
    signing_required: bool = False


class Login(Struct, omit_defaults=True, kw_only=True, gc=False):
    """A password that was sent in clear text; the password itself is nowhere.

    ``protocol`` is ``http``, ``ftp``, ``telnet``, ``smtp``, ``imap`` or ``pop``, ``method`` how it was sent:
    ``basic`` (RFC 7617), ``plain`` and ``login`` (SASL, also IMAP's own ``LOGIN``), ``pass`` (after ``USER``) or
    ``prompt`` (typed when asked). ``user_name`` is whose it is, ``""`` where that was not seen.
    """

    protocol: str
    method: str
    user_name: str = ""


class Resource(Endpoints, kw_only=True, frozen=True):
    """Something named that a flow carried: a DNS name, a URL, a TLS session, a certificate, a file.

    ``group`` is one of ``dns``, ``url``, ``tls``, ``x509``, ``file``, ``ssh``, ``smb``, ``login``; ``uri`` is what
    one looks up (the name, the URL, the server name, ``SHA1:<hex>`` of a certificate, the file's SHA-256, the
    software or HASSH of an SSH side, the SMB dialect, the user name) and
    ``label`` says more in words (for ``x509`` the certificate as PEM). The member named after the
    group's protocol holds the details. ``script`` names the script that added it, if one did.
    """

    group: str
    uri: str = ""
    label: str = ""
    script: str = ""
    dns: Dns | None = None
    http: Http | None = None
    tls: Tls | None = None
    x509: Certificate | None = None
    file: File | None = None
    ssh: Ssh | None = None
    smb: Smb | None = None
    login: Login | None = None


class Syslog(Struct, omit_defaults=True, kw_only=True, gc=False):
    """The head of a syslog message (RFC 5424, RFC 3164); severity runs from 0 (emergency) to 7 (debug).

    ``producer`` names whose handlers it goes to. ``structured_data`` are the elements of RFC 5424 by
    their ids. ``received`` says where a message without a time of its own got it from: the listener.
    """

    producer: str = ""
    facility: int = 0
    severity: int = 0
    version: int = 0
    hostname: str = ""
    application: str = ""
    process_id: str = ""
    message_id: str = ""
    structured_data: dict[str, dict[str, str]] = {}
    received: bool = False


class Document(Endpoints, kw_only=True, frozen=True):
    """Full text that a flow carried: ``group`` is ``http-headers``, ``certificate-chain`` or ``dns``.

    Or a line of a log: ``group`` is ``syslog``, ``key`` its producer, ``source_ip`` who sent it, and
    ``syslog`` what stood before the text. ``script`` names the script that added it, if one did.
    """

    group: str
    key: str = ""
    text: str = ""
    script: str = ""
    syslog: Syslog | None = None


class Metric(Record, kw_only=True, frozen=True):
    """Values of one key of a counter group.

    In the metric topic it is a sample (something just measured); in the counter topic it is the
    total of one window: ``window`` is then the window's start in epoch seconds and ``stream`` the
    stream it belongs to. ``meters`` maps a meter's name to its value, ``kinds`` a meter's name to how
    its values combine (:data:`MeterKind`) where that is not ``counter``; ``source`` says which stage
    made it (``flow``, ``metric``, ``resource``, …).
    """

    group: str
    key: str
    meters: dict[str, int | float]
    kinds: dict[str, MeterKind] = {}
    label: str = ""
    stream: str = ""
    window: int = 0
    source: str = ""


class Alert(Endpoints, kw_only=True, frozen=True):
    """Something a person should know.

    ``action`` is ``store`` for a one-shot event, ``trigger`` and ``release`` for the two ends of a
    condition; identity of a condition is type + subtype + granularity + entity kind + entity. ``severity`` runs
    from 1 (debug) to 8 (emergency) and ``priority`` from 1 (high) to 3 (low), as in IDS output;
    ``score`` is how bad it is, 0 to 250.
    ``script``, ``configuration`` (what of the configuration held, as ``checks.syn_scan.overrides[0]``), ``value``,
    ``threshold``, ``window`` and ``evidence`` (flow ids) say why. ``entity_kind`` is what the entity is:
    ``flow``, ``host``, ``interface``, ``network``, ``system``, ``snmp``, ``script``…; ``peer`` is the other party.
    ``instance`` is the worker's instance that says so: a condition that several hold is over when none does.

    The rest is the alert engine's, empty before it: ``event`` is what became of the alert, ``episode`` the id
    that all events from a trigger to its release share, ``began`` when it was triggered, ``count`` how
    often it was asserted since.
    """

    type: str
    message: str
    action: Literal["store", "trigger", "release"] = "store"
    subtype: str = ""
    granularity: str = ""
    entity: str = ""
    group: str = ""
    signature: str = ""
    classification: str = ""
    status: str = ""
    severity: int = 4
    priority: int = 3
    score: int = 0
    script: str = ""
    value: float = 0.0
    threshold: float = 0.0
    stream: str = ""
    window: int = 0
    flow_id: str = ""
    evidence: list[str] = []
    attributes: dict[str, str] = {}
    category: str = ""
    entity_kind: str = ""
    peer: str = ""
    instance: str = ""
    configuration: str = ""
    links: list[str] = []
    event: Literal["", "raised", "changed", "released", "stored"] = ""
    episode: str = ""
    began: int = 0
    count: int = 0


class AlertState(Record, kw_only=True, frozen=True):
    """How a condition stands: the newest record of an identity holds (``id`` is the identity's digest).

    ``alert`` is the last event told of it, with what the events after it have changed of values and counts.
    ``status`` is ``stored`` where it only serves to recognise a one-shot alert that is repeated. ``holders`` maps
    each instance that holds the condition to the time of its trigger, ``heard`` each instance to the time of the last
    event of it that was taken, so that what is read again is known (for a stored alert: alerts to their times).
    ``told`` are the ids of the notifications that this record came with, ``notifications`` how many the episode has
    had, ``withheld`` is why its beginning was not told, if it was not, ``acknowledged`` is who has seen to it.
    ``period`` is an hour since the epoch and ``notified`` the notifications in it. ``offset`` is that of
    the alert topic's message that led to the record, ``ordinal`` counts what was done at that message.
    """

    alert: Alert
    status: Literal["engaged", "released", "stored"]
    holders: dict[str, int] = {}
    heard: dict[str, int] = {}
    told: list[str] = []
    acknowledged: str = ""
    notifications: int = 0
    withheld: str = ""
    period: int = 0
    notified: int = 0
    offset: int = 0
    ordinal: int = 0


class PolicyEntry(Record, kw_only=True, frozen=True):
    """One entry of the policy that was set while the system runs: the newest of a ``key`` holds.

    ``key`` is a path (``checks/syn_scan``, ``exclusions/3f2a``), ``value`` JSON text, empty where the entry was
    taken back; ``author`` and ``comment`` say who did it and why.
    """

    key: str
    value: str = ""
    author: str = ""
    comment: str = ""


class TrackEntry(Struct, omit_defaults=True, kw_only=True, gc=False):
    """A flow in a tracker's list: its id, its ends, and the metric it is ranked by."""

    flow_id: str
    metric: float
    source_ip: str = ""
    destination_ip: str = ""
    source_port: int = 0
    destination_port: int = 0
    transport: str = ""
    application: str = ""
    start: int = 0


class Track(Record, kw_only=True, frozen=True):
    """A flow tracker's top list of one bucket: ``entries`` are flows, largest metric first.

    ``window`` is the start of the bucket in epoch seconds, ``bucket_seconds`` its length.
    """

    tracker: str
    window: int
    bucket_seconds: int
    entries: list[TrackEntry]
    stream: str = ""


class Annotation(Endpoints, kw_only=True, frozen=True):
    """What a script says about something that has a record of its own elsewhere.

    ``kind`` is ``tag`` (``value`` on the flow ``flow_id``, with the flow's ends), ``label`` (``value`` is
    what a person calls ``key`` of the counter group ``group``, ``description`` says more),
    ``attribute`` (``name`` of that key is ``value``) or ``edge`` (``key`` of ``group`` and ``other_key``
    of ``other_group`` belong together) or ``status`` (a check found ``name`` on the flow ``flow_id``, with
    ``score`` and its shares for the client and the server; ``value`` says what it found).
    """

    kind: Literal["tag", "label", "attribute", "edge", "status"]
    group: str = ""
    key: str = ""
    name: str = ""
    value: str = ""
    description: str = ""
    other_group: str = ""
    other_key: str = ""
    flow_id: str = ""
    application: str = ""
    script: str = ""
    stream: str = ""
    window: int = 0
    score: int = 0
    client_score: int = 0
    server_score: int = 0


class Message(Record, kw_only=True, frozen=True):
    """What one script tells others: ``subject`` is what they subscribe to, ``payload`` JSON text."""

    subject: str
    payload: str
    script: str = ""


class Stored(Struct, omit_defaults=True, kw_only=True, gc=False):
    """One value of a persistent store; ``value`` is JSON text, empty where the key was deleted.

    ``stage`` is the worker stage it belongs to (``~flow/3``), ``owner`` the script or the part of the
    stage that keeps it. ``offset`` is that of the marker that closed the window in which it was
    written: a stage that starts again takes the newest value its own commit point knows of.
    """

    stage: str
    owner: str
    key: str
    value: str = ""
    offset: int = 0


class Snapshot(Struct, omit_defaults=True, kw_only=True):
    """The marker that ends one window of one node on one partition.

    ``announced`` is how many records of the topic's own kind this node has sent to this partition in
    this window. ``final`` marks the node's last window of this stream (end of a file, a node that
    stops). ``closed_by`` is set when another process closes the window for a node that fell silent.
    """

    node: str
    stream: str
    window: int
    announced: int
    final: bool = False
    closed_by: str = ""


class DeadLetter(Record, kw_only=True, frozen=True):
    """Something that could not be used, or what was done about it.

    ``topic``, ``partition`` and ``offset`` are where it is in Kafka, ``time`` is when it came there; capture nodes
    name a source as the topic and number what it has read. ``stage`` is who could not use it, ``reason`` a short word
    to count by and ``error`` what was wrong. ``value`` and ``headers`` are base64 of the raw bytes; ``whole_bytes`` is
    how long a value was that has been cut, 0 for one that is whole. ``index`` says which of a message's records it is
    about: ``value`` is then that record alone; absent, it is about the message.

    ``state`` is ``waiting`` for the letter itself. A later record that names it as ``letter`` says that it was
    ``retried`` or ``dropped``, at which ``time``, by whom (``author``) and why (``comment``); it has neither value
    nor headers.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    stage: str = ""
    error: str = ""
    value: str = ""
    headers: list[tuple[str, str]] = []
    whole_bytes: int = 0
    index: int | None = None
    state: Literal["waiting", "retried", "dropped"] = "waiting"
    letter: str = ""
    author: str = ""
    comment: str = ""


MeterValue = int | float | list[int | float] | str
"""A meter's value on its way between stages.

Text holds many sums at once (:mod:`workers.counting.coded`). A list is where one number is not enough to go on
combining: ``[time, value]`` of a gauge or a reading, ``[sum, number]`` of an average.
"""


class Partial(Struct, array_like=True, gc=False):
    """One source partition's window total for one key; travels between worker stages only.

    ``meters`` are in the order of the group's definition, or of ``names`` where a script made the
    group; ``kinds`` are theirs, empty where all are counters. An ``interim`` one says how far the total of
    ``partition`` has come up to the end of that second (since the epoch), while the window is open; it
    stands in for the one before and is never added to one that is not interim.
    """

    group: str
    key: str
    meters: Sequence[MeterValue]
    names: list[str] = []
    kinds: list[MeterKind] = []
    interim: int = 0
    partition: int = 0

    @property
    def time(self) -> int:
        """The event time, in microseconds, up to which an interim one counts, else 0."""
        return (self.interim + 1) * 1_000_000 if self.interim else 0


class Ranking(Struct, array_like=True, gc=False):
    """One partition's top list, on its way to be merged; travels between worker stages only.

    ``name`` is a counter group, with ``meter`` one of its meters and ``keys`` its largest; or a flow
    tracker, with ``flows``. ``count`` is how many the merged list holds; ``bucket_seconds`` is that of a
    tracker, 0 for counters.
    """

    name: str
    meter: str
    count: int
    keys: list[tuple[str, float]] = []
    flows: list[TrackEntry] = []
    bucket_seconds: int = 0
