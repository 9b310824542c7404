"""Writes the reference pages that follow from the code; ``make docs`` runs it, a test checks them.

Run as ``python -m docs.generate``; with ``--check`` it only says which pages are out of date.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import click
import msgspec
from msgspec import NODEFAULT, Struct

from docs.checks_page import checks_page
from docs.dashboards_page import dashboards_page
from docs.grafana import dashboard_file
from docs.helm_pages import helm_values_page, rights_file, rules_file, topics_file
from docs.metrics_page import metrics_page
from docs.monitor_pages import NOTE, monitor_pages, prose
from docs.rights_page import rights_page
from tapline.commands import cli
from tapline.configuration import Configuration, load
from tapline.groups import CounterGroup
from tapline.policy.model import Alerting
from tapline.policy.reading import ALERTING, SECTIONS
from topics import records
from topics.catalog import CATALOG
from topics.codec import MAX_RECORDS, SNAPSHOT_SCHEMA
from topics.settings import KafkaSettings
from workers.counting.groups import GROUPS
from workers.counting.meters import KINDS

REFERENCE: Final = Path(__file__).parent / "reference"
_TOPICS_INTRODUCTION: Final = """\
Names begin with `kafka.prefix` and end with the major version of what they carry. `tapline topics create`
makes them, `tapline topics verify` compares them with this table.
"""
_CONFIGURATION_INTRODUCTION: Final = """\
One YAML file: the one named by `--config`, else by `TAPLINE_CONFIG`, else `./tapline.yaml`, else
`/etc/tapline/tapline.yaml`. Every key has a default. A variable `TAPLINE_<BLOCK>__<KEY>` stands above the
file; its value is read as YAML where the key is not text.

`tapline config check` finds mistakes, `tapline config dump` shows what holds and where it came from,
`tapline config schema` prints the JSON Schema.
"""


_POLICY_INTRODUCTION: Final = """\
What is watched and how, in the files of `workers.policy`; a later file stands above one before, entry by entry, and
what is set with `tapline policy set` above both. Numbers may have units: `10 MB` (decimal), `10 MiB`, `100 Mbit/s` (as
bytes), `5 %`; lengths of time `30 s`, `5 min`, `1 h`, `1 d`; dates `2026-12-31` or `2026-12-31T18:00:00Z`.

`tapline policy check` finds mistakes, `tapline policy schema` prints the JSON Schema,
[Change the policy](../how-to/change-the-policy.md) shows how to go about it.
"""

_KINDS_INTRODUCTION: Final = """\
## Kinds of meters

A meter's kind says how the samples of a window combine: those a script gives with `self.count`, and those
of capture nodes. It is named in the group's definition, `Meter("peak", kind="maximum")`; a sample in the metric
topic may name it itself. Without either a meter is a counter. What several partitions have counted of
a key is merged before the result is made, so on which of them a sample was counted makes no difference. What
scripts count at different places of the way (on flows, on resources) comes as one record for each `source`.
"""
_KINDS: Final[dict[str, tuple[str, str]]] = {
    "counter": ("sum of the samples", "bytes, hits"),
    "rate": ("sum of the samples, divided by the 60 seconds of the window", "bytes a second"),
    "gauge": ("the sample with the latest event time", "a temperature, a queue's length"),
    "running": ("sum of all samples since the stream began, in the windows that have one", "bytes in all"),
    "average": ("mean of the samples", "a round-trip time"),
    "delta_rate": ("growth a second of a counter whose readings are the samples", "ifHCInOctets of SNMP"),
    "maximum": ("the largest sample", "the longest answer"),
    "minimum": ("the smallest sample", "the shortest answer"),
    "distinct": ("how many different samples there were; 1,000 means at least as many", "hosts contacted, by number"),
    "sustained": (
        "the samples' sum a second, the largest that each of three seconds in a row has reached",
        "new flows a second",
    ),
}
_READINGS: Final = """\
A total over the keys is what `on_totals` gets; gauges and readings of several keys have none.

### Readings of counters

`delta_rate` takes the growth between readings in a row, from the last one of an earlier window of the same stream
on, and divides it by the seconds between the first and the last. A key has no such value before there are two
readings. Where a reading is less than the one before, the counter has wrapped or begun anew. It has
wrapped when it was in the last quarter of its range and is now in the first; the range is 64 bits once a
reading was beyond 32 bits, else 32 bits. Otherwise it has begun anew at 0, and has grown by what it now shows.
A counter of 32 bits that wraps twice between two readings cannot be told from one that wraps once.
"""


def pages() -> dict[str, str]:
    """Every generated page by its file name; the chart's files and the dashboard go along."""
    return {
        "records.md": records_page(),
        "records.schema.json": json.dumps(records_schema(), indent=2) + "\n",
        "topics.md": topics_page(),
        "rights.md": rights_page(),
        "counters.md": counters_page(),
        "metrics.md": metrics_page(),
        "configuration.md": configuration_page(),
        "policy.md": policy_page(),
        "checks.md": checks_page(),
        "dashboards.md": dashboards_page(),
        "command-line.md": command_line_page(),
        "helm-values.md": helm_values_page(),
        "../../helm/tapline/files/topics.json": topics_file(),
        "../../helm/tapline/files/rights.json": rights_file(),
        "../../helm/tapline/files/rules.yaml": rules_file(),
        "../../helm/tapline/files/dashboard.json": dashboard_file(),
        "../../deploy/monitoring/dashboard.json": dashboard_file(),
        **monitor_pages(),
    }


