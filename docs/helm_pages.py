"""What follows from the chart's values, and the chart's files that follow from the topics, the rights and the rules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import yaml

from docs.monitor_pages import NOTE
from exporters.files.settings import FilesSettings, Kind
from exporters.mirror.settings import MirrorSettings
from tapline.commands.rights import components
from tapline.configuration import Configuration
from topics.admin import configuration_of
from topics.catalog import CATALOG
from topics.rights import Right
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings

CHART: Final = Path(__file__).parents[1] / "helm" / "tapline"
RULES: Final = Path(__file__).parents[1] / "deploy" / "monitoring" / "rules.yaml"

USERS: Final = {
    "setup": "setup",
    "capture": "capture-reading-back",
    "workers": "worker",
    "elasticsearch": "elasticsearch",
    "files": "files",
    "mirror": "mirror",
    "prometheus": "prometheus",
    "recipients": "recipients",
    "console": "console",
}
"""The chart's users of Kafka, and the component whose rights each has."""

Access = tuple[str, str, str, str]
"""What may be done with what: kind, name, pattern (as an access list calls them), operation."""

_INTRODUCTION: Final = """\
What `helm install --values FILE` may say, from `helm/tapline/values.yaml`; the chart's schema refuses what is not here.
[Deploy with Helm](../how-to/deploy-with-helm.md) shows how to go about it.
"""


def topics_file() -> str:
    """The topics as the chart makes KafkaTopics of them: name without prefix, partitions if fixed, configuration."""
    topics = [
        {
            "name": f"{topic.kind}.v{topic.version}",
            "partitions": topic.partitions,
            "config": configuration_of(topic),
        }
        for topic in CATALOG
    ]
    return json.dumps(topics, indent=2) + "\n"


def rights_file() -> str:
    """The access lists of the chart's users, and the settings that hold where the values have no others.

    ``{prefix}``, ``{group}``, ``{mirror}`` and ``{instance}`` in a name stand for what the values make of them; an
    entry with a ``kind`` holds where the exporter's ``kinds`` name it.
    """
    written = {
        "defaults": {
            "group": WorkersSettings().group,
            "files": FilesSettings().kinds,
            "mirror": MirrorSettings().kinds,
        },
        "users": {
            user: [*_entries(_access(name, ())), *_entries_by_kind(name)]
            if user in ("files", "mirror")
            else _entries(_access(name, ()))
            for user, name in USERS.items()
        },
    }
    return json.dumps(written, indent=2) + "\n"


def rules_file() -> str:
    """The alert rules as the chart makes a PrometheusRule of them: those of `deploy/monitoring`."""
    return RULES.read_text(encoding="utf-8")


def helm_values_page() -> str:
    """Every value of the chart with its default and what it says."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("values.yaml is no mapping")
    lines = [
        NOTE.replace("from the code", "from `helm/tapline/values.yaml`"),
        "# Values of the Helm chart\n",
        _INTRODUCTION,
    ]
    rows = ["| value | default | |", "|---|---|---|"]
    source = text.splitlines()
    alone = [entry for entry in root.value if not _has_inner(entry[1], source)]
    lines += [*rows, *(_row(str(name.value), name, value, source) for name, value in alone), ""]
    for name, value in root.value:
        if _has_inner(value, source):
            lines += [f"## {name.value}\n", _comment(name, source), "", *rows]
            lines += [*_rows(f"{name.value}.", value, source), ""]
    return "\n".join(lines)


def access(rights: Iterable[Right]) -> set[Access]:
    """Rights as access lists have them, an operation each."""
    return {
        (
            right.kind.replace("transactional id", "transactionalId"),
            right.name,
            "prefix" if right.prefixed else "literal",
            operation,
        )
        for right in rights
        for operation in right.operations
    }


def _access(component: str, kinds: Sequence[Kind]) -> set[Access]:
    """What a component may do that exports these kinds, with placeholders for names."""
    configuration = Configuration(
        kafka=KafkaSettings(prefix="{prefix}"),
        workers=WorkersSettings(group="{group}"),
        files=FilesSettings(kinds=list(kinds)),
        mirror=MirrorSettings(prefix="{mirror}", instance="{instance}", kinds=list(kinds)),
    )
    return access(components(configuration)[component].rights)


def _entries_by_kind(component: str) -> Iterator[dict[str, Any]]:
    """What comes with each kind that it may export."""
    always = _access(component, ())
    for kind in get_args(Kind):
        yield from ({"kind": kind, **entry} for entry in _entries(_access(component, (kind,)) - always))


def _entries(given: Iterable[Access]) -> list[dict[str, Any]]:
    """Entries of an access list; the operations on the same are one."""
    operations: dict[tuple[str, str, str], list[str]] = {}
    for kind, name, pattern, operation in sorted(given):
        operations.setdefault((kind, name, pattern), []).append(operation)
    return [
        {"resource": {"type": kind, "name": name, "patternType": pattern}, "operations": allowed}
        for (kind, name, pattern), allowed in operations.items()
    ]


def _rows(prefix: str, block: yaml.MappingNode, source: list[str]) -> Iterator[str]:
    for name, value in block.value:
        key = f"{prefix}{name.value}"
        yield _row(key, name, value, source)
        if _has_inner(value, source):
            yield from _rows(f"{key}.", value, source)


def _row(key: str, name: yaml.Node, value: yaml.Node, source: list[str]) -> str:
    default = "" if _has_inner(value, source) else f"`{json.dumps(_plain(value), ensure_ascii=False)}`"
    told = _comment(name, source).replace("|", "\\|")
    return f"| `{key}` | {default} | {told} |"


def _has_inner(value: yaml.Node, source: list[str]) -> bool:
    """True for a block whose keys are explained each."""
    return isinstance(value, yaml.MappingNode) and any(_comment(name, source) for name, _ in value.value)


def _comment(name: yaml.Node, source: list[str]) -> str:
    """The comment in the lines before a key; what stands apart by an empty line is none of its."""
    line = name.start_mark.line - 1
    found: list[str] = []
    while line >= 0 and source[line].strip().startswith("# "):
        found.insert(0, source[line].strip()[2:])
        line -= 1
    return " ".join(found)


def _plain(value: yaml.Node) -> Any:
    return yaml.SafeLoader("").construct_object(value, deep=True)
