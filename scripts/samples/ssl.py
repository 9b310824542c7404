"""Print the certificates that servers sent: when, whose, and over which flow.

Attaches by a pattern to every group of resources with ``SSL`` in one of its names, which are the
certificates (``SSL Certs``); the original takes the first such group.
"""

import re
from datetime import UTC, datetime

from tapline import Resource, ResourceMonitor


class PrintCertificateSubjects(ResourceMonitor):
    """Prints one line a certificate."""

    name = "ssl"
    group = re.compile("SSL")

    def on_new_resource(self, resource: Resource) -> None:
        """Print one line; the hash stands in for the subject of a certificate that could not be read."""
        subject = resource.x509.subject if resource.x509 else ""
        print(
            f"{datetime.fromtimestamp(resource.time / 1_000_000, UTC):%Y-%m-%d %H:%M:%S} {subject or resource.uri} "
            f"{resource.source_ip}:{resource.source_port} -> {resource.destination_ip}:{resource.destination_port}"
        )
