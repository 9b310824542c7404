"""The controls that several dashboards have."""

from __future__ import annotations

from exporters.kibana.definitions import Control


def ends(view: str) -> tuple[Control, ...]:
    """Who asked and who answered, of a data view that has both."""
    return (Control("source.ip", "Source", view), Control("destination.ip", "Destination", view))
