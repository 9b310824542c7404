"""Save certificates, and feed their SHA-256 back as resources of the File Hash group.

Certificates come named by their SHA-1 (``SHA1:<hex>``); lists of bad certificates often go by SHA-256.
What this script adds is seen by scripts on the File Hash group, such as ``filehash``.

The original writes each certificate to a temporary file and has two programs work on it. Here the
certificate is hashed in the process, no program is started, and the file's name is the hash alone.
"""

import hashlib
import ssl
from pathlib import Path

from tapline import Params, Resource, ResourceMonitor


class HashCertificates(ResourceMonitor):
    """Prints, saves and feeds back ``CERTSHA256:<hex>`` of each certificate."""

    name = "sha256_x509"
    group = "{5AEE3F0B-9304-44BE-BBD0-0467052CF468}"

    class params(Params):
        """``folder`` is where the certificates go, as ``<sha256>.pem``; it is made if it is missing."""

        folder: str = ".tapline/samples/certificates"

    def on_load(self) -> None:
        """Make the folder."""
        Path(self.params.folder).mkdir(parents=True, exist_ok=True)

    def on_new_resource(self, resource: Resource) -> None:
        """Hash the certificate in the label; one too large to carry is not there."""
        pem = resource.label.strip()
        if not pem:
            return
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        print(f"{resource.uri} CERTSHA256:{digest}")
        path = Path(self.params.folder) / f"{digest}.pem"
        if not path.exists():
            path.write_text(pem + "\n", encoding="ascii")
        self.resource(resource, "{9781DB2C-F78A-4F7F-A7E8-2B1A9A7BE71A}", f"CERTSHA256:{digest}")
