"""Checks of SNMP devices and their interfaces, on what is polled of them."""

from tapline.checks import Entity, Gui, SnmpDeviceCheck, SnmpInterfaceCheck, type_info
from tapline.checks.alert_types import status_change
from tapline.checks.gui import ThresholdInput, Unit

STATES = {1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "not present", 7: "lower layer down"}
"""What ifOperStatus can be (RFC 2863)."""


def form(title: str, unit: Unit) -> Gui:
    """A form with one threshold."""
    return Gui(title=title, inputs=(ThresholdInput(unit=unit, minimum=0, fixed_operator="gt"),))


class SnmpInterfaceErrors(SnmpInterfaceCheck):
    """Share of an interface's packets that had errors or were discarded, in percent."""

    name = "snmp_interface_errors"
    gui = form("Interface errors", "%")
    category = "network"
    meter = "errors"
    unit = "%"
    min = five_minutes = SnmpInterfaceCheck.compare
    default_value = "snmp_interface_errors;gt;5"

    def measured(self, entity: Entity) -> float:
        wrong = sum(entity.value(meter) for meter in ("in_errors", "out_errors", "in_discards", "out_discards"))
        packets = entity.value("in_packets") + entity.value("out_packets")
        return wrong * 100 / (packets + wrong) if wrong else 0


class SnmpInterfaceLoad(SnmpInterfaceCheck):
    """How much of an interface's speed is used in the busier direction, in percent."""

    name = "snmp_interface_load"
    gui = form("Interface load", "%")
    category = "network"
    default_enabled = False
    score = 50
    meter = "load"
    unit = "%"
    min = five_minutes = hour = SnmpInterfaceCheck.compare
    default_value = "snmp_interface_load;gt;90"

    def measured(self, entity: Entity) -> float | None:
        speed = entity.value("speed")
        busier = max(entity.value("in_bytes_per_second"), entity.value("out_bytes_per_second"))
        return busier * 8 * 100 / speed if speed else None


class SnmpStatusChanged(SnmpInterfaceCheck):
    """An interface went up or down."""

    name = "snmp_status_changed"
    gui = Gui(title="Interface status changed")
    category = "network"
    score = 50

    def min(self, entity: Entity) -> None:
        state = int(entity.value("oper_status"))
        before = int(self.store.get(entity.name, state))
        if state and state != before:
            info = status_change("interface", STATES.get(before, str(before)), STATES.get(state, str(state)))
            self.store_alert(entity, info)
        if state and self.store.get(entity.name) != state:
            self.store[entity.name] = state


class SnmpDeviceRestarted(SnmpDeviceCheck):
    """A device's uptime began anew."""

    name = "snmp_device_restarted"
    gui = Gui(title="Device restarted")
    category = "network"
    score = 50

    def min(self, entity: Entity) -> None:
        uptime = entity.value("uptime")
        before = self.store.get(entity.name, 0)
        if uptime and uptime < before:
            message = f"{entity.name} was restarted {uptime:g} seconds ago"
            self.store_alert(entity, type_info(self.type, message, value=uptime, threshold=before))
        if uptime:
            self.store[entity.name] = uptime


class SnmpDeviceSilent(SnmpDeviceCheck):
    """A device did not answer."""

    name = "snmp_device_silent"
    gui = Gui(title="Device does not answer")
    category = "network"

    def min(self, entity: Entity) -> None:
        failures = entity.value("failures")
        if failures and not entity.value("answers"):
            self.trigger(entity, self.type_info(f"{entity.name} did not answer {failures:g} times", value=failures))
