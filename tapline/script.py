"""What a script is and what it can do: parameters, and everything it can emit, ask for and keep.

The monitor types that are subclassed are in :mod:`tapline.monitors`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, dataclass_transform

from msgspec import Struct, field
from msgspec.structs import force_setattr

from tapline.arguments import (
    check_about,
    check_attributes,
    check_ends,
    check_function,
    check_level,
    check_numbers,
    check_record,
    check_texts,
    wrong_group,
)
from tapline.groups import AlertGroup, AnyGroup, CounterGroup, DocumentGroup, ResourceGroup
from topics.catalog import ALERT, ANNOTATION, DOCUMENT, MESSAGE, RESOURCE, Topic
from topics.partitions import digest
from topics.records import Alert, Annotation, Document, Endpoints, Flow, Message, Metric, Resource

_TEXTS = ("signature", "classification", "status")
_ENDPOINT_FIELDS = tuple(name for name in Endpoints.__struct_fields__ if name != "id")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Params(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a script's typed parameters; each has a default and can be set in the configuration."""


class Runtime(Protocol):
    """What a running script is given to speak to; see :mod:`workers.scripting.host`."""

    instance: str
    stream: str
    window: int
    now: int

    def emit(self, topic: Topic, key: str, record: Struct) -> None:
        """Publish a record."""

    def group(self, kind: type[AnyGroup], name: str) -> str:
        """The own name of a group of this kind, for a name or GUID."""

    def count(self, group: CounterGroup | str, key: str, meters: Mapping[str, int | float]) -> None:
        """Give samples to meters of this window."""

    def submit(
        self, script: Script, work: Callable[..., Any], arguments: tuple[Any, ...], then: Callable[[Any], None] | None
    ) -> None:
        """Have work done off the stream."""

    def store(self, script: Script) -> MutableMapping[str, Any]:
        """What the script keeps."""

    def is_local(self, ip: str) -> bool:
        """True for an address of one's own networks."""


