"""Alert when an address is claimed by another network card than before (ARP, RFC 826).

That is how traffic is diverted in a local network; it is also what a replaced card looks like, or an address that was
given to another machine.
"""

from collections import OrderedDict
from ipaddress import ip_address
from typing import Any

from tapline import PacketMonitor, Params


class ArpSpoof(PacketMonitor):
    """Raises ``arp-spoof`` on the address."""

    name = "arp_spoof"
    display_filter = "(arp.opcode == 2 || arp.isgratuitous) && arp.src.hw_mac && arp.src.proto_ipv4"

    class params(Params):
        """Of so many addresses the card is remembered, those longest unheard of go first."""

        addresses: int = 10_000

    def on_load(self) -> None:
        """No card is known yet."""
        self.cards: OrderedDict[str, str] = OrderedDict()

    def on_packet(self, packet: Any) -> None:
        """Read who claims which address."""
        address, card = packet.arp.src_proto_ipv4, packet.arp.src_hw_mac
        if not int(ip_address(address)):
            return
        before = self.cards.get(address)
        self.cards[address] = card
        self.cards.move_to_end(address)
        if len(self.cards) > self.params.addresses:
            self.cards.popitem(last=False)
        if before is not None and before != card:
            message = f"{address} was at {before} and is now claimed by {card}"
            self.alert("arp-spoof", self.ends, message, severity=5, attributes={"before": before, "now": card})
