"""How processes log and where they can be looked at."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class ProcessSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``process:`` block, shared by all long-running processes.

    ``log_format`` ``auto`` is plain lines on a terminal and JSON elsewhere. ``metrics_host`` is the
    address on which ``/metrics``, ``/healthz`` and ``/readyz`` are served; the ports are those of the
    components.
    """

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "plain"] = "auto"
    metrics_host: str = "127.0.0.1"
