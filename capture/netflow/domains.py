"""What exporters have told of their records: templates, sampling, names of applications.

Numbers of templates hold for an exporter (its address) and its observation domain (RFC 7011) or source id (RFC 3954).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Final

from capture.netflow.sequence import Sequence
from capture.netflow.templates import SETS, Template, Withdrawal

MOST_TEMPLATES: Final = 10_000
"""How many templates are kept of all exporters together."""

MOST_OF_ONE: Final = 1_000
"""How many templates are kept of one domain."""

MOST_LEARNED: Final = 100_000
"""How many rates and names of applications are kept of all exporters together."""

MOST_LEARNED_OF_ONE: Final = 10_000
"""The same of one domain."""

HELD_BYTES: Final = 4 * 1024 * 1024
"""How much of the data sets is held that came before their templates."""

HELD_BYTES_OF_ONE: Final = 256 * 1024
"""The same of one domain."""

Held = tuple[int, bytes, int, int, int]
"""A data set that waits: its number, its records, and when it was exported, the uptime then, when it came."""

Key = tuple[int, str, int]
"""The version of the protocol, the exporter's address, and its domain."""


class Domain:
    """What is known of one observation domain of an exporter.

    ``rates`` says of how many packets one was looked at: of a ``sampler 7``, an ``interface 3``, or ``all``.
    ``boot_ms`` is when the exporter began (epoch milliseconds), 0 where it did not say.
    """

    __slots__ = ("applications", "boot_ms", "held", "held_bytes", "key", "rates", "sequence", "templates")

    def __init__(self, key: Key, expected: int = -1) -> None:
        self.key = key
        self.templates: OrderedDict[int, Template] = OrderedDict()
        self.rates: dict[str, int] = {}
        self.applications: dict[bytes, str] = {}
        self.boot_ms = 0
        self.sequence = Sequence(expected)
        self.held: deque[Held] = deque()
        self.held_bytes = 0

    @property
    def learned(self) -> int:
        """How many rates and names of applications it has told."""
        return len(self.rates) + len(self.applications)

    @property
    def exporter(self) -> str:
        """The exporter's address."""
        return self.key[1]


class Domains:
    """All domains of all exporters, ``most`` at once: the one that was silent for longest makes room.

    ``count`` takes what was lost by that: templates and exporters ``evicted.…``, rates and names that were not learned
    (``unlearned``), data sets ``dropped.no-template``.
    ``changed`` is True once something was learned that is worth keeping over a restart. ``expected`` knows of a domain
    that is new here which sequence number comes next.
    """

    def __init__(
        self, most: int, count: Callable[[str, int], None], expected: Callable[[Key], int] = lambda _: -1
    ) -> None:
        self.changed = False
        self.most = most
        self._count = count
        self._expected = expected
        self._domains: OrderedDict[Key, Domain] = OrderedDict()
        self._templates = 0
        self._learned = 0
        self._held = 0

    def __iter__(self) -> Iterator[Domain]:
        return iter(self._domains.values())

    def find(self, key: Key) -> Domain:
        """The domain of this key, which has just been heard of."""
        domain = self._domains.get(key)
        if domain is None:
            if len(self._domains) >= self.most:
                self._evict()
            domain = self._domains[key] = Domain(key, self._expected(key))
        else:
            self._domains.move_to_end(key)
        return domain

    def learn(self, domain: Domain, learned: Template | Withdrawal) -> None:
        """Keep a template, or forget those that were taken back; what did not change stays the same object."""
        if isinstance(learned, Withdrawal):
            self._withdraw(domain, learned.number)
            return
        before = domain.templates.get(learned.number)
        if before is not None:
            domain.templates.move_to_end(learned.number)
            if before.raw == learned.raw and before.is_options == learned.is_options:
                return
            self._templates -= 1
        elif len(domain.templates) >= MOST_OF_ONE:
            domain.templates.popitem(last=False)
            self._templates -= 1
            self._count("evicted.templates", 1)
        while self._templates >= MOST_TEMPLATES and self._evict_templates(domain):
            pass
        domain.templates[learned.number] = learned
        self._templates += 1
        self.changed = True

    def set_rate(self, domain: Domain, what: str, rate: int) -> None:
        """Of so many packets one was looked at by this sampler or interface."""
        if domain.rates.get(what) != rate and (what in domain.rates or self._may_learn(domain)):
            domain.rates[what] = rate
            self.changed = True

    def set_application(self, domain: Domain, key: bytes, name: str) -> None:
        """Flows with this key are of the application of this name."""
        known = domain.applications
        if known.get(key) != name and (key in known or self._may_learn(domain)):
            known[key] = name
            self.changed = True

    def set_boot(self, domain: Domain, boot_ms: int) -> None:
        """The exporter began at this time (epoch milliseconds)."""
        if domain.boot_ms != boot_ms:
            domain.boot_ms = boot_ms
            self.changed = True

    def hold(self, domain: Domain, held: Held) -> None:
        """Keep a data set until its template comes; the oldest make room."""
        domain.held.append(held)
        domain.held_bytes += _cost(held)
        self._held += _cost(held)
        self._count("held", 1)
        while domain.held_bytes > HELD_BYTES_OF_ONE:
            self._drop(domain)
        while self._held > HELD_BYTES:
            self._drop(next(other for other in self._domains.values() if other.held))

    def release(self, domain: Domain, number: int) -> list[Held]:
        """What was held for a template that has come now, the oldest first."""
        released = [held for held in domain.held if held[0] == number]
        if released:
            domain.held = deque(held for held in domain.held if held[0] != number)
            size = sum(_cost(held) for held in released)
            domain.held_bytes -= size
            self._held -= size
        return released

    def give_up(self) -> None:
        """Drop everything that is held."""
        for domain in self._domains.values():
            while domain.held:
                self._drop(domain)

    def _may_learn(self, domain: Domain) -> bool:
        """True where there is room for one more rate or name, which is then taken."""
        if self._learned >= MOST_LEARNED or domain.learned >= MOST_LEARNED_OF_ONE:
            self._count("unlearned", 1)
            return False
        self._learned += 1
        return True

    def _drop(self, domain: Domain) -> None:
        size = _cost(domain.held.popleft())
        domain.held_bytes -= size
        self._held -= size
        self._count("dropped.no-template", 1)

    def _withdraw(self, domain: Domain, number: int) -> None:
        plain, options = SETS[domain.key[0]]
        if number in {plain, options}:
            numbers = [each.number for each in domain.templates.values() if each.is_options == (number == options)]
        else:
            numbers = [number] if number in domain.templates else []
        for each in numbers:
            del domain.templates[each]
        self._templates -= len(numbers)
        if numbers:
            self.changed = True
            self._count("templates.withdrawn", len(numbers))

    def _evict(self) -> None:
        _, domain = self._domains.popitem(last=False)
        self._templates -= len(domain.templates)
        self._learned -= domain.learned
        while domain.held:
            self._drop(domain)
        self._count("evicted.exporters", 1)

    def _evict_templates(self, but: Domain) -> bool:
        """Forget the templates of the domain that was silent for longest; False when there is no other."""
        for domain in self._domains.values():
            if domain is not but and domain.templates:
                self._templates -= len(domain.templates)
                self._count("evicted.templates", len(domain.templates))
                domain.templates.clear()
                return True
        return False


def _cost(held: Held) -> int:
    """The bytes a data set takes while it is held, roughly."""
    return len(held[1]) + 200