class Script:
    """What all monitor types share.

    ``name`` is the script's name in listings, alerts and the configuration (the class's name where it
    is empty). ``subscriptions`` are the subjects of messages it wants; without any it gets all, if it
    has :meth:`on_message`. ``folder`` is where its file lies.
    """

    name: ClassVar[str] = ""
    subscriptions: ClassVar[tuple[str, ...]] = ()
    params_type: ClassVar[type[Params]] = Params

    params: Any = Params()
    folder: Path = Path()
    runtime: Runtime

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared = cls.__dict__.get("params")
        if isinstance(declared, type) and issubclass(declared, Params):
            cls.params_type = declared
            cls.params = declared()

    def on_load(self) -> bool | None:
        """Begin: open files, load lists. Return ``False`` to stay out of service."""

    def on_unload(self) -> None:
        """End: close what :meth:`on_load` opened."""

    def on_metronome(self, second: int) -> None:
        """Each second of event time, as epoch seconds: sixty times a window, the last before it is flushed."""

    def on_message(self, message: Message) -> None:
        """A message of a script; keep what it says, and act on it in the hooks that follow.

        Nothing can be emitted here. Each instance gets each message once, in no settled order, and after a
        start again those of the last hour.
        """

    @property
    def script_name(self) -> str:
        """The name it goes by."""
        return self.name or self.__class__.__name__

    @property
    def instance(self) -> str:
        """Names this instance, as ``flow-3``: the topic and partition it sees."""
        return self.runtime.instance

    @property
    def is_first(self) -> bool:
        """True in exactly one instance over all workers: for work that is to be done once."""
        return self.runtime.instance.endswith("-0")

    @property
    def stream(self) -> str:
        """The sequence of event time at hand: ``live``, or ``file-<digest>`` for a capture file."""
        return self.runtime.stream

    @property
    def now(self) -> int:
        """Event time in microseconds since the epoch: that of the record at hand, or the window's end."""
        return self.runtime.now

    @property
    def log(self) -> logging.Logger:
        """A logger of this script's own."""
        return logging.getLogger(f"tapline.scripts.{self.script_name}")

    @property
    def store(self) -> MutableMapping[str, Any]:
        """What this instance keeps over restarts: text keys, values that JSON can hold.

        What is read is a copy: assign it to keep a change (``self.store["seen"] = seen``). A value may take
        1 MB, all of them 8 MB. It can be read in any hook, and changed in those of a window. What is
        written in a window lasts from the moment that window is published; where a worker dies before,
        the window's hooks run again on the store as it was.
        """
        return self.runtime.store(self)

    def is_local(self, ip: str) -> bool:
        """True for an address of one's own networks (``workers.local_networks``)."""
        return self.runtime.is_local(ip)

    def alert(
        self,
        type: str,  # noqa: A002 - the field's name in the record
        about: Endpoints | Metric | None,
        message: str,
        *,
        group: AlertGroup | str = "",
        signature: str = "",
        classification: str = "",
        severity: int = 4,
        priority: int = 3,
        status: str = "",
        value: float = 0.0,
        threshold: float = 0.0,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Raise an alert about a flow, another record, a counter, or nothing in particular.

        The same script, type, group and subject make the same alert: a flow that is seen once a
        window is alerted on once. ``severity`` runs from 1 (debug) to 8 (emergency), ``priority``
        from 1 (high) to 3 (low).
        """
        group = self._group(AlertGroup, group)
        check_attributes(attributes)
        self._raise(
            type,
            about,
            message,
            identity=(group, signature),
            group=group,
            signature=signature,
            classification=classification,
            severity=severity,
            priority=priority,
            status=status,
            value=value,
            threshold=threshold,
            attributes=dict(attributes or {}),
        )

    def threshold_alert(
        self,
        type: str,  # noqa: A002 - as above
        counter: Metric,
        message: str,
        *,
        fired: bool = True,
        value: float = 0.0,
        threshold: float = 0.0,
        severity: int = 5,
        group: AlertGroup | str = "Threshold Crossing",
    ) -> None:
        """Say that a counter has crossed a threshold (``fired``), or that it is back (``fired=False``)."""
        check_record("counter", counter, Metric)
        status = "FIRED" if fired else "CLEAR"
        group = self._group(AlertGroup, group)
        self._raise(
            type,
            counter,
            message,
            identity=(group, status),
            action="trigger" if fired else "release",
            subtype=counter.group,
            group=group,
            status=status,
            value=value,
            threshold=threshold,
            severity=severity,
            priority=2,
        )

    def resource(self, about: Endpoints, group: ResourceGroup | str, uri: str, label: str = "") -> None:
        """Add a resource to the resource stream, with the ends of the record it is about."""
        check_ends(about)
        check_texts(uri=uri, label=label)
        group = self._group(ResourceGroup, group)
        script = self.script_name
        identity = digest("resource", self.runtime.stream, script, about.id, group, uri)
        record = Resource(id=identity, group=group, uri=uri, label=label, script=script, **_ends(about))
        self.runtime.emit(RESOURCE, about.community_id, record)

    def document(self, about: Endpoints, group: DocumentGroup | str, key: str, text: str) -> None:
        """Add a text to the document stream, with the ends of the record it is about."""
        check_ends(about)
        check_texts(key=key, text=text)
        group = self._group(DocumentGroup, group)
        script = self.script_name
        identity = digest("document", self.runtime.stream, script, about.id, group, key)
        record = Document(id=identity, group=group, key=key, text=text, script=script, **_ends(about))
        self.runtime.emit(DOCUMENT, about.community_id, record)

    def count(self, group: CounterGroup | str, key: str, **meters: int | float) -> None:
        """Give samples to meters of a key, counted per window.

        ``group`` is one this script or another defines, by definition, name or GUID. How samples
        combine is the meter's kind; in a group nobody defines all meters are counters.
        """
        self.runtime.count(group, key, meters)

    def label(self, group: CounterGroup | str, key: str, label: str, description: str = "") -> None:
        """Say what people call a key of a counter group."""
        check_texts(key=key, label=label, description=description)
        group = self._group(CounterGroup, group)
        self._annotate("label", (group, key, label, description), group, key, value=label, description=description)

    def attribute(self, group: CounterGroup | str, key: str, name: str, value: str) -> None:
        """Attach a named value to a key of a counter group; the latest holds."""
        check_texts(key=key, name=name, value=value)
        group = self._group(CounterGroup, group)
        self._annotate("attribute", (group, key, name, value), group, key, name=name, value=value)

    def edge(self, group: CounterGroup | str, key: str, other_group: CounterGroup | str, other_key: str) -> None:
        """Say that two keys belong together."""
        check_texts(key=key, other_key=other_key)
        group, other_group = self._group(CounterGroup, group), self._group(CounterGroup, other_group)
        self._annotate(
            "edge", (group, key, other_group, other_key), group, key, other_group=other_group, other_key=other_key
        )

    def flow_edges(self, flow: Flow, group: CounterGroup | str, key: str) -> None:
        """Join a key with the hosts, the application and the port of a flow."""
        check_record("flow", flow, Flow)
        for ip in (flow.source_ip, flow.destination_ip):
            self.edge(group, key, "Hosts", ip)
        self.edge(group, key, "Apps", flow.application or "Unknown")
        self.edge(group, key, "Ports", f"{flow.transport}/{flow.destination_port}")

    def tag(self, flow: Endpoints, tag: str) -> None:
        """Tag a flow: later hooks of this partition see it in ``flow.tags``, Elasticsearch as an annotation.

        The ends of a packet (``PacketMonitor.ends``) stand for their flow, by its community id.
        """
        check_texts(tag=tag)
        if type(flow) is Endpoints:
            self._tag_ends(flow, tag)
            return
        check_record("flow", flow, Flow)
        assert isinstance(flow, Flow)
        if tag in flow.tags:
            return
        ends = _ends(flow)
        self._annotate(
            "tag",
            (flow.flow_id, tag),
            key=flow.flow_id,
            value=tag,
            flow_id=flow.flow_id,
            application=flow.application,
            **ends,
        )
        force_setattr(flow, "tags", (*flow.tags, tag))

    def _tag_ends(self, ends: Endpoints, tag: str) -> None:
        if not ends.community_id:
            raise ValueError("there is no flow to tag: the packet is not IP")
        self._annotate("tag", (ends.community_id, tag), key=ends.community_id, value=tag, **_ends(ends))

    def send(self, subject: str, payload: Any) -> None:
        """Tell the scripts that subscribe to ``subject``, on every worker; ``payload`` is what JSON can hold."""
        check_texts(subject=subject)
        runtime = self.runtime
        text = json.dumps(payload, separators=(",", ":"), sort_keys=True)
        identity = digest("message", runtime.stream, runtime.window, runtime.instance, self.script_name, subject, text)
        message = Message(id=identity, time=runtime.now, subject=subject, payload=text, script=self.script_name)
        runtime.emit(MESSAGE, subject, message)

    def run_async(self, work: Callable[..., Any], *arguments: Any, then: Callable[[Any], None] | None = None) -> None:
        """Have slow work done by a thread off the stream.

        ``then`` gets what it returned, back on the stream, before the window that asked for it is
        flushed (before it is published, where it was asked for in the flush) and in the order of asking.
        What takes longer than ``workers.async_seconds`` is an error of the script, as is what ``work``
        raises; ``then`` is not called for it. ``work`` cannot emit or use the store, and should not touch
        the script. Asking for more than ``workers.async_queue`` jobs in a window raises.
        """
        check_function("work", work)
        if then is not None:
            check_function("then", then)
        self.runtime.submit(self, work, arguments, then)

    def _group(self, kind: type[AnyGroup], group: AnyGroup | str) -> str:
        if isinstance(group, str):
            return self.runtime.group(kind, group)
        if isinstance(group, kind):
            return group.name
        raise wrong_group(kind, group)

    def _raise(
        self, type_: str, about: Endpoints | Metric | None, message: str, *, identity: tuple[str, ...], **fields: Any
    ) -> None:
        check_about(about)
        check_texts(type=type_, message=message, **{name: fields[name] for name in _TEXTS if name in fields})
        check_level("severity", fields["severity"], 8, "1 debug, 8 emergency")
        check_level("priority", fields["priority"], 3, "1 high, 3 low")
        check_numbers(value=fields["value"], threshold=fields["threshold"])
        runtime, script = self.runtime, self.script_name
        ends = _ends(about) if isinstance(about, Endpoints) else {}
        flow_id = ""
        if isinstance(about, Flow):
            subject, flow_id, entity = about.flow_id, about.flow_id, about.source_ip
        elif isinstance(about, Endpoints):
            subject, entity = about.id, about.source_ip
        elif isinstance(about, Metric):
            subject, entity = f"{about.group}\x00{about.key}\x00{runtime.window}", about.key
        else:
            subject, entity = f"{runtime.window}\x00{message}", ""
        ends["time"] = ends.get("time") or runtime.now
        record = Alert(
            id=digest("alert", runtime.stream, script, type_, *identity, subject),
            type=type_,
            message=message,
            entity=entity,
            script=script,
            stream=runtime.stream,
            window=runtime.window,
            flow_id=flow_id,
            evidence=[flow_id] if flow_id else [],
            **fields,
            **ends,
        )
        runtime.emit(ALERT, f"{type_}\x00{entity}", record)

    def _annotate(self, kind: Any, identity: tuple[str, ...], group: str = "", key: str = "", **fields: Any) -> None:
        runtime = self.runtime
        fields.setdefault("time", runtime.now)
        record = Annotation(
            id=digest("annotation", kind, runtime.stream, runtime.window, *identity),
            kind=kind,
            group=group,
            key=key,
            script=self.script_name,
            stream=runtime.stream,
            window=runtime.window,
            **fields,
        )
        runtime.emit(ANNOTATION, f"{group}\x00{key}", record)


def _ends(about: Endpoints) -> dict[str, Any]:
    return {name: getattr(about, name) for name in _ENDPOINT_FIELDS}
