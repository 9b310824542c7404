"""The dashboards that ship, one module each, in the order of their links."""

from __future__ import annotations

from typing import Final

from exporters.kibana.dashboards.alerts import ALERTS
from exporters.kibana.dashboards.applications import APPLICATIONS
from exporters.kibana.dashboards.dns import DNS
from exporters.kibana.dashboards.files import FILES
from exporters.kibana.dashboards.flows import FLOWS
from exporters.kibana.dashboards.hosts import HOSTS
from exporters.kibana.dashboards.http import HTTP
from exporters.kibana.dashboards.overview import OVERVIEW
from exporters.kibana.dashboards.pipeline import PIPELINE
from exporters.kibana.dashboards.tls import TLS
from exporters.kibana.dashboards.trackers import TRACKERS
from exporters.kibana.definitions import Dashboard

DASHBOARDS: Final[tuple[Dashboard, ...]] = (
    OVERVIEW,
    FLOWS,
    HOSTS,
    APPLICATIONS,
    DNS,
    HTTP,
    TLS,
    FILES,
    ALERTS,
    TRACKERS,
    PIPELINE,
)
