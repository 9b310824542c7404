"""What flow checks have to know of flows from one window to the next, kept in the stage's store."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from tapline.checks.alert_types import Category

KEPT_SECONDS: Final = 3600
"""Event time after which a flow of which nothing was seen is forgotten."""

SLOT_SECONDS: Final = 900
"""When a flow was last seen is noted to this."""

PAGE_SIZE: Final = 1000
"""Most flows that are kept in one value of the store."""


class Found:
    """A status that a flow has: its number, its scores, and what it is about."""

    __slots__ = ("category", "client_score", "number", "score", "server_score")

    def __init__(self, number: int, score: int, client_score: int, server_score: int, category: Category) -> None:
        self.number = number
        self.score = score
        self.client_score = client_score
        self.server_score = server_score
        self.category = category


class KnownFlow:
    """What is known of one flow.

    ``statuses`` are by name, in the order in which they were found. ``alerted`` is the best score an alert was
    raised with, ``pending`` says that its application has not been known yet, ``seen`` is the slot of time in which it
    was last seen.
    """

    __slots__ = ("alerted", "page", "pending", "seen", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[str, Found] = {}
        self.alerted = 0
        self.pending = False
        self.seen = 0
        self.page = ""

    @property
    def score(self) -> int:
        """The sum of its distinct statuses."""
        return sum(found.score for found in self.statuses.values())

    @property
    def reasons(self) -> tuple[str, ...]:
        """The names of its statuses."""
        return tuple(self.statuses)

    def predominant(self) -> str:
        """The status of the highest score, of those the one of the lowest number."""
        return min(self.statuses, key=lambda name: (-self.statuses[name].score, self.statuses[name].number, name))

    def plain(self) -> list[Any]:
        """It as JSON can hold it."""
        found = {name: [getattr(each, slot) for slot in _FOUND] for name, each in self.statuses.items()}
        return [self.seen, self.pending, self.alerted, found]


_FOUND: Final = ("number", "score", "client_score", "server_score", "category")


class FlowMemory:
    """The flows that go on and of which something has to be known, by stream.

    Flows that come in the same window share values of the store, so that a window writes few of them: those in which
    anything has changed, when it ends.
    """

    def __init__(self, store: MutableMapping[str, Any]) -> None:
        self._store = store
        self._streams: dict[str, dict[str, KnownFlow]] | None = None
        self._pages: dict[str, dict[str, KnownFlow]] = {}
        self._changed: dict[str, set[str]] = {}
        self._filling: dict[str, str] = {}
        self._swept: dict[str, int] = {}

    def of(self, stream: str) -> dict[str, KnownFlow]:
        """The flows of a stream that are known, by id."""
        if self._streams is None:
            self._streams = self._load()
        return self._streams.setdefault(stream, {})

    def touch(self, stream: str, flow_id: str, known: KnownFlow, window: int) -> None:
        """Note that a flow is known that was seen in this window and goes on."""
        slot = window - window % SLOT_SECONDS
        if not known.page:
            known.page = self._page(stream, window)
            self._pages[known.page][flow_id] = known
            self.of(stream)[flow_id] = known
        elif known.seen >= slot:
            return
        known.seen = max(known.seen, slot)
        self.change(stream, known)

    def change(self, stream: str, known: KnownFlow) -> None:
        """Note that something known of a flow has changed."""
        self._changed.setdefault(stream, set()).add(known.page)

    def drop(self, stream: str, flow_id: str) -> None:
        """Forget a flow."""
        known = self.of(stream).pop(flow_id, None)
        if known is not None and known.page:
            del self._pages[known.page][flow_id]
            self.change(stream, known)
            known.page = ""

    def end(self, stream: str, window: int, *, final: bool) -> None:
        """Write down what a window has changed, the last of its stream that nothing is known any more."""
        flows = self.of(stream)
        slot = window - window % SLOT_SECONDS
        if final:
            for flow_id in list(flows):
                self.drop(stream, flow_id)
        elif flows and self._swept.get(stream) != slot:
            self._swept[stream] = slot
            for flow_id in [flow_id for flow_id, known in flows.items() if slot - known.seen > KEPT_SECONDS]:
                self.drop(stream, flow_id)
        for page in sorted(self._changed.pop(stream, ())):
            kept = self._pages[page]
            if kept:
                self._store[page] = {flow_id: known.plain() for flow_id, known in kept.items()}
                continue
            del self._pages[page]
            if page in self._store:
                del self._store[page]
        self._filling.pop(stream, None)
        if final:
            self._swept.pop(stream, None)
            if self._streams is not None:
                self._streams.pop(stream, None)

    def _page(self, stream: str, window: int) -> str:
        """The value of the store that takes the next flow."""
        page = self._filling.get(stream)
        if page is None or len(self._pages.get(page, ())) >= PAGE_SIZE:
            number = 0 if page is None else int(page.rpartition("/")[2]) + 1
            while f"{stream}\x00{window}/{number}" in self._pages:
                number += 1
            page = self._filling[stream] = f"{stream}\x00{window}/{number}"
        self._pages.setdefault(page, {})
        return page

    def _load(self) -> dict[str, dict[str, KnownFlow]]:
        streams: dict[str, dict[str, KnownFlow]] = {}
        for page, kept in self._store.items():
            flows = self._pages[page] = {}
            for flow_id, (seen, pending, alerted, statuses) in kept.items():
                known = flows[flow_id] = KnownFlow()
                known.page, known.seen, known.pending, known.alerted = page, seen, pending, alerted
                known.statuses = {name: Found(*values) for name, values in statuses.items()}
            streams.setdefault(page.partition("\x00")[0], {}).update(flows)
        return streams
