"""What Suricata says on its standard error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Final

_LINE = re.compile(r"^(?:\[\d+ - \S+\] \S+ \S+ )?(?:(Error|Warning): )?(.*)$")
_STUCK: Final = "pcap file reader thread failed to initialize"
_EMPTY: Final = "pcap_next_ex(): -2"
_BROKEN = re.compile(r"^pcap: error code -1 (.*?)(?: for \S+)?$")
_RULE = re.compile(r"^detect(?:-[a-z0-9-]+)?: ")
_REFUSED = re.compile(r"^detect: error parsing signature \"(.*)\" from file (.*) at line (\d+)$")
_NO_RULES: Final = "no rules were loaded"
_PERMISSION = re.compile(r"permission|not permitted", re.IGNORECASE)


def is_stuck(said: Sequence[str]) -> bool:
    """True when it cannot begin to read a file, of which it only tells itself a minute later."""
    return any(_STUCK in line for line in said)


def is_refused(said: Sequence[str]) -> bool:
    """True when it cannot begin to read a file, and not because that has no packets."""
    return is_stuck(said) and not any(_EMPTY in line for line in said)


def broke_off(said: Sequence[str]) -> str:
    """Why it did not read a file to its end, which it takes for an end like any other; empty where it did."""
    return next((match[1] for line in said if (match := _BROKEN.match(_text(line)))), "")


def lacks_permission(said: Sequence[str]) -> bool:
    """True when it may not capture."""
    return any(_PERMISSION.search(line) for line in said)


class RefusedRules:
    """The rules that it has left out, each once: what it says is heard in one thread, and taken in another.

    ``all`` is True once it has said that there is none that it uses.
    """

    def __init__(self) -> None:
        self.all = False
        self._why = ""
        self._known: set[str] = set()
        self._news: SimpleQueue[str] = SimpleQueue()

    def hear(self, line: str) -> None:
        """A line that it has said: why a rule cannot be used comes before which one that is."""
        text = _text(line)
        self.all = self.all or _NO_RULES in text
        refused = _REFUSED.match(text)
        if refused is None:
            self._why = text.partition(": ")[2].strip() if _RULE.match(text) else ""
            return
        rule, file, number = refused.groups()
        told = f"{file}:{number}: {self._why or 'it cannot be read'}: {rule}"
        self._why = ""
        if told not in self._known:
            self._known.add(told)
            self._news.put(told)

    def take(self) -> list[str]:
        """Those that came since, in words."""
        return [self._news.get() for _ in range(self._news.qsize())]


def reason(code: int, said: Sequence[str]) -> str:
    """Why it ended, in its own words where it has any: the first error it told of."""
    lines = [_LINE.match(line) for line in said]
    errors = [match[2] for match in lines if match and match[1] == "Error" and not _RULE.match(match[2])]
    if errors:
        return errors[0]
    return f"it was ended by signal {-code}" if code < 0 else f"it left with exit code {code}"


def _text(line: str) -> str:
    match = _LINE.match(line)
    return match[2] if match else line
