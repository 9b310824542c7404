"""Alert when somebody asks for a name of a dynamic-DNS provider.

Such names are cheap, change their address at will and are liked by malware; a home camera has one too.
The list ``dynamic-dns.txt`` beside this file has a domain a line and after ``#`` who provides it.

A name matches when it is a listed domain or lies below one, whatever the case of its letters and with
or without the dot at its end. The original leaves digits out of the names it looks up, so that it
never finds a domain with a digit. It alerts on what it sees, question and answer alike; this one on
the question.
"""

from pathlib import Path

from tapline import Params, Resource, ResourceMonitor


class DynamicDns(ResourceMonitor):
    """Raises an alert in the System group for each question about a listed domain."""

    name = "dyndns_alert"
    group = "{D1E27FF0-6D66-4E57-BB91-99F76BB2143E}"

    class params(Params):
        """``file`` is the list; a relative path begins where this script lies."""

        file: str = "dynamic-dns.txt"

    domains: dict[str, str]

    def on_load(self) -> None:
        """Read the list."""
        self.domains = read_domains(self.folder / self.params.file)
        self.log.info("watching %d domains", len(self.domains))

    def on_new_resource(self, resource: Resource) -> None:
        """Look the name up, then what it lies below."""
        if resource.dns is None or resource.dns.type != "query":
            return
        name = resource.uri.lower().rstrip(".")
        while name:
            provider = self.domains.get(name)
            if provider is not None:
                self.report(resource, provider)
                return
            _, _, name = name.partition(".")

    def report(self, resource: Resource, provider: str) -> None:
        """Raise the alert."""
        message = f"Request for dyndns resource {resource.uri}"
        self.log.debug("%s by %s", message, resource.source_ip)
        self.alert(
            "dyndns",
            resource,
            message,
            group="{F69C2462-ECEA-45B8-B1CB-F90342D37A4F}",
            signature=provider,
            priority=1,
        )


def read_domains(path: Path) -> dict[str, str]:
    """The domains of a list with who provides them and the line that says so."""
    domains = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        domain, _, provider = line.partition("#")
        domain = domain.strip().lower().rstrip(".")
        if domain:
            domains[domain] = f"{provider.strip()} source line {number}".strip()
    return domains
