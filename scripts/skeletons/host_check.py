"""What this check finds wrong with hosts.

A host check looks at each host once a minute, five minutes, hour or day: at what was counted of it in that time.

Run it:  tapline scripts enable skeleton.py
"""

from tapline import Entity, Gui, HostCheck, Threshold


class Skeleton(HostCheck):
    """Alerts on a host with very many flows."""

    name = "skeleton"
    gui = Gui(title="Many flows")

    # The counter groups whose meters it sees, in entity.meters.
    groups = ("Hosts", "Behaviour", "Scores")
    local_only = False  # only those of workers.local_networks
    category = "network"
    score = 100  # 0 to 250; severity follows from it

    class params(Threshold):
        """Set them for all or for some under `policy`; each granularity may have its own."""

        threshold: float = 10_000

    def min(self, entity: Entity) -> None:
        """Each minute, for each host that was counted in it or that is alerted."""
        # Raised when the threshold is crossed, released by itself when it no longer is.
        self.check_threshold(entity, entity.value("flows"), "flows", unit="flows")

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
