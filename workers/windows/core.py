"""A monitor type's own work on one partition, as its stage calls it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from topics.records import AlertState, Partial
from workers.scripting.host import ScriptHost
from workers.windows.ledger import Window
from workers.windows.outbox import Outgoing


class MonitorCore:
    """What the monitor types have in common; one instance a partition.

    Records are counted at once (:meth:`take`) and shown to scripts in window order (:meth:`show`):
    those of a window wait until it is the oldest open one of its lane, so that scripts see one
    window after the other.
    """

    host: ScriptHost

    offset: int = -1
    """The offset of the message at hand."""

    ranks: ClassVar[bool] = False
    """True when rankings may be published: every partition of their topic then gets each window's marker.

    Whether a script wants some does not matter: it may come or go in the middle of a window, and one
    that has begun must end.
    """

    def begin(self) -> Any:
        """The state of a new window."""
        return None

    def take(self, state: Any, records: Sequence[Any], *, dispatch: bool) -> None:
        """Count records of a window as they come; ``dispatch`` tells whether scripts may see the window."""

    def show(self, state: Any, records: Sequence[Any]) -> None:
        """Run the hooks for records that have been taken."""

    def shows(self) -> bool:
        """True when there is anybody to show records to."""
        return bool(self.host.scripts) or self.ticks()

    def ticks(self) -> bool:
        """True when somebody wants to know of each second."""
        return self.host.wants("on_metronome")

    def tick(self, state: Any, window: Window, second: int) -> Iterable[Partial]:  # noqa: ARG002
        """A second of the window is over, named in epoch seconds; the sums returned are published at once."""
        self.host.call("on_metronome", second)
        return ()

    def end(self, state: Any, window: Window, *, dispatch: bool) -> Iterable[Partial]:
        """The window has ended: run the flush hooks, return the sums to publish."""
        raise NotImplementedError

    def restore(self, states: Iterable[AlertState], known: int) -> None:
        """Begin with how conditions stood, of which all up to this offset is final."""

    def settle(self) -> None:
        """All has been done that windows' ends led to: keep what has to be known after a start at this point."""

    def drain(self) -> list[Outgoing]:
        """What is to be published beside what belongs to a window, once."""
        return []
