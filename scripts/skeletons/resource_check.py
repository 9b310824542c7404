"""What this check finds wrong with what flows carry.

A resource check sees DNS messages, URLs, TLS hellos, certificates, files, SSH and SMB versions, and log-ins.

Try it:  tapline try skeleton.py CAPTURE
Run it:  tapline scripts enable skeleton.py
"""

from tapline import Gui, Params, Resource, ResourceCheck


class Skeleton(ResourceCheck):
    """Alerts on a certificate with a short key."""

    name = "skeleton"
    gui = Gui(title="Short key")

    # dns, url, tls, x509, file, ssh, smb, login; empty: all.
    group = "x509"
    local_only = False  # one end in workers.local_networks
    score = 100  # 0 to 250; severity follows from it

    class params(Params):
        """Set them for all or for some addresses under `policy`."""

        least_bits: int = 2048

    def on_new_resource(self, resource: Resource) -> None:
        """A resource, as it comes; the member named as its group holds the details."""
        found = resource.x509
        if found is not None and "rsa" in found.public_key_algorithm.lower():
            bits = found.public_key_size
            if 0 < bits < self.params.least_bits:
                self.found(resource, f"RSA key of {bits} bits: {found.subject}", on_server=True)

    # def setup(self) -> bool | None:
    #     """Begin: read lists from `self.folder`. Return False to stay out of service."""

    # def teardown(self) -> None:
    #     """End: close what setup opened."""
