"""What this script looks for, and what it does when it finds it.

A packet monitor sees the packets that a display filter of Wireshark's lets through, where they are captured. tshark
looks at all packets, Python only at those: keep the filter narrow. A hook that is not written costs nothing: keep the
ones you need.

Try it:  tapline try skeleton.py CAPTURE
Run it:  tapline scripts enable skeleton.py, and start the capture node again
"""

from typing import Any

from tapline import PacketMonitor, Params


class Skeleton(PacketMonitor):
    """Alerts on a long name in a question."""

    name = "skeleton"

    # Which packets it sees, as in Wireshark's filter bar; `frame` is every packet.
    display_filter = "dns.flags.response == 0 && dns.qry.name.len > 50"

    class params(Params):
        """Set them under `workers.params.skeleton` in tapline.yaml, or with `tapline try --param longest=…`."""

        longest: int = 100

    def on_packet(self, packet: Any) -> None:
        """A packet, as pyshark has it: `packet.dns.qry_name` is the field `dns.qry.name` of Wireshark."""
        name = packet.dns.qry_name
        if len(name) > self.params.longest:
            # `self.ends` is the flow that the packet belongs to.
            self.alert("long-name", self.ends, f"{self.ends.source_ip} asks for a name of {len(name)} letters")
            self.tag(self.ends, "long-name")

    # def on_load(self) -> bool | None:
    #     """Begin: read lists from `self.folder`. Return False to stay out of service."""

    # def on_unload(self) -> None:
    #     """End: close what on_load opened."""

    # def on_metronome(self, second: int) -> None:
    #     """Each second of the packets' time."""

    # def on_begin_flush(self, window: int) -> None:
    #     """A window has ended; `window` is its start in epoch seconds."""

    # def on_end_flush(self, window: int) -> None:
    #     """As on_begin_flush, after that of all scripts."""
