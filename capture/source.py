"""What every source of records looks like to the node that runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct

from topics.catalog import Topic
from topics.errors import TaplineError
from topics.records import WINDOW_SECONDS, Record

Places = dict[str, list[int]]
"""Places in the topics: of each kind, the offset in each partition."""

LIVE = "live"
"""The stream of everything read live."""


class CutShort(TaplineError):
    """The input is damaged or ends inside a packet; all that came before it was put.

    Reading it again comes to the same, so the stream is complete with what there is.
    """


class Observation(Struct, frozen=True, kw_only=True):
    """Who looks, where, and how the records of this look are told apart.

    ``identity`` is the first part of every id made here. A capture file's is its content's hash, so
    that reading the file again, on any node, makes the same ids; a live one's is node, observation
    point and start. ``producer`` is the node named in message headers (see
    :func:`observe_file` and :func:`observe_live`).
    """

    node: str
    observation_point: str
    stream: str
    identity: str
    producer: str

    @property
    def is_file(self) -> bool:
        """True for a capture file, whose records are the same however often it is read."""
        return self.stream.startswith("file-")


def observe_file(node: str, name: str, sha256: str) -> Observation:
    """The observation of a capture file, by the SHA-256 of its content in hex."""
    stream = f"file-{sha256[:16]}"
    return Observation(node=node, observation_point=name, stream=stream, identity=stream, producer=stream)


def observe_live(node: str, interface: str, started: int, member: int = 0) -> Observation:
    """The observation of an interface by a node that started at this time (epoch microseconds).

    ``member`` is the number of its process among those that share the interface, 0 where it has it alone.
    """
    producer = f"{node}/{interface}.{member}#{started}" if member else f"{node}/{interface}#{started}"
    return Observation(node=node, observation_point=interface, stream=LIVE, identity=producer, producer=producer)


def observe_stream(node: str, name: str, started: int) -> Observation:
    """The observation of a capture that arrives as a stream (standard input, a FIFO).

    Its content is not known beforehand, so the stream is named after the time it was begun (epoch
    microseconds), and reading the same capture again makes other ids.
    """
    producer = f"{node}#{started}"
    stream = f"stdin-{started}"
    return Observation(
        node=node, observation_point=name, stream=stream, identity=f"{producer}/{stream}", producer=producer
    )


def window_of(time: int) -> int:
    """The window (its start, epoch seconds) of an event time in epoch microseconds."""
    return time // 1_000_000 // WINDOW_SECONDS * WINDOW_SECONDS


class Sink(Protocol):
    """Where a source puts what it makes. Safe to call from several threads; may block (back-pressure)."""

    def put(self, topic: Topic, key: str, record: Record, window: int) -> None:
        """Take one record; records with the same key keep their order."""

    def advance(self, source: str, window: int) -> None:
        """The source will put nothing more for this window or an earlier one."""

    def count(self, source: str, counter: str, amount: int = 1) -> None:
        """Add to one of the source's own counters, as ``packets`` or ``ignored.not-ip``."""


Made = tuple[Topic, str, Record]
"""A record, where it goes and by which key."""


@runtime_checkable
class Gathering(Protocol):
    """A sink that takes at once what comes at once."""

    def put_together(self, made: Sequence[Made], window: int) -> None:
        """Take several records of one key, which all count in this window."""


def putting_together(sink: Sink) -> Callable[[Sequence[Made], int], None]:
    """What takes several records of one key at once; one by one where the sink does not."""
    if isinstance(sink, Gathering):
        return sink.put_together

    def put_each(made: Sequence[Made], window: int) -> None:
        for topic, key, record in made:
            sink.put(topic, key, record, window)

    return put_each


@runtime_checkable
class Confirming(Protocol):
    """A sink that can tell when what it was given is safe, and what was safe before it began."""

    @property
    def confirms(self) -> bool:
        """False where it cannot, as what it is given goes nowhere that lasts."""

    def confirm(self) -> Places | None:
        """Wait until everything put so far is where it has to go; None where some of it was dropped.

        What is put from now on will stand at these places or after them.
        """

    def published(self, places: Places, is_ours: Callable[[str], bool]) -> Iterator[str]:
        """The ids of the records at these places or after them whose producer is ``is_ours``, up to now."""


def confirming(sink: Sink) -> Confirming | None:
    """The sink as one that confirms; None where it does not."""
    return sink if isinstance(sink, Confirming) and sink.confirms else None


@runtime_checkable
class Settling(Protocol):
    """A sink that can be asked, without waiting, whether what it was given is safe."""

    def send_all(self) -> int:
        """Send what was put so far; a number for :meth:`is_safe`."""

    def is_safe(self, number: int) -> bool:
        """True once all that was put before :meth:`send_all` gave this number is where it has to go, or was dropped."""


class Source(Protocol):
    """One engine over one input."""

    @property
    def name(self) -> str:
        """The engine's name, as ``nfstream``."""

    def run(self, sink: Sink) -> None:
        """Read until the end of the input or :meth:`stop`.

        :class:`CutShort` when the input ends early, any other :class:`~topics.errors.TaplineError`
        when it cannot be read (on) for another reason.
        """

    def stop(self) -> None:
        """Ask :meth:`run` to return soon, from any thread.

        What a live interface or a stream has shown so far is still put. Of a capture file nothing
        more is put: a record made at the place where reading stopped would stand where reading the
        file again puts another.
        """
