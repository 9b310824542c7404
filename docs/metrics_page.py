"""The page of Prometheus metrics, from the places in the code where they are made."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR

from docs.monitor_pages import NOTE

_ROOT: Final = Path(__file__).parent.parent
_TYPES: Final = {
    "Counter": "counter",
    "CounterMetricFamily": "counter",
    "Gauge": "gauge",
    "GaugeMetricFamily": "gauge",
    "Histogram": "histogram",
}

_PROCESSES: Final = {
    "capture": (
        "tapline capture",
        "A capture node. Beside its own it shows what workers show of scripts, for packet scripts.",
    ),
    "supervisor": (
        "tapline worker",
        "The supervisor, on the port asked for. Its workers are on the ports after it.",
    ),
    "worker": (
        "tapline worker, each process",
        "The workers, on the ports after the supervisor's.",
    ),
    "agents": ("tapline worker agents", "Plain Faust agents."),
    "elasticsearch": ("tapline export elasticsearch", "The exporter to Elasticsearch."),
    "files": ("tapline export files", "The exporter to files."),
    "mirror": ("tapline export mirror", "The mirror to topics of one record a message."),
    "prometheus": (
        "tapline export prometheus",
        "The exporter to Prometheus; the counters it is told to show stand beside these as `tapline_counter_*`.",
    ),
    "recipients": ("tapline export recipients", "Alerts to people and other programs."),
}
_INTRODUCTION: Final = """\
What every process shows at `/metrics` ([how to have it shown](../how-to/watch-the-processes.md)). A counter counts
from the start of its process. Its series has `_total` behind the name given here. Counters and histograms have a second
series, `_created`: when they began, in epoch seconds; a histogram has `_bucket`, `_count` and `_sum`.

A series with labels is there once something was counted under them. Alert rules therefore ask for the
growth of what is there, and [those that ship](../how-to/watch-with-prometheus.md) do.

A process also names metrics of others whose modules it shares; it counts nothing in them.
"""


class MetricFamily(NamedTuple):
    """A metric as the code makes it: its name without suffix, its type, its labels, its help text, who shows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    purpose: str
    process: str


def metric_families() -> list[MetricFamily]:
    """Every metric that a process of Tapline makes, in the order of the processes and then of the names."""
    found = [
        family
        for package in ("capture", "exporters", "tapline", "workers", "console")
        for path in sorted((_ROOT / package).rglob("*.py"))
        for family in _families_in(path)
    ]
    order = list(_PROCESSES)
    return sorted(found, key=lambda family: (order.index(family.process), family.name))


def of_every_process() -> list[MetricFamily]:
    """What the Prometheus client itself shows in each process."""
    shown = [
        metric for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR) for metric in collector.collect()
    ]
    return [
        MetricFamily(
            metric.name,
            metric.type,
            tuple(sorted({label for sample in metric.samples for label in sample.labels})),
            metric.documentation,
            "",
        )
        for metric in shown
    ]


def metrics_page() -> str:
    """The page: a table for each process."""
    families = metric_families()
    lines = [NOTE, "# Metrics\n", _INTRODUCTION]
    for process, (command, purpose) in _PROCESSES.items():
        lines += [f"## {command}\n", f"{purpose}\n", *_table(it for it in families if it.process == process)]
    lines += ["## Every process\n", "Of the process itself and its Python.\n", *_table(of_every_process())]
    return "\n".join(lines)


def _table(families: Iterable[MetricFamily]) -> list[str]:
    lines = ["| metric | type | labels | says |", "|---|---|---|---|"]
    for family in families:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{family.name}` | {family.kind} | {labels} | {family.purpose.rstrip('.')} |")
    return [*lines, ""]


def _families_in(path: Path) -> Iterator[MetricFamily]:
    """The metrics that a module makes, by the classes that it has of the Prometheus client."""
    tree = ast.parse(path.read_text(encoding="utf-8"), path)
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names & set(_TYPES)):
            continue
        if not (isinstance(node.args[0], ast.Constant)):
            continue  # Named by what is exported, as the page says in words.
        arguments = {keyword.arg: keyword.value for keyword in node.keywords}
        labels = node.args[2] if len(node.args) > 2 else arguments.get("labelnames", arguments.get("labels"))
        yield MetricFamily(
            str(node.args[0].value),
            _TYPES[node.func.id],
            tuple(ast.literal_eval(labels)) if labels is not None else (),
            ast.literal_eval(node.args[1]),
            _process_of(path.relative_to(_ROOT)),
        )


def _process_of(module: Path) -> str:
    """Which of the processes shows the metrics of a module."""
    if module.parts[0] == "exporters":
        return module.parts[1]
    if module.parts[0] == "tapline":
        return {"agents.py": "agents", "process/supervisor.py": "supervisor"}["/".join(module.parts[1:])]
    return {"capture": "capture", "workers": "worker"}[module.parts[0]]