def records_schema() -> dict[str, Any]:
    """JSON Schema of every record, by its name under ``$defs``."""
    kinds = [topic.record for topic in CATALOG]
    _, definitions = msgspec.json.schema_components([*dict.fromkeys(kinds), records.Snapshot])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Records of Tapline, version 1",
        "$defs": definitions,
    }


def records_page() -> str:
    """The records, field by field."""
    kinds = list(dict.fromkeys(topic.record for topic in CATALOG))
    parts = [part for kind in kinds for part in _parts(kind)]
    lines = [NOTE, "# Records\n", prose(inspect.getdoc(records) or ""), ""]
    lines += ["The same as JSON Schema: [records.schema.json](records.schema.json).\n"]
    shown: list[type[Struct]] = [*kinds, records.Snapshot, *dict.fromkeys(parts)]
    for kind in shown:
        lines += _struct_section(kind)
    return "\n".join(lines)


def topics_page() -> str:
    """The topics and how Kafka keeps them."""
    settings = KafkaSettings()
    lines = [
        NOTE,
        "# Topics\n",
        _TOPICS_INTRODUCTION,
        "| topic | carries | schema | from | partitions | kept |",
        "|---|---|---|---|---|---|",
    ]
    for topic in CATALOG:
        kept = "compacted" if topic.compacted else f"{topic.retention_ms / 86_400_000:g} days"
        partitions = str(topic.partitions) if topic.partitions else "`kafka.partitions`"
        record = f"[{topic.record.__name__}](records.md#{topic.record.__name__.lower()})"
        makers = "capture nodes and workers" if topic.captured else "workers"
        lines.append(
            f"| `{topic.name(settings.prefix)}` | {topic.purpose} | `{topic.schema}`, {record} | {makers}"
            f" | {partitions} | {kept} |"
        )
    lines += [
        "",
        "## Messages\n",
        f"The body is a JSON array of 1 to {MAX_RECORDS:,} records of one kind. The headers, all UTF-8 text:\n",
        "| header | meaning |",
        "|---|---|",
        f"| `schema` | what the body holds, as `flow/1`, or `{SNAPSHOT_SCHEMA}` for the marker that ends a window |",
        "| `node` | who sent it |",
        "| `stream` | its sequence of event time: `live`, or `file-` and 16 hex digits of the file's SHA-256 |",
        "| `window` | start of the window in epoch seconds |",
        "| `sequence` | index of the first record among all that this node, stream and window sent to this partition |",
        "| `count` | how many records the body holds |",
        "| `reader` | the only stage that is to take it, where a dead letter was sent again; else it is not there |",
        "",
    ]
    return "\n".join(lines)


def counters_page() -> str:
    """The counter groups."""
    lines = [
        NOTE,
        "# Counter groups\n",
        "Totals per stream, window, group and key, in `metrics-tapline.counter-default`.\n",
        "| group | keys | meters | GUID |",
        "|---|---|---|---|",
    ]
    lines += [f"| {group.name} | {group.keys} | {_meters(group)} | {group.guid} |" for group in GROUPS]
    for group in GROUPS:
        if _is_long(group):
            lines += ["", f"## {group.name}\n", *_meter_table(group)]
    lines += [
        "",
        _KINDS_INTRODUCTION,
        "| kind | result of a window | for example | total over the keys |",
        "|---|---|---|---|",
    ]
    for name, kind in KINDS.items():
        result, example = _KINDS[name]
        lines.append(f"| `{name}` | {result} | {example} | {'yes' if kind.adds_up else 'no'} |")
    return "\n".join([*lines, "", _READINGS])


def _is_long(group: CounterGroup) -> bool:
    """True for a group whose meters have a table of their own; one of the same meters refers to it."""
    first = next(other for other in GROUPS if other.meters == group.meters)
    return first is group and any(meter.description for meter in group.meters)


def _meters(group: CounterGroup) -> str:
    if any(meter.description for meter in group.meters):
        first = next(other for other in GROUPS if other.meters == group.meters)
        return f"[see below](#{first.name.lower().replace(' ', '-')})"
    return ", ".join(f"`{meter.name}`" for meter in group.meters)


def _meter_table(group: CounterGroup) -> list[str]:
    return [
        "| meter | kind | says |",
        "|---|---|---|",
        *(f"| `{meter.name}` | {meter.kind} | {meter.description} |" for meter in group.meters),
    ]


