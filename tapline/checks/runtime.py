"""What a running check speaks to, beside what all scripts do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from tapline.script import Runtime

if TYPE_CHECKING:
    from tapline.checks.alert_types import TypeInfo
    from tapline.checks.base import Check
    from tapline.checks.entities import Entity
    from tapline.checks.flow_check import FlowStatus
    from topics.records import Endpoints, Flow


class Band(Struct, frozen=True, kw_only=True):
    """Where a value was expected: ``left`` is true when it is outside, never while the band is still being learned."""

    lower: float
    upper: float
    left: bool = False
    learning: bool = True
    method: str = ""


class CheckRuntime(Runtime, Protocol):
    """What checks are given; see :mod:`workers.checks`."""

    def condition(self, check: Check, entity: Entity, info: TypeInfo, *, holds: bool) -> None:
        """Say whether a condition holds in this run."""

    def store_alert(self, check: Check, entity: Entity, info: TypeInfo, about: Endpoints | None = None) -> None:
        """Raise an alert that has no end, with the ends of the record it is about."""

    def band(self, check: Check, entity: Entity, metric: str) -> Band:
        """Learn a meter's value and tell where it was expected."""

    def remember(self, check: Check, entity: Entity, metric: str, value: float) -> float | None:
        """Keep a value for the next run at this granularity; what the last one kept, if one did."""

    def flow_status(
        self,
        check: Check,
        flow: Flow,
        status: FlowStatus,
        info: str,
        score: int | None,
        client_score: int | None,
        server_score: int | None,
        *,
        alerted: bool,
        severity: int,
    ) -> None:
        """Set a status of a flow."""
