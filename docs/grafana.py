"""The dashboard for Grafana, from the list of its panels."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH: Final = 24
_RATE: Final = "[$__rate_interval]"
_OURS: Final = '{job=~"tapline-.*|capture-.*|workers|exporter.*|console"}'
"""Processes of Tapline, by the jobs of the example for Prometheus and by the components of the Helm chart."""


class Query(NamedTuple):
    """What Prometheus is asked, and how its series are named."""

    expression: str
    legend: str


class Panel(NamedTuple):
    """A panel: one number where ``kind`` is ``stat``, lines over time where it is ``timeseries``."""

    title: str
    says: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8


def _rate(metric: str, *labels: str) -> str:
    """The growth a second of a counter, by these labels; 0 where there is none yet."""
    return f"sum by ({', '.join(labels)}) (rate({metric}{_RATE})) or vector(0)"


ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "How it stands": (
        Panel("Capture nodes", "That answer.", (Query("count(tapline_capture_window)", ""),), kind="stat", width=4),
        Panel(
            "Worker processes",
            "That answer and have partitions.",
            (Query("count(tapline_worker_assigned_partitions > 0)", ""),),
            kind="stat",
            width=4,
        ),
        Panel(
            "Partitions at work",
            "As many as all topics that workers read have, or some are with nobody.",
            (Query("sum(tapline_worker_assigned_partitions)", ""),),
            kind="stat",
            width=4,
        ),
        Panel(
            "Records that differ",
            "Announced and not received, or received and not announced, since the workers began; a fault.",
            (Query('sum(tapline_worker_conservation_records_total{difference=~"missing|unannounced"})', ""),),
            kind="stat",
            width=4,
        ),
        Panel(
            "Conditions engaged",
            "Alerts that were raised and not released.",
            (Query("sum(tapline_alerts_engaged)", ""),),
            kind="stat",
            width=4,
        ),
        Panel(
            "Scripts suspended or broken",
            "Which and why: `tapline scripts list`.",
            (Query('sum(tapline_script_instances{state=~"suspended|broken"}) or vector(0)', ""),),
            kind="stat",
            width=4,
        ),
    ),
    "Capture": (
        Panel(
            "Packets",
            "Read, by source.",
            (Query(_rate("tapline_capture_packets_total", "source"), "{{source}}"),),
            unit="pps",
        ),
        Panel(
            "Traffic",
            "Bits of the packets, as on the wire, or of lines.",
            (Query(f"sum by (source) (8 * rate(tapline_capture_bytes_total{_RATE}))", "{{source}}"),),
            unit="bps",
        ),
        Panel(
            "Records to Kafka",
            "By kind.",
            (Query(_rate("tapline_capture_records_total", "kind"), "{{kind}}"),),
        ),
        Panel(
            "Dropped and rejected",
            "Lost packets and records, and lines that cannot be used, by reason.",
            (
                Query(_rate("tapline_capture_dropped_total", "reason"), "dropped: {{reason}}"),
                Query(_rate("tapline_capture_rejected_lines_total", "reason"), "rejected: {{reason}}"),
            ),
        ),
        Panel(
            "Ignored packets",
            "That belong to no flow, by reason.",
            (Query(_rate("tapline_capture_ignored_packets_total", "reason"), "{{reason}}"),),
            unit="pps",
        ),
        Panel(
            "Waiting for Kafka",
            "Messages not yet acknowledged, and times a second that a reader waited for room.",
            (
                Query("sum by (instance) (tapline_capture_queue_messages)", "queued: {{instance}}"),
                Query(_rate("tapline_capture_waits_total", "instance"), "waits: {{instance}}"),
            ),
        ),
    ),
    "Workers": (
        Panel(
            "Lag",
            "Messages in Kafka that workers have not used, by topic.",
            (Query("sum by (topic) (tapline_worker_lag_messages)", "{{topic}}"),),
        ),
        Panel(
            "Records into windows",
            "By topic.",
            (Query(_rate("tapline_worker_records_total", "topic"), "{{topic}}"),),
        ),
        Panel(
            "Windows closed",
            "By topic; one a minute, stream and partition.",
            (Query(_rate("tapline_worker_windows_closed_total", "topic"), "{{topic}}"),),
        ),
        Panel(
            "Conservation",
            "Records in which windows differ from their announcement.",
            (Query(_rate("tapline_worker_conservation_records_total", "difference"), "{{difference}}"),),
        ),
        Panel(
            "Left out and dead letters",
            "Records not taken into a window, and messages that cannot be used, by reason.",
            (
                Query(_rate("tapline_worker_dropped_records_total", "reason"), "left out: {{reason}}"),
                Query(_rate("tapline_worker_dead_letters_total", "reason"), "dead letter: {{reason}}"),
            ),
        ),
        Panel(
            "Restarts and commits",
            "Workers started again, by cause; offset commits, by outcome.",
            (
                Query(_rate("tapline_child_restarts_total", "cause"), "restart: {{cause}}"),
                Query(_rate("tapline_worker_commits_total", "outcome"), "commit: {{outcome}}"),
            ),
        ),
    ),
    "Scripts and alerts": (
        Panel(
            "Time of scripts",
            "Share of one processor, the ten that take most.",
            (Query(f"topk(10, sum by (script) (rate(tapline_script_seconds_total{_RATE})))", "{{script}}"),),
            unit="percentunit",
        ),
        Panel(
            "Errors of scripts",
            "Hook calls that raised.",
            (Query(_rate("tapline_script_errors_total", "script", "hook"), "{{script}} {{hook}}"),),
        ),
        Panel(
            "Alerts",
            "What became of those that came.",
            (Query(_rate("tapline_alerts_total", "outcome"), "{{outcome}}"),),
        ),
    ),
    "Export": (
        Panel(
            "Documents",
            "What became of the records that the exporter to Elasticsearch read.",
            (Query(_rate("tapline_exporter_documents_total", "outcome"), "{{outcome}}"),),
        ),
        Panel(
            "Lag",
            "Messages in Kafka that exporters have not read, by topic.",
            (Query("sum by (topic) (tapline_exporter_lag_messages)", "{{topic}}"),),
        ),
        Panel(
            "Oldest that waits",
            "How long ago Kafka took the oldest message that is read and not exported.",
            (Query("max by (topic) (tapline_exporter_oldest_unexported_seconds)", "{{topic}}"),),
            unit="s",
        ),
        Panel(
            "Time of a bulk",
            "Until Elasticsearch has answered, for half and for 99 of 100.",
            tuple(
                Query(
                    f"histogram_quantile({share}, sum by (le) (rate(tapline_exporter_bulk_seconds_bucket{_RATE})))",
                    name,
                )
                for share, name in ((0.5, "half"), (0.99, "99 %"))
            ),
            unit="s",
        ),
        Panel(
            "Tried again and rejected",
            "By reason.",
            (
                Query(_rate("tapline_exporter_retries_total", "reason"), "again: {{reason}}"),
                Query(_rate("tapline_exporter_rejections_total", "reason"), "rejected: {{reason}}"),
            ),
        ),
        Panel(
            "Bulks under way",
            "Sent and not committed, and the bytes at which the next is sent.",
            (
                Query("sum(tapline_exporter_bulks_in_flight)", "bulks"),
                Query("avg(tapline_exporter_bulk_target_bytes) / 1e6", "megabytes each"),
            ),
        ),
    ),
    "Processes": (
        Panel(
            "Processor time",
            "Share of one processor.",
            (Query(f"rate(process_cpu_seconds_total{_OURS}{_RATE})", "{{job}} {{instance}}"),),
            unit="percentunit",
            width=12,
        ),
        Panel(
            "Memory",
            "Resident.",
            (Query(f"process_resident_memory_bytes{_OURS}", "{{job}} {{instance}}"),),
            unit="bytes",
            width=12,
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it; which Prometheus it asks is chosen at its head."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": top, "w": _WIDTH, "h": 1},
            }
        )
        top += 1
        left, height = 0, 0
        for panel in row:
            if left + panel.width > _WIDTH:
                left, top = 0, top + height
            height = 4 if panel.kind == "stat" else 8
            panels.append(_panel(panel, len(panels) + 1, {"x": left, "y": top, "w": panel.width, "h": height}))
            left += panel.width
        top += height
    return {
        "uid": "tapline",
        "title": "Tapline",
        "description": "Capture, workers, scripts and export, from the metrics that each process shows.",
        "tags": ["tapline"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}]
        },
        "panels": panels,
    }


def dashboard_file() -> str:
    """The dashboard's file."""
    return json.dumps(dashboard(), indent=2) + "\n"


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}} if panel.kind == "stat" else {},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend or "__auto",
            }
            for index, query in enumerate(panel.queries)
        ],
    }