def configuration_page() -> str:
    """Every key of the configuration."""
    lines = [
        NOTE,
        "# Configuration\n",
        _CONFIGURATION_INTRODUCTION,
    ]
    defaults = {setting.key: setting.value for setting in load(environment={}).settings(masked=False)}
    for block, kind in get_type_hints(Configuration).items():
        lines += _configuration_block(block, kind, defaults)
    return "\n".join(lines)


def _configuration_block(block: str, kind: type[Struct], defaults: dict[str, Any]) -> list[str]:
    """A block of the configuration, and after it those inside it."""
    lines = [f"## {block}\n", prose(inspect.getdoc(kind) or ""), "", "| key | type | default |", "|---|---|---|"]
    inner: list[str] = []
    for name, hint in get_type_hints(kind).items():
        if _is_struct(hint):
            inner += _configuration_block(f"{block}.{name}", hint, defaults)
            continue
        inner += [line for part in _inner_structs(hint) for line in _struct_section(part)]
        default = json.dumps(defaults[f"{block}.{name}"], ensure_ascii=False)
        lines.append(f"| `{block}.{name}` | {_type(hint)} | `{default}` |")
    return [*lines, "", *inner]


def _inner_structs(hint: Any) -> Iterator[type[Struct]]:
    """The Structs that a value holds in a list or a map, also where it is one of several, and those that they hold."""
    found = [part for part in get_args(hint) if _is_struct(part)]
    for kinds in get_args(hint):
        if get_origin(kinds) in (Union, types.UnionType):
            found += [part for part in get_args(kinds) if _is_struct(part)]
    yield from dict.fromkeys([*found, *(part for kind in found for part in _parts(kind))])


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Struct)


def policy_page() -> str:
    """Every section of the policy."""
    lines = [
        NOTE,
        "# Policy\n",
        _POLICY_INTRODUCTION,
    ]
    sections = {name: kind for name, kind in SECTIONS.items() if name != "acknowledgements"}
    for name, kind in sections.items():
        lines += [f"## {name}\n", *_struct_section(kind)[1:]]
    lines += [f"## {ALERTING}\n", *_struct_section(Alerting)[1:]]
    for part in dict.fromkeys(part for kind in sections.values() for part in _all_parts(kind)):
        lines += _struct_section(part)
    return "\n".join(lines)


def command_line_page() -> str:
    """What every command says of itself."""
    lines = [
        NOTE,
        "# Command line\n",
        "Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage, 130 interrupted.\n",
    ]
    for path, command in _commands(cli, ("tapline",)):
        context = click.Context(command, info_name=" ".join(path), max_content_width=100, terminal_width=100)
        context.help_option_names = ["-h", "--help"]
        lines += [f"## {' '.join(path)}\n", "```text", command.get_help(context), "```\n"]
    return "\n".join(lines)


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                if inner is not None:
                    yield from _commands(inner, (*path, name))


def _struct_section(kind: type[Struct]) -> list[str]:
    lines = [
        f"## {kind.__name__}\n",
        prose(inspect.getdoc(kind) or ""),
        "",
        "| field | type | when absent |",
        "|---|---|---|",
    ]
    hints = get_type_hints(kind)
    if kind.__struct_config__.tag is not None:
        lines.append(f"| `{kind.__struct_config__.tag_field}` | `{kind.__struct_config__.tag}` | always there |")
    for info in msgspec.structs.fields(kind):
        if info.default is not NODEFAULT:
            absent = f"`{json.dumps(msgspec.to_builtins(info.default))}`"
        elif info.default_factory is not NODEFAULT:
            absent = f"`{json.dumps(info.default_factory())}`"
        else:
            absent = "always there"
        lines.append(f"| `{info.encode_name}` | {_type(hints[info.name])} | {absent} |")
    return [*lines, ""]


def _parts(kind: type[Struct]) -> Iterator[type[Struct]]:
    """The Structs that a record's fields hold."""
    for hint in get_type_hints(kind).values():
        for inner in get_args(hint) or (hint,):
            if isinstance(inner, type) and issubclass(inner, Struct):
                yield inner


def _all_parts(kind: type[Struct]) -> Iterator[type[Struct]]:
    for part in _parts(kind):
        yield part
        yield from _all_parts(part)


def _type(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(inner) for inner in arguments if inner is not type(None))
    if origin is list or (origin is tuple and arguments[-1] is ...):
        return f"list of {_type(arguments[0])}"
    if origin is tuple:
        return f"[{', '.join(_type(inner) for inner in arguments)}]"
    if origin is dict:
        return f"map of {_type(arguments[1])}"
    if isinstance(hint, type) and issubclass(hint, Struct):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    return {str: "text", int: "integer", float: "number", bool: "true or false"}.get(hint, "any")


def main() -> int:
    """Write the pages, or with ``--check`` compare them; the exit code."""
    outdated = []
    for name, text in pages().items():
        path = REFERENCE / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        outdated.append(name)
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in outdated:
        sys.stdout.write(f"{name} {'is out of date' if '--check' in sys.argv[1:] else 'written'}\n")
    return 1 if outdated and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
