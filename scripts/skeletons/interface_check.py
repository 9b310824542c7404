"""What this check finds wrong with interfaces.

An interface check looks at each observation point once a minute, five minutes, hour or day.

Run it:  tapline scripts enable skeleton.py
"""

from tapline import Entity, Gui, InterfaceCheck, Threshold


class Skeleton(InterfaceCheck):
    """Alerts on an interface that carries very much."""

    name = "skeleton"
    gui = Gui(title="Busy interface")

    # The counter groups whose meters it sees, in entity.meters.
    groups = ("Interfaces", "Capture")
    packet_interface_only = False  # not where records came from NetFlow or logs
    category = "network"
    score = 100  # 0 to 250; severity follows from it

    class params(Threshold):
        """Set them for all or for some under `policy`; each granularity may have its own."""

        threshold: float = 100_000_000

    def min(self, entity: Entity) -> None:
        """Each minute, for each interface that was counted in it or that is alerted."""
        # Raised when the threshold is crossed, released by itself when it no longer is.
        self.check_threshold(entity, entity.rate("bytes"), "bytes", unit="bytes")

    # def five_minutes(self, entity: Entity) -> None:
    #     """Every five minutes; entity.meters are totals of these."""

    # def hour(self, entity: Entity) -> None:
    #     """Each hour."""

    # def day(self, entity: Entity) -> None:
    #     """Each day, at midnight UTC."""

    # def all(self, entity: Entity) -> None:
    #     """In the place of each of these that is not written."""

    # def setup(self) -> bool | None:
    #     """Begin: read lists from `self.folder`. Return False to stay out of service."""

    # def teardown(self) -> None:
    #     """End: close what setup opened."""
