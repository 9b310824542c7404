"""Checks of who is there: addresses that change hands, devices that are new."""

from tapline.checks import Entity, Gui, HostCheck
from tapline.checks.alert_types import status_change


class IpReassignment(HostCheck):
    """An address of one's own networks was used by one device and is now used by another."""

    name = "ip_reassignment"
    groups = ("Hosts", "Contacts")
    gui = Gui(title="Address reassigned")
    local_only = True
    default_enabled = False
    category = "network"
    score = 50

    def min(self, entity: Entity) -> None:
        if entity.value("macs") != 1:
            return
        device = f"{int(entity.value('mac')):012x}"
        before = self.store.get(entity.name)
        if before == device:
            return
        self.store[entity.name] = device
        if before is not None:
            self.store_alert(entity, status_change("device of the address", before, device, peer=device))


class SeveralDevices(HostCheck):
    """An address of one's own networks is used by several devices at once: a conflict, or ARP spoofing."""

    name = "address_conflict"
    groups = ("Hosts", "Contacts")
    gui = Gui(title="Address used by several devices")
    local_only = True
    default_enabled = False
    score = 100

    def min(self, entity: Entity) -> None:
        devices = entity.value("macs")
        if devices > 1:
            self.trigger(entity, self.type_info(f"{entity.name} is used by {devices:g} devices", value=devices))


class NewDevice(HostCheck):
    """An address of one's own networks was never seen before."""

    name = "device_connection"
    gui = Gui(title="New device")
    local_only = True
    default_enabled = False
    category = "network"
    score = 10

    def min(self, entity: Entity) -> None:
        if entity.name not in self.store:
            self.store[entity.name] = entity.window
            self.store_alert(entity, self.type_info(f"{entity.name} is new"))
