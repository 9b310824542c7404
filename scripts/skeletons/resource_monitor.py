"""What this script looks for, and what it does when it finds it.

A resource monitor sees what flows carried: DNS names, URLs, TLS sessions, certificates, files. A hook
that is not written costs nothing: keep the ones you need.

Try it:  tapline try skeleton.py CAPTURE
Run it:  tapline scripts enable skeleton.py
"""

from tapline import Params, Resource, ResourceMonitor


class Skeleton(ResourceMonitor):
    """Alerts on questions for names below a domain."""

    name = "skeleton"

    # Which groups it sees: dns, url, tls, x509, file; or several, as ("dns", "tls"). Empty: all.
    group = "dns"

    class params(Params):
        """Set them under `workers.params.skeleton` in tapline.yaml, or with `tapline try --param domain=…`."""

        domain: str = "example.com"

    def on_new_resource(self, resource: Resource) -> None:
        """A resource, as it comes; `uri` is the name, and the member named after the protocol has the details."""
        name = resource.uri.lower().rstrip(".")
        if resource.dns is None or resource.dns.type != "query":
            return
        if name == self.params.domain or name.endswith(f".{self.params.domain}"):
            self.alert("name-asked-for", resource, f"{resource.source_ip} asks for {name}")

    # def on_load(self) -> bool | None:
    #     """Begin: read lists from `self.folder`. Return False to stay out of service."""

    # def on_begin_flush(self, window: int) -> None:
    #     """Before the resources of a window that has ended; `window` is its start in epoch seconds."""

    # def flush_filter(self, resource: Resource) -> bool:
    #     """False votes to keep the resource from on_flush of all scripts; it is kept when all filters say so."""

    # def on_flush(self, resource: Resource) -> None:
    #     """Each resource of the window."""

    # def on_end_flush(self, window: int) -> None:
    #     """After the resources of a window."""
