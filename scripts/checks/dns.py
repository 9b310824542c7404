"""DNS: names that no person would choose, data that leaves in questions, messages that are too large."""

from itertools import pairwise
from math import log2

from tapline import Params
from tapline.checks import Gui, Items, ResourceCheck
from tapline.checks.gui import ItemListInput, NumberInput
from topics.records import Resource

VOWELS = frozenset("aeiouy")
KNOWN_SUFFIXES = ("arpa", "local", "internal", "home.arpa")


class DnsDga(ResourceCheck):
    """A name that looks as if an algorithm made it, as malware's does that looks for its master."""

    name = "dns_dga"
    group = "dns"
    gui = Gui(title="Domain of an algorithm", inputs=(NumberInput(param="least_score", minimum=0, maximum=100),))

    class params(Items):
        """``least_score`` (0 to 100) is what :func:`randomness` has to be; ``items`` are domains that may."""

        least_score: int = 60

    def on_new_resource(self, resource: Resource) -> None:
        dns = resource.dns
        if dns is None or dns.type != "query":
            return
        domain = registrable(dns.query_name)
        if not domain or domain in self.params.items or dns.query_name.endswith(KNOWN_SUFFIXES):
            return
        score = randomness(domain.partition(".")[0])
        if score >= self.params.least_score:
            self.found(resource, f"{domain} looks made by an algorithm ({score} of 100)", subtype=domain)


class DnsExfiltration(ResourceCheck):
    """Questions that carry data: a long name, in labels that look encoded."""

    name = "dns_data_exfiltration"
    group = "dns"
    gui = Gui(title="Data in DNS questions", inputs=(NumberInput(param="longest_name", minimum=30, maximum=253),))

    class params(Items):
        """Letters a name may have beside its registrable part, and in one label; ``items`` are domains that may."""

        longest_name: int = 100
        longest_label: int = 48

    def on_new_resource(self, resource: Resource) -> None:
        dns = resource.dns
        if dns is None or dns.type != "query":
            return
        domain = registrable(dns.query_name)
        if domain in self.params.items or dns.query_name.endswith(KNOWN_SUFFIXES):
            return
        own = dns.query_name.removesuffix(domain).rstrip(".")
        longest = max((len(label) for label in own.split(".")), default=0)
        if len(own) > self.params.longest_name or longest > self.params.longest_label:
            self.found(resource, f"{len(own)} letters in front of {domain} ({dns.query_type})", subtype=domain)


class DnsLarge(ResourceCheck):
    """A DNS message over UDP is larger than the 512 bytes that every server takes (RFC 1035)."""

    name = "dns_large"
    group = "dns"
    gui = Gui(title="Large DNS message", inputs=(NumberInput(param="bytes", unit="bytes", minimum=512),))
    default_enabled = False
    score = 10

    class params(Params):
        """``bytes`` of the message that are not too many."""

        bytes: int = 512

    def on_new_resource(self, resource: Resource) -> None:
        dns = resource.dns
        if dns is not None and resource.transport == "udp" and dns.size > self.params.bytes:
            self.found(resource, f"{dns.size} bytes about {dns.query_name}", subtype=dns.type)


class DnsFragment(ResourceCheck):
    """A DNS message came in IP fragments, which can be forged."""

    name = "dns_fragment"
    group = "dns"
    gui = Gui(title="Fragmented DNS message")
    score = 50

    def on_new_resource(self, resource: Resource) -> None:
        if resource.dns is not None and resource.dns.fragmented:
            self.found(resource, f"fragmented message about {resource.dns.query_name}", subtype="fragmented")


class DnsSuspicious(ResourceCheck):
    """A DNS message is not as it has to be: a bit that must be 0, several questions, an operation nobody uses."""

    name = "dns_suspicious"
    group = "dns"
    gui = Gui(title="Suspicious DNS message")
    score = 50

    def on_new_resource(self, resource: Resource) -> None:
        dns = resource.dns
        if dns is None or resource.source_port == 5353 or resource.destination_port == 5353:
            return
        why = ""
        if "Z" in dns.flags:
            why = "its reserved bit is set"
        elif dns.question_count > 1:
            why = f"it has {dns.question_count} questions"
        elif dns.operation not in ("", "QUERY", "NOTIFY", "UPDATE"):
            why = f"its operation is {dns.operation}"
        elif dns.type == "query" and dns.query_type == "NULL":
            why = "it asks for NULL records"
        if why:
            self.found(resource, f"{dns.query_name}: {why}", subtype=why)


class DnsZoneTransfer(ResourceCheck):
    """Somebody asks for a whole zone."""

    name = "dns_zone_transfer"
    group = "dns"
    gui = Gui(title="Zone transfer", inputs=(ItemListInput(item="address or network"),))

    class params(Items):
        """``items`` are the addresses that may."""

    def on_new_resource(self, resource: Resource) -> None:
        dns = resource.dns
        asks = dns is not None and dns.type == "query" and dns.query_type in ("AXFR", "IXFR")
        if dns is not None and asks and resource.source_ip not in self.params.items:
            self.found(resource, f"{dns.query_type} of {dns.query_name}", subtype=dns.query_name)


def registrable(name: str) -> str:
    """About the part of a name that one registers: its last two labels, three below a short second-level domain."""
    labels = name.rstrip(".").lower().split(".")
    count = 3 if len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3 else 2
    return ".".join(labels[-count:])


def randomness(label: str) -> int:
    """How much a label looks made by chance, 0 to 100.

    Long runs of consonants, few vowels, digits among letters and the Shannon entropy of its letters count; a name of
    fewer than 10 letters is never told from an abbreviation.
    """
    if len(label) < 10 or label.startswith("xn--"):
        return 0
    letters = [letter for letter in label if letter.isalpha()]
    digits = sum(letter.isdigit() for letter in label)
    vowels = sum(letter in VOWELS for letter in letters)
    entropy = -sum(share * log2(share) for share in (label.count(letter) / len(label) for letter in set(label)))
    run = longest = 0
    for letter in label:
        run = run + 1 if letter.isalpha() and letter not in VOWELS else 0
        longest = max(longest, run)
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(label))
    score = 0.0
    score += min(30, max(0, longest - 3) * 10)
    score += 25 if letters and vowels / len(letters) < 0.26 else 0
    score += min(30, changes * 8) if digits else 0
    score += min(25, max(0.0, entropy - 2.9) * 22)
    score -= 15 if "-" in label else 0
    return max(0, min(100, round(score)))
