"""Options records: what exporters say of themselves."""

from __future__ import annotations

from typing import Final

from capture.netflow import elements
from capture.netflow.domains import Domain, Domains
from capture.netflow.elements import Element

MOST_RATE: Final = 1 << 24
"""No exporter looks at so few packets: a greater rate is not believed."""


def take_options(domains: Domains, domain: Domain, record: dict[Element, bytes]) -> bool:
    """Learn from an options record; False when it says nothing that is used.

    Used are sampling (RFC 3954, 8, fields 34 and 48 to 50; RFC 5477, 8), the names of applications (RFC 6759, 6.4)
    and the time at which the exporter began (``systemInitTimeMilliseconds``).
    """
    used = False
    rate = _rate(record)
    if rate:
        domains.set_rate(domain, _sampler(record), rate)
        used = True
    key, name = record.get(elements.APPLICATION_KEY), record.get(elements.APPLICATION_NAME)
    if key and name:
        text = name.split(b"\0")[0][: elements.TEXT_LENGTH].decode("utf-8", "replace").strip()
        domains.set_application(domain, key, text)
        used = True
    boot = record.get(elements.BOOT)
    if boot and len(boot) == 8:
        domains.set_boot(domain, int.from_bytes(boot, "big"))
        used = True
    return used


def _rate(record: dict[Element, bytes]) -> int:
    """Of how many packets one was looked at, 0 where the record does not say or what it says cannot be."""
    rate = 0
    for element in elements.INTERVAL:
        rate = rate or _number(record, element)
    chosen, population = _number(record, elements.CHOSEN), _number(record, elements.POPULATION)
    if not rate and chosen:
        rate = round(population / chosen)
    sampled = _number(record, elements.SAMPLED)
    if not rate and sampled:
        # Without the second number the first is the rate itself, as some exporters have it.
        space = record.get(elements.NOT_SAMPLED)
        rate = sampled if space is None else round((sampled + int.from_bytes(space, "big")) / sampled)
    return rate if rate <= MOST_RATE else 0


def _sampler(record: dict[Element, bytes]) -> str:
    """What the rate holds for."""
    for element in elements.SAMPLER:
        if element in record:
            return f"sampler {_number(record, element)}"
    for element in (elements.SCOPE_INTERFACE, elements.INGRESS):
        if element in record:
            return f"interface {_number(record, element)}"
    return "all"


def _number(record: dict[Element, bytes], element: Element) -> int:
    octets = record.get(element, b"")
    return int.from_bytes(octets, "big") if len(octets) <= 8 else 0
