"""Checks of interfaces: what comes in at an observation point, and what is lost there."""

from tapline.checks import Entity, Gui, InterfaceCheck, Patience
from tapline.checks.gui import ThresholdInput, Unit


def form(title: str, unit: Unit) -> Gui:
    """A form with an operator and a threshold."""
    return Gui(title=title, inputs=(ThresholdInput(unit=unit, minimum=0),))


class InterfaceBytes(InterfaceCheck):
    """Bytes seen on an interface in the period."""

    name = "interface_bytes"
    gui = form("Bytes", "bytes")
    default_enabled = False
    category = "network"
    meter = "bytes"
    unit = "bytes"
    min = five_minutes = hour = day = InterfaceCheck.compare


class InterfacePackets(InterfaceCheck):
    """Packets seen on an interface in the period."""

    name = "interface_packets"
    gui = form("Packets", "packets")
    default_enabled = False
    category = "network"
    meter = "packets"
    unit = "packets"
    min = five_minutes = hour = day = InterfaceCheck.compare


class InterfaceThroughput(InterfaceCheck):
    """Mean throughput of an interface in the period, in Mbit/s."""

    name = "interface_throughput"
    gui = form("Throughput", "mbits")
    default_enabled = False
    category = "network"
    meter = "throughput"
    reads = ("bytes",)
    unit = "Mbit/s"
    min = five_minutes = hour = day = InterfaceCheck.compare

    def measured(self, entity: Entity) -> float:
        return entity.rate("bytes") * 8 / 1e6


class InterfaceAnomaly(InterfaceCheck):
    """An interface carries more or less than it was learned to."""

    name = "interface_anomaly"
    gui = Gui(title="Traffic anomaly")
    default_enabled = False
    category = "network"
    score = 50
    reads = ("bytes",)

    def five_minutes(self, entity: Entity) -> None:
        self.check_anomaly(entity, "bytes")


class NoInterfaceActivity(InterfaceCheck):
    """An interface that is captured carries no packet at all."""

    name = "no_if_activity"
    groups = ("Capture",)
    gui = Gui(title="No activity")
    category = "network"
    score = 250
    patience = Patience(clear_runs=1)

    def min(self, entity: Entity) -> None:
        if not entity.value("packets"):
            self.trigger(entity, self.type_info(f"{entity.name} has carried no packet for a minute"))


class TooManyDrops(InterfaceCheck):
    """Share of packets that were lost before they could be looked at, in percent."""

    name = "too_many_drops"
    groups = ("Capture",)
    gui = form("Packets dropped", "%")
    category = "internals"
    meter = "packets dropped"
    unit = "%"
    min = InterfaceCheck.compare
    default_value = "too_many_drops;gt;5"

    def measured(self, entity: Entity) -> float | None:
        dropped = entity.value("dropped")
        return dropped * 100 / (entity.value("packets") + dropped) if dropped > 100 else 0
