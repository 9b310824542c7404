"""Checks of what is counted: hosts, interfaces, networks, the system, SNMP devices and their interfaces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from tapline.checks.alert_types import Category
from tapline.checks.base import Check, Threshold
from tapline.checks.entities import Entity, EntityKind


class PeriodicCheck(Check):
    """Runs once a period for each entity of its kind that was counted in it, or is alerted.

    ``groups`` are the counter groups whose meters it sees. A period's hook runs when its last window has ended.
    A check that looks at the score of hosts says that its alerts are not ``counts_to_score``: they would hold
    themselves. Unless it declares others, its parameters are an operator and a threshold.

    ``reads`` are the meters that it sees in hooks of five minutes, an hour and a day: what is kept that long costs
    memory for each entity. Without it a check sees all of its groups; one that only compares its ``meter`` sees that.
    """

    kind: ClassVar[EntityKind] = "host"
    groups: ClassVar[tuple[str, ...]] = ()
    counts_to_score: ClassVar[bool] = True

    params_type = Threshold
    params: Any = Threshold()
    meter: ClassVar[str] = ""
    reads: ClassVar[tuple[str, ...]] = ()
    unit: ClassVar[str] = ""

    def measured(self, entity: Entity) -> float | None:
        """What :meth:`compare` compares: ``meter`` of the period; ``None`` compares nothing."""
        return entity.value(self.meter)

    def compare(self, entity: Entity) -> None:
        """Compare what was measured with the threshold; a check takes it as the hooks it is to run at.

        As in ``min = hour = HostCheck.compare``.
        """
        value = self.measured(entity)
        if value is not None:
            self.check_threshold(entity, value, self.meter, unit=self.unit)

    @classmethod
    def compares_plainly(cls, hook: str) -> bool:
        """True where a hook is :meth:`compare` of a meter with a threshold, and nothing of it is written anew."""
        return (
            getattr(cls, hook) is PeriodicCheck.compare
            and cls.measured is PeriodicCheck.measured
            and cls.check_threshold is Check.check_threshold
            and getattr(cls.params_type, "crossed", None) is Threshold.crossed
        )

    @classmethod
    def meters_kept(cls, hooks: Iterable[str]) -> tuple[str, ...]:
        """The meters that these hooks read, for which they are kept beyond a minute; empty where that can be any."""
        if cls.reads:
            return cls.reads
        return (cls.meter,) if all(cls.compares_plainly(hook) for hook in hooks) else ()

    def min(self, entity: Entity) -> None:
        """Each minute."""

    def five_minutes(self, entity: Entity) -> None:
        """Every five minutes."""

    def hour(self, entity: Entity) -> None:
        """Each hour."""

    def day(self, entity: Entity) -> None:
        """Each day, at midnight UTC."""

    def all(self, entity: Entity) -> None:
        """At each granularity whose hook is not written."""


class HostCheck(PeriodicCheck):
    """Looks at hosts, by address; ``local_only`` leaves out those of others."""

    kind = "host"
    groups: ClassVar[tuple[str, ...]] = ("Hosts", "Behaviour", "Scores")
    local_only: ClassVar[bool] = False


class InterfaceCheck(PeriodicCheck):
    """Looks at interfaces (observation points)."""

    kind = "interface"
    groups: ClassVar[tuple[str, ...]] = ("Interfaces", "Capture")


class NetworkCheck(PeriodicCheck):
    """Looks at networks, the subnets that hosts are counted in."""

    kind = "network"
    groups: ClassVar[tuple[str, ...]] = ("Subnets", "Subnet Behaviour")


class SystemCheck(PeriodicCheck):
    """Looks at Tapline itself and the machines it runs on: nodes, topics, scripts."""

    kind = "system"
    category: ClassVar[Category] = "system"
    groups: ClassVar[tuple[str, ...]] = ("Conservation",)


class SnmpDeviceCheck(PeriodicCheck):
    """Looks at SNMP devices, by address."""

    kind = "snmp_device"
    groups: ClassVar[tuple[str, ...]] = ("SNMP-Device",)


class SnmpInterfaceCheck(PeriodicCheck):
    """Looks at interfaces of SNMP devices, as ``192.0.2.1:3``."""

    kind = "snmp_interface"
    groups: ClassVar[tuple[str, ...]] = ("SNMP-Interface",)
