"""The drill-downs that several dashboards have: host → its flows → its alerts."""

from __future__ import annotations

from typing import Final

from exporters.kibana.definitions import Drilldown

TO_FLOWS: Final = Drilldown("Its flows", "flows")
TO_ALERTS: Final = Drilldown("Its alerts", "alerts")
