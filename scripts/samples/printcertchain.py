"""Print every certificate that a server sent, in PEM form.

Attaches to the SSL Certs group of resources by its GUID. A certificate is one resource with its PEM as
the label; the whole chain in one text is a document of the group ``certificate-chain``.
"""

import re

from tapline import Resource, ResourceMonitor

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class PrintCertificates(ResourceMonitor):
    """Prints the PEM blocks found in a resource's label."""

    name = "printcertchain"
    group = "{5AEE3F0B-9304-44BE-BBD0-0467052CF468}"

    def on_new_resource(self, resource: Resource) -> None:
        """Print the blocks; a certificate too large to carry has none."""
        for block in PEM.findall(resource.label):
            print(block)
