"""Tag flows with the name that the address was looked up by.

One script learns names from DNS answers and tells the other, which sees flows, on whatever worker it runs.
A flow gets the last two labels of the name (``example.com``) of its destination, else of its source. A
name is known from the moment its answer is told, and flows are tagged at the end of their window, so that most
get the name they were made for; one that comes from another worker may come too late for the first.
"""

import json
from collections import OrderedDict

from tapline import Flow, Message, Params, Resource, ResourceMonitor, SessionMonitor

SUBJECT = "passive-dns"


class Limits(Params):
    """``most`` addresses are remembered by an instance, those looked up longest ago go first."""

    most: int = 100_000
    labels: int = 2


class Remembered(OrderedDict[str, str]):
    """Names by address, as many as fit."""

    def remember(self, ip: str, name: str, most: int) -> bool:
        """Note a name; False if it was known."""
        known = self.get(ip) == name
        self[ip] = name
        self.move_to_end(ip)
        if len(self) > most:
            self.popitem(last=False)
        return not known


class PassiveDns(ResourceMonitor):
    """Tells the names of addresses that it has not told yet."""

    name = "passive_dns"
    group = "dns"

    class params(Limits):
        """As of the module."""

    def on_load(self) -> None:
        """Nothing was told yet."""
        self.told = Remembered()

    def on_new_resource(self, resource: Resource) -> None:
        """Read an answer."""
        if resource.dns is None or resource.dns.type != "answer":
            return
        name = resource.uri.lower().rstrip(".")
        new = [ip for ip in resource.dns.resolved_ips if self.told.remember(ip, name, self.params.most)]
        if new:
            self.send(SUBJECT, {"name": name, "addresses": new})


class NamedFlows(SessionMonitor):
    """Tags flows of the window that has ended."""

    name = "passive_dns_tags"
    subscriptions = (SUBJECT,)

    class params(Limits):
        """As of the module; ``labels`` of the name are in the tag."""

    def on_load(self) -> None:
        """No name is known yet."""
        self.names = Remembered()

    def on_message(self, message: Message) -> None:
        """Learn a name."""
        told = json.loads(message.payload)
        for ip in told["addresses"]:
            self.names.remember(ip, told["name"], self.params.most)

    def on_flush(self, flow: Flow) -> None:
        """Tag a flow whose address has a name."""
        name = self.names.get(flow.destination_ip) or self.names.get(flow.source_ip)
        if name:
            self.tag(flow, ".".join(name.split(".")[-self.params.labels :]))
