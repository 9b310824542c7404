"""A stream of packets through tsharks that are changed for new ones before they have kept too much.

A tshark keeps something of every packet and conversation for as long as it runs. So after a number of packets another
takes its place, between two packets, which are counted here: the old one is fed up to there, and what it prints is
taken to its end; the new one was fed the last packets before as well, so that it knows the conversations that go on,
and what it prints of those is left out. So each packet is shown once.
"""

from __future__ import annotations

import logging
import os
import re
import select
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from capture.packet_scripts.framing import Framing, Piece
from capture.packet_scripts.program import Dissector, DissectorEnded

_log = logging.getLogger(__name__)

_CHUNK: Final = 1 << 18
_WAIT: Final = 0.2
_MOST_WAITING: Final = 1 << 20
"""How many bytes may wait for a tshark before no more is read."""

_NUMBER: Final = re.compile(rb'"frame_frame_number":"(\d+)"')
_MOST_CRASHES: Final = 5
"""After so many tsharks of a filter that have ended by themselves and shown nothing it is given up."""

_OVERLAP: Final = 20
"""A new tshark is fed one of so many of the packets of the one before it."""


class Printed(NamedTuple):
    """A line of a tshark: its filter, the packet's number in the whole stream, counted from 1, and the line."""

    display_filter: str
    number: int
    line: bytes


def number_of(line: bytes) -> int:
    """The number of the packet that a line of tshark shows; 0 where it shows none.

    Each packet is two lines, of which one is for Elasticsearch's bulk interface.
    """
    found = _NUMBER.search(line)
    return int(found[1]) if found is not None else 0


class _Generation:
    """The tsharks, one for each filter, of which what they print counts from the packet ``shown_from`` on."""

    def __init__(self, shown_from: int, dissectors: dict[str, Dissector]) -> None:
        self.shown_from = shown_from
        self.dissectors = dissectors
        self._fed_from: dict[str, int] = {}
        self._fed_to = 0
        self._shown_to: dict[str, int] = {}
        self._ended = False

    @property
    def over(self) -> bool:
        """True when all have ended."""
        return all(dissector.gives is None for dissector in self.dissectors.values())

    @property
    def full(self) -> bool:
        """True when one of them has yet to take much of what it was fed."""
        return any(len(dissector.waiting) > _MOST_WAITING for dissector in self.dissectors.values())

    def feed(self, number: int, pieces: Sequence[Piece]) -> None:
        """Feed these packets, the first of which has this number."""
        data = b"".join([piece.packet for piece in pieces])
        for display_filter, dissector in self.dissectors.items():
            if display_filter not in self._fed_from:
                self._fed_from[display_filter] = number
                self._shown_to[display_filter] = number - 1
                dissector.feed(pieces[0].preamble)
            dissector.feed(data)
        self._fed_to = number + len(pieces) - 1

    def end(self) -> None:
        """Feed no more."""
        self._ended = True
        for dissector in self.dissectors.values():
            dissector.end()

    def printed(self, display_filter: str) -> list[Printed]:
        """The lines of the tshark of this filter that count."""
        found = []
        for line in self.dissectors[display_filter].read():
            number = number_of(line)
            if number:
                place = self._shown_to[display_filter] = self._fed_from[display_filter] + number - 1
                if place >= self.shown_from:
                    found.append(Printed(display_filter, place, line))
        return found

    def replace(self, display_filter: str, start: Callable[[str], Dissector]) -> int:
        """Go on with another tshark for this filter, where more is to come; how many packets are perhaps not shown."""
        unshown = self._fed_to - max(self._shown_to.get(display_filter, 0), self.shown_from - 1)
        if not self._ended:
            self.dissectors[display_filter] = start(display_filter)
            self._fed_from.pop(display_filter, None)
            self._shown_to[display_filter] = self._fed_to
        return max(0, unshown)


