"""Alert on contact with what is on a list: networks and hosts, domain names, hashes of files and certificates.

Each list is a file in ``lists/`` beside this one, or wherever ``file`` says; the alert names the entry and
what the list says of it after ``#``. Lists may be gzipped and have a million entries; a changed file is
read again off the stream. The lists that come with Tapline have examples alone: put your own in their place.
"""

from tapline import Flow, Params, Resource, ResourceMonitor, SessionMonitor
from tapline.lists import HashSet, ListFile, NetworkSet, SuffixSet


class Listed:
    """What the three scripts share: a list, read again when it changes, and the alert."""

    def on_load(self) -> None:
        """Read the list; one that cannot be read keeps the script out of service."""
        self.list = ListFile(self.kind, self.folder / self.params.file)
        self.list.load()
        self.log.info("%d entries of %s", len(self.list.entries), self.list.path)

    def on_begin_flush(self, window: int) -> None:
        """Read a changed list."""
        if self.list.changed():
            self.run_async(self.list.read, then=self.list.use)

    def look_up(self, about: Flow | Resource, what: str, *texts: str) -> None:
        """Alert when one of these is on the list."""
        for text in texts:
            hit = self.list.entries.find(text)
            if hit is not None:
                self.alert(
                    "blacklisted",
                    about,
                    f"{what} {text} is on the list: {hit.entry}{hit.value and f' ({hit.value})'}",
                    group="Blacklist",
                    signature=hit.entry,
                    classification=hit.value,
                    priority=2,
                    severity=6,
                )
                return


class BlacklistedNetworks(Listed, SessionMonitor):
    """Looks up both addresses of each new flow."""

    name = "blacklist_networks"
    kind = NetworkSet

    class params(Params):
        """``file`` has addresses and networks; a relative path begins where this script lies."""

        file: str = "lists/networks.txt"

    def on_new_flow(self, flow: Flow) -> None:
        """Look at a flow once."""
        self.look_up(flow, "address", flow.destination_ip, flow.source_ip)


class BlacklistedNames(Listed, ResourceMonitor):
    """Looks up the names that were asked for, spoken to, or shown to a server."""

    name = "blacklist_names"
    group = ("dns", "url", "tls")
    kind = SuffixSet

    class params(Params):
        """``file`` has domain names; what lies below them counts too."""

        file: str = "lists/names.txt"

    def on_new_resource(self, resource: Resource) -> None:
        """Look at questions, requests and hellos of clients."""
        if resource.dns is not None and resource.dns.type == "query":
            self.look_up(resource, "name", resource.uri)
        elif resource.http is not None and resource.http.type == "request":
            self.look_up(resource, "host", resource.http.host.partition(":")[0])
        elif resource.tls is not None and resource.tls.type == "client-hello":
            self.look_up(resource, "server", resource.tls.server_name)


class BlacklistedHashes(Listed, ResourceMonitor):
    """Looks up the hashes of files and certificates."""

    name = "blacklist_hashes"
    group = ("file", "x509")
    kind = HashSet

    class params(Params):
        """``file`` has hashes, MD5, SHA-1 or SHA-256."""

        file: str = "lists/hashes.txt"

    def on_new_resource(self, resource: Resource) -> None:
        """Look at a file or certificate."""
        carried = resource.file or resource.x509
        if carried is not None:
            what = "file" if resource.file else "certificate"
            self.look_up(resource, what, carried.sha256, carried.sha1, carried.md5)
