"""What follows from the chart's values, and the chart's file that follows from the topics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from docs.monitor_pages import NOTE
from topics.admin import configuration_of
from topics.catalog import CATALOG

CHART: Final = Path(__file__).parents[1] / "helm" / "tapline"

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
