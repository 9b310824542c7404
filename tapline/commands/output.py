"""How commands print: aligned tables for people, JSON for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

from tapline.process.printable import printable

_EVERY_SECONDS: Final = 5.0


def print_json(value: Any) -> None:
    """Print any of our values as one line of JSON."""
    import msgspec

    click.echo(msgspec.json.encode(value))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their column names; numbers are set to the right and grouped by thousands."""
    given = [list(row) for row in rows]
    cells = [[_text(value) for value in row] for row in given]
    numeric = [
        any(isinstance(row[position], int) for row in given)
        and all(isinstance(row[position], int | None) for row in given)
        for position in range(len(columns))
    ]
    widths = [
        max(len(name), *(len(row[position]) for row in cells)) if cells else len(name)
        for position, name in enumerate(columns)
    ]
    for line in [list(columns), *cells]:
        parts = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        click.echo("  ".join(parts).rstrip())


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else printable(str(value))


class Progress:
    """Prints lines that say how far something has come.

    Lines that begin alike, up to a colon, are about the same thing: on a terminal a later one takes
    the place of an earlier one, elsewhere one is printed every few seconds and each thing's last one.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._about = ""
        self._held = ""
        self._last = ""
        self._printed = 0.0

    def __call__(self, line: str) -> None:
        if self._quiet:
            return
        about = line.partition(":")[0] if ":" in line else ""
        if self._terminal:
            begin = "\r\x1b[K" if about and about == self._about else "\n" if self._about else ""
            click.echo(begin + line, err=True, nl=not about)
            self._about = about
            return
        if about and about == self._about:
            self._held = line if line != self._last else ""
            if not self._held or time.monotonic() - self._printed < _EVERY_SECONDS:
                return
        if about != self._about:
            self.close()
        self._about, self._held, self._last, self._printed = about, "", line, time.monotonic()
        click.echo(line, err=True)

    def close(self) -> None:
        """Finish the line at hand."""
        if self._held:
            click.echo(self._held, err=True)
        elif self._terminal and self._about:
            click.echo(err=True)
        self._held = self._about = ""


def megabytes(count: int) -> str:
    """A number of bytes for people, in MiB."""
    return f"{count / (1 << 20):,.0f} MiB"


def age(seconds: float | None) -> str:
    """How long ago something was, for people, in the largest unit of which there are two or more."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} s"
