"""Flushing a window's items: which are kept for it, who gets them, and the vote of the filters."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from workers.scripting.guard import Hook

if TYPE_CHECKING:
    from workers.scripting.host import ScriptHost
    from workers.scripting.hosted import HostedScript

AT_ONCE: Final = 500
"""Items that all scripts get before the next ones are looked at: so many flows fit into a processor's cache."""

Select = Callable[[type[Any]], bool]
"""Picks scripts by their class."""


class Voter(NamedTuple):
    """A script that an item is for, and its filter if it has one."""

    hosted: HostedScript
    wanted: Hook | None


def vote(voters: Sequence[Voter], item: Any) -> tuple[list[Any], bool]:
    """What the filters say of an item, and whether that drops it.

    Filters vote as Trisul's do: an item is dropped only when every script it is for has a filter and
    all of them say ``False``. A filter that raises says nothing of the kind, and a suspended script has no vote.
    """
    voting = [voter for voter in voters if not voter.hosted.suspended]
    votes = [voter.wanted(item) for voter in voting if voter.wanted is not None]
    return votes, 0 < len(votes) == len(voting) and all(each is False for each in votes)


class FlushPlan(NamedTuple):
    """Who votes on an item (:func:`vote`), and the hooks that get it. Without any filter there are no voters."""

    voters: tuple[Voter, ...]
    hooks: tuple[Hook, ...]

    def flush(self, item: Any) -> None:
        """Vote on an item and hand it on."""
        if self.voters and vote(self.voters, item)[1]:
            return
        for hook in self.hooks:
            hook(item)


class Kept:
    """A window's items that are to be flushed.

    Scripts can come and go in the middle of a window: ``marks`` tell from which item on which
    generation of a host's scripts has seen them.
    """

    __slots__ = ("items", "marks")

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.marks: list[tuple[int, int]] = []

    def mark(self, generation: int) -> None:
        """What is added from here on is seen by the scripts of this generation."""
        if not self.marks or self.marks[-1][0] != generation:
            self.marks.append((generation, len(self.items)))

    def parts(self) -> Iterator[tuple[int, list[Any]]]:
        """The items by generation, in their order."""
        ends = [start for _, start in [*self.marks[1:], (0, len(self.items))]]
        for (generation, start), end in zip(self.marks, ends, strict=False):
            whole = start == 0 and end == len(self.items)
            yield generation, self.items if whole else self.items[start:end]


class FlushTable:
    """Hands a window's items to the ``on_flush`` hooks of a host's scripts.

    ``kind_of`` is what of an item the scripts' attributes select by; ``selecting`` gives, for a kind, the
    scripts it is for, and ``selective`` tells which scripts do not take every kind. Kinds are looked up in a table that
    fills as they come. A script gets its items in their order; where no filter votes on them, one
    script after the other gets its own of some hundred items.
    """

    def __init__(
        self,
        host: ScriptHost,
        kind_of: Callable[[Any], Hashable],
        selecting: Callable[[Any], Select],
        selective: Select,
    ) -> None:
        self._host = host
        self._kind_of = kind_of
        self._selecting = selecting
        self._selective = selective
        self._flushed: list[Any] = []
        self._wanted: dict[Hashable, bool] = {}
        self._plans: dict[tuple[Hashable, int], FlushPlan] = {}
        host.changed.append(self._changed)

    def keep(self, kept: Kept, items: Sequence[Any]) -> None:
        """Add what some script wants flushed to what is kept of its window."""
        host = self._host
        flushing = host.attached("on_flush")
        if self._flushed:
            self._let_go(len(items))
        if not flushing:
            return
        kept.mark(host.generation)
        if not all(self._selective(hosted.script.monitor) for hosted in flushing):
            kept.items += items
            return
        kind_of, wanted = self._kind_of, self._wanted
        for item in items:
            kind = kind_of(item)
            try:
                is_wanted = wanted[kind]
            except (KeyError, TypeError):
                kind = usable(kind)
                select = self._selecting(kind)
                is_wanted = wanted[kind] = any(select(hosted.script.monitor) for hosted in flushing)
            if is_wanted:
                kept.items.append(item)

    def flush(self, kept: Kept) -> None:
        """Call the hooks, once for what has been kept."""
        for generation, items in kept.parts():
            if self._host.attached("flush_filter"):
                self._one_by_one(items, generation)
            else:
                self._by_script(items, generation)
        self._flushed = kept.items

    def _let_go(self, count: int) -> None:
        """Give back the memory of some items that have been flushed.

        Not all at once when their window ends: those that come then take the place of those that go,
        where otherwise the operating system would take the memory and give it again, page by page. That
        was most of what keeping items costs (bench/scripts.py).
        """
        del self._flushed[-(count + count // 8 + 1) :]

    def _by_script(self, items: list[Any], generation: int) -> None:
        host = self._host
        flushing = [hosted for hosted in host.attached("on_flush") if hosted.born <= generation]
        for start in range(0, len(items), AT_ONCE):
            some = items[start : start + AT_ONCE]
            shares = [[] if self._selective(hosted.script.monitor) else some for hosted in flushing]
            if any(share is not some for share in shares):
                self._share_out(some, [hosted.script.monitor for hosted in flushing], shares)
            for hosted, share in zip(flushing, shares, strict=True):
                hosted.each("on_flush", share)

    def _share_out(self, items: list[Any], monitors: list[type[Any]], shares: list[list[Any]]) -> None:
        """Give each script that does not take everything what is for it."""
        selective = [number for number, share in enumerate(shares) if share is not items]
        kind_of = self._kind_of
        takers: dict[Hashable, list[Callable[[Any], None]]] = {}
        for item in items:
            kind = kind_of(item)
            try:
                appends = takers[kind]
            except (KeyError, TypeError):
                kind = usable(kind)
                select = self._selecting(kind)
                appends = takers[kind] = [shares[number].append for number in selective if select(monitors[number])]
            for append in appends:
                append(item)

    def _one_by_one(self, items: list[Any], generation: int) -> None:
        kind_of, plans = self._kind_of, self._plans
        for item in items:
            place = (usable(kind_of(item)), generation)
            plan = plans.get(place)
            if plan is None:
                plan = plans[place] = self._host.flush_plan(self._selecting(place[0]), generation)
            plan.flush(item)

    def _changed(self) -> None:
        self._wanted.clear()
        self._plans.clear()


def usable(kind: Any) -> Hashable:
    """A kind that can be looked up, also where a script has put something else into its record."""
    try:
        hash(kind)
    except TypeError:
        return tuple(map(repr, kind)) if isinstance(kind, tuple) else repr(kind)
    result: Hashable = kind
    return result
