"""Print the hashes of files that were carried, as they come.

Attaches to the File Hash group by its GUID. What it prints as the hash is SHA-256, where the
original's is MD5; ``resource.file`` has MD5 and SHA-1 too. Run beside ``sha256_x509`` it also prints the
hashes of certificates that one adds to the group.
"""

from datetime import UTC, datetime

from tapline import Resource, ResourceMonitor


class PrintFileHashes(ResourceMonitor):
    """Prints one line a file: when, its hash, its label, and the flow that carried it."""

    name = "filehash"
    group = "{9781DB2C-F78A-4F7F-A7E8-2B1A9A7BE71A}"

    def on_new_resource(self, resource: Resource) -> None:
        """Print one line."""
        print(
            f"{datetime.fromtimestamp(resource.time / 1_000_000, UTC):%Y-%m-%d %H:%M:%S} "
            f"{resource.uri} {resource.label or '-'} {resource.transport} "
            f"{resource.source_ip}:{resource.source_port} -> {resource.destination_ip}:{resource.destination_port}"
        )
