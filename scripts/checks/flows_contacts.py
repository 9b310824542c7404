"""Who a flow is between: lists, countries, remote ends, servers that are not the expected ones."""

from pathlib import Path

from tapline import Params
from tapline.checks import FlowCheck, FlowStatus, Gui, Items, is_unicast
from tapline.checks.gui import ItemListInput, MultiSelectInput
from tapline.lists import ListFile, NetworkSet
from topics.records import Flow


class Blacklisted(FlowCheck):
    """One end of the flow is on a list: ``file``, beside this script, or one of those of the capture node."""

    name = "blacklisted"
    gui = Gui(title="Blacklisted")
    score = 200
    server_listed = FlowStatus(name="blacklisted", number=13, title="Blacklisted", score=200, client_share=95)
    client_listed = FlowStatus(
        name="blacklisted_client", number=14, title="Blacklisted client", score=50, client_share=33
    )

    class params(Params):
        """``file`` has addresses and networks; a relative path begins where this script lies."""

        file: str = "lists/networks.txt"

    def setup(self) -> bool | None:
        self.list = ListFile(NetworkSet, self.folder / Path(self.params.file))
        self.list.load()
        return None

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        hits = self.list.entries.hits
        return [
            flow
            for flow in flows
            if hits[flow.destination_ip]
            or hits[flow.source_ip]
            or flow.destination_blacklists
            or flow.source_blacklists
        ]

    def protocol_detected(self, flow: Flow) -> None:
        found = self._found("server", flow.destination_ip, flow.destination_blacklists)
        if found:
            self.trigger_status(flow, self.server_listed, found)
            return
        found = self._found("client", flow.source_ip, flow.source_blacklists)
        if found:
            self.trigger_status(flow, self.client_listed, found)

    def _found(self, side: str, address: str, blacklists: tuple[str, ...]) -> str:
        hit = self.list.entries.find(address)
        if hit is not None:
            return f"{side} {address} is on the list: {hit.entry} {hit.value}".rstrip()
        return f"{side} {address} is on the list {', '.join(blacklists)}" if blacklists else ""


class CountryCheck(FlowCheck):
    """One end of the flow is in a country of the list."""

    name = "country_check"
    gui = Gui(title="Blacklisted country", inputs=(ItemListInput(item="country"),))
    default_enabled = False
    priority = 20
    score = 60
    client_share = 85

    class params(Items):
        """``items`` are ISO 3166-1 codes of two letters."""

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return [flow for flow in flows if flow.destination_country or flow.source_country]

    def protocol_detected(self, flow: Flow) -> None:
        for country in (flow.destination_country, flow.source_country):
            if country and country in self.params.items:
                self.trigger_status(flow, info=f"contact with {country}")
                return


class RemoteToRemote(FlowCheck):
    """Neither end of the flow is of one's own networks."""

    name = "remote_to_remote"
    gui = Gui(title="Remote to remote")
    category = "network"
    score = 10
    client_share = 50
    direction = "external"

    def protocol_detected(self, flow: Flow) -> None:
        if is_unicast(flow):
            self.trigger_status(flow, info=f"{flow.source_ip} to {flow.destination_ip}")


class RemoteToLocalInsecure(FlowCheck):
    """A remote client speaks a protocol without encryption to a local server."""

    name = "remote_to_local_insecure"
    gui = Gui(title="Insecure protocol from remote", inputs=(ItemListInput(item="application"),))
    direction = "inbound"
    l4_proto = "TCP"

    class params(Items):
        """``items`` are the protocols, by nDPI's names."""

        items: tuple[str, ...] = ("Telnet", "FTP_CONTROL", "POP3", "IMAP", "VNC", "Rlogin", "SMBv1", "LDAP", "MySQL")

    def protocol_detected(self, flow: Flow) -> None:
        protocol = flow.application.partition(".")[0]
        if protocol in self.params.items:
            self.trigger_status(flow, info=f"{protocol} from {flow.source_ip}")


class RemoteAccess(FlowCheck):
    """A host of one's own networks is controlled from elsewhere."""

    name = "remote_access"
    gui = Gui(title="Remote access", inputs=(ItemListInput(item="application"),))
    default_enabled = False
    score = 50
    direction = "inbound"

    class params(Items):
        """``items`` are the protocols, by nDPI's names."""

        items: tuple[str, ...] = ("SSH", "RDP", "VNC", "TeamViewer", "AnyDesk", "Telnet", "RustDesk", "Citrix")

    def protocol_detected(self, flow: Flow) -> None:
        protocol = next((part for part in flow.application.split(".") if part in self.params.items), "")
        if protocol:
            self.trigger_status(flow, info=f"{protocol} from {flow.source_ip}")


