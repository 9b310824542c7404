"""Which stage works on which topic: the monitor types and what each of them reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from topics.catalog import ALERT, DOCUMENT, FLOW, METRIC, PARTIAL, RANKING, RESOURCE, Topic
from topics.errors import TaplineError
from workers.alert_monitor import AlertCore
from workers.cg_monitor import CounterCore
from workers.checks.flow_checks import CheckedSessionCore
from workers.checks.resource_checks import CheckedResourceCore
from workers.checks.syslog_handlers import HandledTextCore
from workers.engine_monitor import ENGINE_PARTITION, EngineSessionCore
from workers.environment import Environment
from workers.flow_tracker import TrackedSessionCore
from workers.fts_monitor import FullTextCore
from workers.metric_monitor import MetricCore
from workers.ranking import RankingCore
from workers.resource_monitor import ResourceCore
from workers.sg_monitor import SessionCore
from workers.windows.core import MonitorCore
from workers.windows.stage import Stage

MONITORS: Final[Mapping[str, Topic]] = {
    "sg_monitor": FLOW,
    "flow_checks": FLOW,
    "engine_monitor": FLOW,
    "flow_tracker": FLOW,
    "cg_monitor": PARTIAL,
    "ranking": RANKING,
    "metric_monitor": METRIC,
    "alert_monitor": ALERT,
    "resource_monitor": RESOURCE,
    "fts_monitor": DOCUMENT,
    "syslog_handlers": DOCUMENT,
}
"""The topic each monitor reads.

Flow checks, the engine monitor and the flow trackers ride on the session monitor's windows, syslog handlers on those of
the full text monitor.
"""


def topics_of(monitors: Sequence[str]) -> list[Topic]:
    """The topics these monitors read, all when none is named; :class:`TaplineError` for an unknown name."""
    for name in monitors:
        if name not in MONITORS:
            raise TaplineError(f"there is no monitor {name!r}; there are {', '.join(MONITORS)}")
    wanted = [MONITORS[name] for name in monitors or MONITORS]
    return list(dict.fromkeys(wanted))


def build(topic: Topic, partition: int, environment: Environment) -> Stage:
    """The stage of one partition, not yet started."""
    return Stage(topic, partition, _CORES[topic.kind](partition, environment), environment)


def _flow(partition: int, environment: Environment) -> MonitorCore:
    instance = f"flow-{partition}"
    checked = CheckedSessionCore(environment, SessionCore(environment, instance), instance)
    sessions = TrackedSessionCore(environment, checked, instance)
    return EngineSessionCore(environment, sessions, instance) if partition == ENGINE_PARTITION else sessions


def _document(partition: int, environment: Environment) -> MonitorCore:
    instance = f"document-{partition}"
    return HandledTextCore(environment, FullTextCore(environment, instance), instance)


def _resources(partition: int, environment: Environment) -> MonitorCore:
    instance = f"resource-{partition}"
    return CheckedResourceCore(environment, ResourceCore(environment, instance), instance)


_CORES: Final[Mapping[str, Callable[[int, Environment], MonitorCore]]] = {
    FLOW.kind: _flow,
    PARTIAL.kind: lambda partition, environment: CounterCore(environment, f"partial-{partition}"),
    RANKING.kind: lambda partition, environment: RankingCore(environment, f"ranking-{partition}"),
    METRIC.kind: lambda partition, environment: MetricCore(environment, f"metric-{partition}"),
    ALERT.kind: lambda partition, environment: AlertCore(environment, f"alert-{partition}"),
    RESOURCE.kind: _resources,
    DOCUMENT.kind: _document,
}
