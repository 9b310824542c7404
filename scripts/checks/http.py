"""HTTP in clear text: who asks, for what, and what comes back."""

import re
from ipaddress import ip_address
from urllib.parse import unquote_plus

from tapline.checks import Gui, Items, ResourceCheck
from tapline.checks.gui import ItemListInput
from topics.records import Resource

ATTACKS = {
    "cross-site scripting": re.compile(
        r"<script|javascript:|onerror\s*=|onload\s*=|<svg|<img[^>]+src\s*=", re.IGNORECASE
    ),
    "SQL injection": re.compile(
        r"\bunion\b[\s/*()+]+(all\b[\s/*()+]+)?select\b|'\s*(or|and)\s*'?\d+'?\s*=\s*'?\d|\bsleep\s*\(\d|;\s*(drop|delete|insert)\b|information_schema",
        re.IGNORECASE,
    ),
    "remote code execution": re.compile(
        r"\$\{jndi:|/bin/(ba)?sh\b|;\s*(wget|curl|nc|bash)\b|\|\s*(wget|curl|nc|bash|sh)\b|cmd\.exe|powershell|<\?php|\(\)\s*\{",
        re.IGNORECASE,
    ),
    "path traversal": re.compile(r"(\.\./){2,}|\.\.\\\.\.\\|/etc/(passwd|shadow)\b", re.IGNORECASE),
}
"""What people try in URLs."""

TOOLS = re.compile(
    r"sqlmap|nikto|nmap|masscan|zgrab|gobuster|dirbuster|wpscan|acunetix|nessus|openvas|hydra|metasploit|havij|fimap|\bjorgee\b",
    re.IGNORECASE,
)
"""User agents of tools that look for holes."""

PROGRAMS = frozenset({"pe", "elf", "mach-o", "java-class", "dex", "script", "msi-or-ole"})
"""Formats of files that can be run."""

OLD_SERVERS = re.compile(
    r"Apache/(1\.|2\.[0-2]\b)|nginx/(0\.|1\.([0-9]|1[0-7])\.)|Microsoft-IIS/[1-7]\.|PHP/[1-7]\.|OpenSSL/(0\.|1\.0)"
)
"""Versions that get no more security fixes."""


class HttpAttackUrl(ResourceCheck):
    """A URL tries to have a server do what it should not."""

    name = "http_attack_url"
    group = "url"
    gui = Gui(title="Attack in a URL")
    score = 150

    def on_new_resource(self, resource: Resource) -> None:
        http = resource.http
        if http is None or http.type != "request":
            return
        text = unquote_plus(unquote_plus(http.uri[:4096]))
        for what, pattern in ATTACKS.items():
            if pattern.search(text):
                self.found(resource, f"{what}: {http.method} {text:.200}", subtype=what)
                return


class HttpScannerAgent(ResourceCheck):
    """A user agent of a tool that looks for holes."""

    name = "http_user_agent"
    group = "url"
    gui = Gui(title="Suspicious user agent", inputs=(ItemListInput(),))

    class params(Items):
        """``items`` are parts of user agents that are suspicious here besides."""

    def on_new_resource(self, resource: Resource) -> None:
        http = resource.http
        if http is None or http.type != "request" or not http.user_agent:
            return
        agent = http.user_agent
        if TOOLS.search(agent) or "${" in agent or any(item.lower() in agent.lower() for item in self.params.items):
            self.found(resource, f"user agent {agent:.200}", subtype=agent[:80])


class HttpNoUserAgent(ResourceCheck):
    """A request does not say who asks."""

    name = "http_no_user_agent"
    group = "url"
    gui = Gui(title="No user agent")
    default_enabled = False
    score = 10

    def on_new_resource(self, resource: Resource) -> None:
        http = resource.http
        if http is not None and http.type == "request" and not http.user_agent:
            self.found(resource, f"{http.method} {http.host}{http.uri:.200}", subtype="no user agent")


class HttpNumericHost(ResourceCheck):
    """A request asks an address, not a name, outside of one's own networks."""

    name = "http_numeric_host"
    group = "url"
    gui = Gui(title="Address in the place of a host name")
    score = 10

    def on_new_resource(self, resource: Resource) -> None:
        http = resource.http
        if http is None or http.type != "request" or self.is_local(resource.destination_ip):
            return
        if is_address(http.host):
            self.found(resource, f"{http.method} http://{http.host}{http.uri:.200}", subtype=http.host)


class HttpObsoleteServer(ResourceCheck):
    """A server says that it is of a version that gets no more fixes."""

    name = "http_server_version"
    group = "url"
    gui = Gui(title="Obsolete HTTP server")
    score = 50

    def on_new_resource(self, resource: Resource) -> None:
        http = resource.http
        if http is not None and http.type == "response" and OLD_SERVERS.search(http.server):
            self.found(resource, f"server {http.server:.120}", subtype=http.server[:80], on_server=True)


class HttpServerError(ResourceCheck):
    """A server answers that it failed."""

    name = "http_server_error"
    group = "url"
    gui = Gui(title="HTTP server error")
    default_enabled = False
    category = "network"
    score = 10

    def on_new_resource(self, resource: Resource) -> None:
        http = resource.http
        if http is not None and http.type == "response" and http.status_code >= 500:
            self.found(
                resource,
                f"status {http.status_code} for {resource.uri:.200}",
                subtype=str(http.status_code),
                on_server=True,
            )


class ProgramTransfer(ResourceCheck):
    """A program came from outside in clear text."""

    name = "program_transfer"
    group = "file"
    gui = Gui(title="Program transferred")
    score = 150

    def on_new_resource(self, resource: Resource) -> None:
        file = resource.file
        if file is None or file.format not in PROGRAMS or self.is_local(resource.destination_ip):
            return
        said = f", said to be {file.mime_type}" if file.mime_type else ""
        self.found(
            resource, f"{file.format} {file.name:.120} over {file.protocol}{said}", subtype=file.sha256 or file.name
        )


class DisguisedProgram(ResourceCheck):
    """A program was said to be something else: text, an image, a font."""

    name = "disguised_program"
    group = "file"
    gui = Gui(title="Disguised program")
    score = 150

    def on_new_resource(self, resource: Resource) -> None:
        file = resource.file
        if file is None or file.format not in PROGRAMS - {"script"}:
            return
        if file.mime_type.partition("/")[0] in ("text", "image", "audio", "video", "font"):
            message = f"{file.name:.120} is {file.format}, said to be {file.mime_type}"
            self.found(resource, message, subtype=file.sha256 or file.name)


def is_address(host: str) -> bool:
    """True for an address, with or without a port."""
    bare = host[1 : host.find("]")] if host.startswith("[") else host.rpartition(":")[0] or host
    try:
        ip_address(bare)
    except ValueError:
        return False
    return True