class Relay:
    """Feeds tsharks with the stream of a descriptor and yields what they print; to be stopped with :meth:`stop`.

    ``every`` is after how many packets tsharks are changed. ``fed`` are the packets so far. ``count`` is told how
    often tsharks were changed (``tshark_changes``, also where there are other filters, see :meth:`show`), how often
    one ended by itself and another went on with the packets after (``tshark_crashes``), and how many packets it has
    perhaps not shown (``unshown``).
    """

    def __init__(
        self,
        descriptor: int,
        display_filters: Sequence[str],
        start: Callable[[str], Dissector],
        every: int,
        count: Callable[[str, int], None],
    ) -> None:
        self.fed = 0
        self._count = count
        self._crashes: Counter[str] = Counter()
        self._descriptor = descriptor
        self._filters = display_filters
        self._start = start
        self._every = every
        self._overlap = max(1, every // _OVERLAP)
        self._framing = Framing()
        self._pieces: list[Piece] = []
        self._ended = False
        self._generations: list[_Generation] = []
        self._changes_now = False

    @property
    def cut_short(self) -> bool:
        """True when the stream has ended inside a packet."""
        return self._ended and self._framing.inside

    def lines(self) -> Iterator[list[Printed]]:
        """What the tsharks print, some at a time, and now and then nothing; until the stream has ended."""
        while not self._ended or self._pieces or self._generations:
            yield self._turn()

    def show(self, display_filters: Sequence[str]) -> None:
        """Have the packets from here on looked at by these filters, in place of those before."""
        self._filters = display_filters
        self._changes_now = bool(self._generations)

    def end(self) -> None:
        """Read no more; what was read is still shown."""
        self._ended = True

    def stop(self) -> None:
        """End the tsharks."""
        for generation in self._generations:
            for dissector in generation.dissectors.values():
                dissector.stop()
        self._generations = []

    def _turn(self) -> list[Printed]:
        """Feed what there is, wait until something can be read or written, and do so."""
        self._feed()
        waits = not self._ended and not self._pieces
        reading = {
            dissector.gives: (generation, display_filter)
            for generation in self._speaking()
            for display_filter, dissector in generation.dissectors.items()
            if dissector.gives is not None
        }
        writing = {
            dissector.wants: dissector
            for generation in self._generations
            for dissector in generation.dissectors.values()
            if dissector.wants is not None
        }
        wanted = [self._descriptor] if waits else []
        readable, writable, _ = select.select([*wanted, *reading], list(writing), [], _WAIT)
        for descriptor in writable:
            writing[descriptor].write()
        printed: list[Printed] = []
        for descriptor in readable:
            if descriptor in reading:
                printed += self._printed(*reading[descriptor])
            else:
                self._read()
        while self._generations and self._generations[0].over:
            del self._generations[0]
        return printed

    def _printed(self, generation: _Generation, display_filter: str) -> list[Printed]:
        try:
            printed = generation.printed(display_filter)
        except DissectorEnded as error:
            self._crashes[display_filter] += 1
            if self._crashes[display_filter] > _MOST_CRASHES:
                raise
            _log.warning("%s; another goes on (filter %s)", error, display_filter)
            self._count("tshark_crashes", 1)
            self._count("unshown", generation.replace(display_filter, self._start))
            return []
        if printed:
            self._crashes[display_filter] = 0
        return printed

    def _speaking(self) -> list[_Generation]:
        """The generations whose output is read: a new one's waits until the one before it has said all.

        What a new one says before packets count that it was fed is left out, and cannot wait.
        """
        if len(self._generations) > 1 and self.fed >= self._generations[1].shown_from:
            return self._generations[:1]
        return self._generations

    def _read(self) -> None:
        chunk = os.read(self._descriptor, _CHUNK)
        if chunk:
            self._pieces = self._framing.take(chunk)
        else:
            self._ended = True

    def _feed(self) -> None:
        """Feed what has been read, as far as there is room; where all has been fed and no more comes, end."""
        while self._pieces and not any(generation.full for generation in self._generations):
            number = self.fed + 1
            if not self._generations:
                self._begin(number)
            elif self._changes_now and len(self._generations) == 1:
                self._changes_now = False
                self._begin(number)
            elif self._changes_now and number > self._generations[-1].shown_from:
                # The one before has not said all yet.
                return
            last = self._generations[-1]
            changes = last.shown_from + self._every
            if number == changes - self._overlap:
                if len(self._generations) > 1:
                    return
                self._begin(changes)
                last = self._generations[-1]
            elif number == last.shown_from and len(self._generations) > 1:
                self._generations[0].end()
                self._count("tshark_changes", 1)
            ends = [last.shown_from, changes - self._overlap, changes]
            count = min([len(self._pieces), *(end - number for end in ends if end > number)])
            fed, self._pieces = self._pieces[:count], self._pieces[count:]
            for generation in self._generations if number < last.shown_from else [last]:
                generation.feed(number, fed)
            self.fed += count
        if self._ended and not self._pieces:
            for generation in self._generations:
                generation.end()

    def _begin(self, shown_from: int) -> None:
        self._generations.append(_Generation(shown_from, {each: self._start(each) for each in self._filters}))
