"""The scores of hosts: what their flows count for and what the alerts engaged on them do."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Final

from tapline.checks.entities import Entity
from workers.alerts.conditions import Engaged
from workers.counting.counter_sums import Place
from workers.counting.groups import SCORES
from workers.counting.meters import Number

CATEGORIES: Final = ("network", "security")
"""The categories that have a part of the score of their own."""

_MOST_NAMED: Final = 10


def add_alerts(
    results: dict[Place, dict[str, Number]],
    engaged: Mapping[str, Iterable[Engaged]],
    left_out: Container[str],
) -> dict[str, list[Engaged]]:
    """Put to the scores of a window what the alerts engaged on hosts count for, and say which those are.

    Results without a part of alerts are the flows'. Alerts of the types ``left_out`` do not count: those that look
    at the score would keep themselves engaged.
    """
    counting: dict[str, list[Engaged]] = {}
    for (group, _), meters in results.items():
        if group == SCORES.name:
            meters["flows"] = meters.get("score", 0)
            meters["alerts"] = 0
    for host, alerts in engaged.items():
        mine = [alert for alert in alerts if alert.type not in left_out and alert.score]
        if not mine:
            continue
        counting[host] = mine
        meters = results.setdefault((SCORES.name, host), {"score": 0, "flows": 0, "alerts": 0})
        for alert in mine:
            meters["score"] = meters.get("score", 0) + alert.score
            meters["alerts"] = meters.get("alerts", 0) + alert.score
            if alert.category in CATEGORIES:
                meters[alert.category] = meters.get(alert.category, 0) + alert.score
    return counting


def explain(entity: Entity, alerts: Iterable[Engaged]) -> dict[str, str]:
    """Why a host has its score, as attributes of an alert: its parts, and the alerts with what each counts for."""
    found = {
        f"score_{part}": f"{entity.value(part):g}" for part in ("flows", "alerts", *CATEGORIES) if part in entity.meters
    }
    largest = sorted(alerts, key=lambda alert: (-alert.score, alert.type))
    if largest:
        found["score_reasons"] = ", ".join(f"{alert.type} {alert.score}" for alert in largest[:_MOST_NAMED])
        if len(largest) > _MOST_NAMED:
            found["score_reasons"] += f" and {len(largest) - _MOST_NAMED} more"
    return found
