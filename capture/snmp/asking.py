"""Questions to one device and its answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from gufo.snmp import SnmpError
from gufo.snmp.aio import SnmpSession
from gufo.snmp.typing import ValueType

MOST_ROWS: Final = 10_000
"""Most rows of a column that are read: a device that shows more is read as far."""

_REPETITIONS: Final = 25
"""Rows a datagram: 25 fit into 1,472 bytes, names of interfaces included."""

T = TypeVar("T")


class WrongAnswer(Exception):
    """What a device answers cannot be."""


class Asking:
    """Asks one device, each question again ``retries`` times when it does not answer.

    All methods raise what the session raises: :class:`TimeoutError` when there is no answer, :class:`SnmpError` for an
    answer that is an error, :class:`OSError` when nothing can be sent; and :class:`WrongAnswer`.
    """

    def __init__(self, session: SnmpSession, retries: int, *, bulk: bool) -> None:
        self._session = session
        self._retries = retries
        self._bulk = bulk

    async def begin(self) -> None:
        """Have SNMPv3 know the device's engine, its boots and its time (RFC 3414, 4); of other versions nothing."""
        await self._again(self._session.refresh)

    async def get(self, names: Sequence[str]) -> dict[str, ValueType]:
        """The values of some objects by their names; those that the device does not have are left out."""
        if self._bulk:
            return await self._again(lambda: self._session.get_many(names))
        # SNMPv1 answers to all or to none.
        found: dict[str, ValueType] = {}
        for name in names:
            found |= await self._again(lambda name=name: self._session.get_many([name]))  # type: ignore[misc]
        return found

    async def column(self, name: str) -> dict[int, ValueType]:
        """A column of a table that has one integer as its index: the values by it."""
        session = self._session
        rows = session.getbulk(name, _REPETITIONS) if self._bulk else session.getnext(name)
        found: dict[int, ValueType] = {}
        last = -1
        beginning = f"{name}."
        while len(found) < MOST_ROWS:
            try:
                row = await self._again(lambda: anext(rows, None))
            except SnmpError:
                # SNMPv1 ends a walk with the error that there is nothing more (RFC 1157, 4.1.3).
                if self._bulk:
                    raise
                break
            if row is None:
                break
            index = row[0].removeprefix(beginning)
            if not row[0].startswith(beginning) or not index.isdecimal() or len(index) > 10:
                raise WrongAnswer(f"it shows {row[0]} in the column {name}")
            if int(index) <= last:
                raise WrongAnswer(f"the column {name} does not go on at {row[0]}")
            last = int(index)
            found[last] = row[1]
        return found

    async def _again(self, ask: Callable[[], Awaitable[T]]) -> T:
        for _ in range(self._retries):
            try:
                return await ask()
            except TimeoutError:
                continue
        return await ask()
