"""What all checks share: how they are configured and shown, and how they trigger and release alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

from tapline.checks import alert_types
from tapline.checks.alert_types import AlertType, Category, TypeInfo
from tapline.checks.entities import Entity
from tapline.checks.gui import Gui
from tapline.checks.runtime import CheckRuntime
from tapline.script import Params, Script

Operator = Literal["gt", "lt"]


class Patience(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How slow a condition is to be believed, in runs of its check.

    It is triggered after ``for_runs`` runs in a row in which it holds and released after ``clear_runs`` in a row in
    which it does not, and not before it was engaged for ``hold_seconds``. With a ``clear_threshold`` a value
    between that and the threshold keeps what was.
    """

    for_runs: int = 1
    clear_runs: int = 5
    hold_seconds: int = 0
    clear_threshold: float | None = None


class Threshold(Params, frozen=True, kw_only=True):
    """Parameters of a check that compares one value: strictly greater (``gt``) or less (``lt``)."""

    operator: Operator = "gt"
    threshold: float = 0

    def crossed(self, value: float) -> bool:
        """True when the value is beyond the threshold."""
        return value > self.threshold if self.operator == "gt" else value < self.threshold


class Items(Params, frozen=True, kw_only=True):
    """Parameters of a check that compares with a list."""

    items: tuple[str, ...] = ()


def default_params(value: str | Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a ``default_value`` names; :class:`ValueError` where it is none.

    ``"syn_flood;gt;256"`` is an operator and a threshold (what stands first is the check's name there), a
    mapping names parameters.
    """
    if isinstance(value, Mapping):
        return dict(value)
    parts = value.split(";") if isinstance(value, str) else []
    try:
        _, operator, threshold = parts
        return {"operator": operator.strip(), "threshold": float(threshold)}
    except ValueError:
        raise ValueError(
            f"default_value has to be 'key;operator;value', as 'syn_flood;gt;256', or a mapping, not {value!r}"
        ) from None


class Check(Script):
    """A script whose parameters people set per entity, and whose alerts last as long as it asserts them.

    In each hook ``params`` are those in force for the entity at hand. ``default_value`` gives them as ntopng
    does, ``"key;operator;value"`` or a mapping. Checks of a higher ``priority`` run earlier. ``score`` is what a
    finding counts for (0 to 250); severity follows from it. ``packet_interface_only`` keeps it from what was not
    made of packets (NetFlow, logs); ``nedge_only`` marks checks for a device that forwards traffic, which do not
    run here, and ``nedge_exclude`` those that such a device leaves out.
    """

    gui: ClassVar[Gui] = Gui()
    category: ClassVar[Category] = "security"
    alert_type: ClassVar[AlertType | None] = None
    score: ClassVar[int] = 100
    priority: ClassVar[int] = 0
    default_enabled: ClassVar[bool] = True
    default_value: ClassVar[str | Mapping[str, Any]] = ""
    patience: ClassVar[Patience] = Patience()
    packet_interface_only: ClassVar[bool] = False
    nedge_only: ClassVar[bool] = False
    nedge_exclude: ClassVar[bool] = False

    runtime: CheckRuntime

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not vars(cls).get("default_value"):
            return
        given = default_params(cls.default_value)
        if cls.params_type is Params:
            cls.params_type = Items if "items" in given else Threshold
            cls.params = cls.params_type()
        if not isinstance(cls.params, Params):
            return
        try:
            cls.params = msgspec.convert({**msgspec.structs.asdict(cls.params), **given}, cls.params_type)
        except msgspec.ValidationError as error:
            raise ValueError(f"default_value of {cls.__name__}: {error}") from error

    def setup(self) -> bool | None:
        """Begin, once for each instance; ``False`` keeps the check out of service."""

    def teardown(self) -> None:
        """End, once for each instance."""

    @property
    def type(self) -> AlertType:
        """The type of its alerts: the one it declares, or one of its own name."""
        return self.alert_type or AlertType(
            name=self.script_name, title=self.gui.title, category=self.category, score=self.score
        )

    @property
    def _type_name(self) -> str:
        return self.alert_type.name if self.alert_type else self.script_name

    def type_info(self, message: str, **fields: Any) -> TypeInfo:
        """What an alert of this check says; ``fields`` are those of :class:`~tapline.checks.alert_types.TypeInfo`."""
        fields.setdefault("score", self.score)
        return TypeInfo(type=self.type, message=message, **fields)

    def trigger(self, entity: Entity, info: TypeInfo) -> None:
        """Say that a condition holds in this run; it is released by itself when no run says so any more."""
        self.runtime.condition(self, entity, info, holds=True)

    def release(self, entity: Entity, info: TypeInfo) -> None:
        """Say that a condition does not hold; for one that is not engaged that changes nothing."""
        self.runtime.condition(self, entity, info, holds=False)

    def store_alert(self, entity: Entity, info: TypeInfo) -> None:
        """Raise an alert that has no end."""
        self.runtime.store_alert(self, entity, info)

    def check_threshold(self, entity: Entity, value: float, metric: str = "", *, unit: str = "", **fields: Any) -> bool:
        """Compare a value with the parameters ``operator`` and ``threshold`` and trigger or release; true when crossed.

        What ntopng's ``threshold_check_function`` does. A value between the patience's ``clear_threshold`` and the
        threshold keeps an engaged alert engaged.
        """
        params = self.params
        crossed: bool = params.crossed(value)
        if not crossed and (not entity.engaged or self._type_name not in entity.engaged):
            return False
        fields.setdefault("score", self.score)
        info = alert_types.threshold_cross(
            metric or self.script_name, value, params.operator, params.threshold, unit=unit, type=self.type, **fields
        )
        self.runtime.condition(self, entity, info, holds=crossed)
        return crossed

    def check_anomaly(self, entity: Entity, metric: str) -> bool:
        """Trigger or release by whether a meter has left the band learned for the entity; true when it has.

        What ntopng's ``anomaly_check_function`` does. The first call for an entity begins to learn.
        """
        band = self.runtime.band(self, entity, metric)
        info = alert_types.anomaly(metric, entity.value(metric), band.lower, band.upper, method=band.method)
        self.runtime.condition(self, entity, info, holds=band.left)
        return band.left

    def delta(self, entity: Entity, metric: str, value: float, *, skip_first: bool = False) -> float:
        """How much a value that only grows has grown since this check's last run on the entity at this granularity.

        The first time it is the value itself, or 0 with ``skip_first``; a value that has become less began anew.
        """
        before = self.runtime.remember(self, entity, metric, value)
        if before is None:
            return 0 if skip_first else value
        return value - before if value >= before else value
