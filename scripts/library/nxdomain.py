"""Count the names that do not exist, by who asks for them, and alert where there are many.

Malware that makes up names asks for many that nobody has registered. tshark lets through the answers that say so.
"""

from collections import Counter
from typing import Any

from tapline import CounterGroup, Meter, PacketMonitor, Params

NXDOMAIN = CounterGroup("NXDOMAIN", (Meter("answers", description="answers that a name does not exist"),), "client")


class Nxdomain(PacketMonitor):
    """Raises ``nxdomain`` once a window on a client that was told so too often."""

    name = "nxdomain"
    display_filter = "dns.flags.response == 1 && dns.flags.rcode == 3 && !mdns"

    class params(Params):
        """``most`` such answers in a window are none too many; ``clients`` are remembered."""

        most: int = 20
        clients: int = 100_000

    def on_load(self) -> None:
        """Nobody has asked yet."""
        self.asked: Counter[str] = Counter()

    def on_packet(self, packet: Any) -> None:
        """Read an answer: it goes to whoever asked."""
        client = self.ends.destination_ip
        self.count(NXDOMAIN, client, answers=1)
        if client not in self.asked and len(self.asked) >= self.params.clients:
            return
        self.asked[client] += 1
        if self.asked[client] == self.params.most + 1:
            message = (
                f"{client} asked for more than {self.params.most} names that do not exist, the last {name_in(packet)}"
            )
            self.alert("nxdomain", self.ends, message, attributes={"client": client})

    def on_end_flush(self, window: int) -> None:
        """Begin anew."""
        self.asked.clear()


def name_in(packet: Any) -> str:
    """The name that was asked for; the first where there are several."""
    names = packet.dns.get_field_as_list("qry_name")
    return str(names[0])