class RareDestination(FlowCheck):
    """A local client talks to a remote server that none of its network's hosts has talked to before."""

    name = "rare_destination"
    gui = Gui(title="Rare destination")
    default_enabled = False
    direction = "outbound"
    score = 10
    client_share = 90

    class params(Params):
        """``learn`` is how many destinations are learned before any is called rare, ``most`` how many are kept."""

        learn: int = 1000
        most: int = 50_000

    def setup(self) -> bool | None:
        # What is in the store, as far as it has been asked for: asking that costs more.
        self.met: set[str] = set()
        return None

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        met = self.met
        return [flow for flow in flows if (flow.server_name or flow.destination_ip) not in met]

    def protocol_detected(self, flow: Flow) -> None:
        destination = flow.server_name or flow.destination_ip
        if destination in self.met:
            return
        store = self.store
        if destination not in store:
            known = len(store)
            if known >= self.params.learn:
                self.trigger_status(flow, info=f"{destination} was never contacted before")
            if known >= self.params.most:
                return
            store[destination] = flow.time
        self.met.add(destination)


class Unexpected(Items):
    """``items`` are the servers that are expected, by address or network; without any the check is inert."""


class UnexpectedDns(FlowCheck):
    """A DNS server that is not among those expected."""

    name = "unexpected_dns"
    l7_proto = "DNS"
    priority = -20
    gui = Gui(title="Unexpected DNS server", inputs=(ItemListInput(item="address or network"),))
    client_share = 0
    params_type = Unexpected
    params = Unexpected()

    def protocol_detected(self, flow: Flow) -> None:
        expect(self, flow)


class UnexpectedDhcp(FlowCheck):
    """A DHCP server that is not among those expected."""

    name = "unexpected_dhcp"
    l7_proto = "DHCP"
    priority = -20
    gui = Gui(title="Unexpected DHCP server", inputs=(ItemListInput(item="address or network"),))
    client_share = 0
    params_type = Unexpected
    params = Unexpected()

    def protocol_detected(self, flow: Flow) -> None:
        if flow.source_port == 67 or flow.destination_port == 67:
            expect(self, flow)


class UnexpectedNtp(FlowCheck):
    """A time server that is not among those expected."""

    name = "unexpected_ntp"
    l7_proto = "NTP"
    priority = -20
    gui = Gui(title="Unexpected NTP server", inputs=(ItemListInput(item="address or network"),))
    client_share = 0
    params_type = Unexpected
    params = Unexpected()

    def protocol_detected(self, flow: Flow) -> None:
        expect(self, flow)


class UnexpectedSmtp(FlowCheck):
    """A mail server that is not among those expected."""

    name = "unexpected_smtp"
    l7_proto = "SMTP"
    priority = -20
    gui = Gui(title="Unexpected SMTP server", inputs=(ItemListInput(item="address or network"),))
    client_share = 0
    params_type = Unexpected
    params = Unexpected()

    def protocol_detected(self, flow: Flow) -> None:
        expect(self, flow)


class UnexpectedGateway(FlowCheck):
    """A router that is not among those expected sends packets of others."""

    name = "unexpected_gateway"
    gui = Gui(title="Unexpected gateway", inputs=(ItemListInput(item="text"),))
    default_enabled = False
    local_only = True

    class params(Items):
        """``items`` are the MAC addresses of the routers; without any the check is inert."""

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return flows if self.params.items else []

    def protocol_detected(self, flow: Flow) -> None:
        routers = self.params.items
        if not routers or self.is_local(flow.destination_ip) or not flow.destination_mac or not is_unicast(flow):
            return
        if flow.destination_mac.lower() not in {router.lower() for router in routers}:
            self.trigger_status(flow, info=f"{flow.source_ip} goes out by {flow.destination_mac}")


class DeviceProtocolNotAllowed(FlowCheck):
    """A host speaks a protocol that it may not; policy overrides say which host may what."""

    name = "device_protocol_not_allowed"
    gui = Gui(title="Protocol not allowed", inputs=(MultiSelectInput(),))
    score = 80
    client_share = 94

    class params(Items):
        """``items`` are protocols that may not be spoken, by nDPI's names."""

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return flows if self.params.items else []

    def protocol_detected(self, flow: Flow) -> None:
        forbidden = self.params.items
        if forbidden:
            protocol = next((part for part in flow.application.split(".") if part in forbidden), "")
            if protocol:
                self.trigger_status(flow, info=f"{protocol} is not allowed here")


def expect(check: FlowCheck, flow: Flow) -> None:
    """Tell of a server that is none of those the parameters name."""
    expected = check.params.items
    server = flow.destination_ip
    if not expected or not is_unicast(flow):
        return
    servers = _expected(tuple(expected))
    if servers.find(server) is None:
        check.trigger_status(flow, info=f"server {server}, expected {', '.join(expected)}")


def _expected(items: tuple[str, ...]) -> NetworkSet:
    found = _EXPECTED.get(items)
    if found is None:
        found = _EXPECTED[items] = NetworkSet((item, "") for item in items)
    return found


_EXPECTED: dict[tuple[str, ...], NetworkSet] = {}
