"""Messages between scripts: every worker hears all of them, whatever partition they were sent from.

They are no part of any window: when one is heard depends on when it came, and a worker that starts
hears again what is retained. So a script may only take note of them (docs/explanation/exactness.md).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice
from typing import Final

from prometheus_client import Counter

from tapline.script import Script
from topics.records import Message
from workers.scripting.host import ScriptHost

KEPT: Final = 20_000
"""Messages a process keeps for stages that come to it later; of more the oldest are forgotten."""

heard_messages = Counter(
    "tapline_worker_script_messages", "Messages between scripts, by what became of them.", ["outcome"]
)


class MessageBoard:
    """The messages a process has heard, each once, in the order in which it heard them.

    One thread may add while another reads.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self._forgotten = 0
        self._lock = threading.Lock()

    def add(self, messages: Iterable[Message]) -> None:
        """Take these up, but for those that are known already."""
        with self._lock:
            for message in messages:
                if message.id in self._messages:
                    heard_messages.labels("duplicate").inc()
                    continue
                self._messages[message.id] = message
                heard_messages.labels("new").inc()
                if len(self._messages) > self._kept:
                    self._messages.popitem(last=False)
                    self._forgotten += 1
                    heard_messages.labels("forgotten").inc()

    @property
    def end(self) -> int:
        """How many there have been."""
        return self._forgotten + len(self._messages)

    def since(self, place: int) -> tuple[list[Message], int]:
        """The messages from a place on that are still known, and the place after them."""
        if place >= self.end:
            return [], place
        with self._lock:
            first = max(0, place - self._forgotten)
            return list(islice(self._messages.values(), first, None)), self.end


def tell(host: ScriptHost, message: Message) -> None:
    """Call :meth:`~tapline.script.Script.on_message` of the scripts that subscribe to a message's subject."""
    for each in (host, *host.companions):
        for hosted in each.attached("on_message"):
            subjects = hosted.script.monitor.subscriptions
            if not subjects or message.subject in subjects:
                hosted.hook("on_message")(message)


def listens(monitor: type[Script]) -> bool:
    """True for a script that wants messages."""
    return monitor.on_message is not Script.on_message
