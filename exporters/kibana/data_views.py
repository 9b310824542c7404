"""The data views: which data streams and indices a panel looks at, and how their fields are shown."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from msgspec import Struct

from exporters.elasticsearch.documents import DOCUMENTS, index_name
from exporters.elasticsearch.mappings import properties
from topics.catalog import ALERT_STATE, ANNOTATION, COUNTER, DEAD, DOCUMENT, FLOW, NOTIFICATION, RESOURCE, TRACK

METER: Final = "tapline.counter.meter"
"""Below it are the meters of counters, whose names are those of their groups."""


class DataView(Struct, frozen=True, kw_only=True):
    """A data view; ``kinds`` are the kinds of topic whose documents it shows. It covers every namespace.

    What is not ``timed`` is shown whatever time is looked at.
    """

    key: str
    name: str
    pattern: str
    kinds: tuple[str, ...]
    timed: bool = True

    @property
    def id(self) -> str:
        """The id of its saved object."""
        return f"tapline-{self.key}"

    def fields(self) -> dict[str, str]:
        """The fields that can be searched and counted, with their types in Elasticsearch; without the meters."""
        return {name: kind for each in self.kinds for name, kind in _mapped(each).items()}

    def field_type(self, name: str) -> str:
        """A field's type in Elasticsearch; :class:`KeyError` where the templates map no such field."""
        if COUNTER.kind in self.kinds and name.startswith(f"{METER}."):
            return "double"
        return self.fields()[name]


def _view(key: str, name: str, kind: str, *, timed: bool = True) -> DataView:
    return DataView(key=key, name=name, pattern=index_name(kind, "*"), kinds=(kind,), timed=timed)


@cache
def _mapped(kind: str) -> dict[str, str]:
    return _fields(properties(DOCUMENTS[kind]))


def _fields(mapped: dict[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in mapped.items():
        if "properties" in field:
            found |= _fields(field["properties"], f"{above}{name}.")
        elif field["type"] != "object" and field.get("index", True):
            found[f"{above}{name}"] = field["type"]
    return found


_LOGGED: Final = (FLOW, RESOURCE, DOCUMENT, NOTIFICATION, ANNOTATION)
VIEWS: Final = (
    _view("flow", "Tapline flows", FLOW.kind),
    _view("resource", "Tapline resources", RESOURCE.kind),
    _view("document", "Tapline full text", DOCUMENT.kind),
    _view("alert", "Tapline alerts", NOTIFICATION.kind),
    _view("alert-state", "Tapline conditions", ALERT_STATE.kind),
    _view("counter", "Tapline counters", COUNTER.kind),
    _view("track", "Tapline flow trackers", TRACK.kind),
    _view("annotation", "Tapline annotations", ANNOTATION.kind),
    # A message that cannot be read has no time of its own.
    _view("dead", "Tapline dead letters", DEAD.kind, timed=False),
    DataView(
        key="all", name="Tapline everything", pattern="logs-tapline.*", kinds=tuple(topic.kind for topic in _LOGGED)
    ),
)
_BY_KEY: Final = {view.key: view for view in VIEWS}


def view(key: str) -> DataView:
    """The data view of this key; :class:`KeyError` where there is none."""
    return _BY_KEY[key]


def field_formats(shown: DataView) -> dict[str, dict[str, Any]]:
    """How Kibana shows numbers that are bytes or lengths of time."""
    formats: dict[str, dict[str, Any]] = {}
    for name, kind in shown.fields().items():
        last = name.rpartition(".")[2]
        if kind == "long" and (last == "bytes" or last.endswith("_bytes") or name == "file.size"):
            formats[name] = {"id": "bytes"}
        elif name == "event.duration":
            formats[name] = _duration("nanoseconds")
        elif last.endswith("_us"):
            formats[name] = _duration("microseconds")
        elif last in {"port", "number"} or name.endswith("_interface"):
            # A number that is a name has no separators between its digits.
            formats[name] = {"id": "number", "params": {"pattern": "0"}}
    return formats


def _duration(unit: str) -> dict[str, Any]:
    return {
        "id": "duration",
        "params": {
            "inputFormat": unit,
            "outputFormat": "humanizePrecise",
            "outputPrecision": 1,
            "includeSpaceWithSuffix": True,
            "useShortSuffix": True,
        },
    }
