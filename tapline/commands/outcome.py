"""Telling what scripts do, as it happens: lines for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import TextIOBase
from typing import Any, Final, Self, TextIO, cast

import click
import msgspec

from tapline.commands.debugging import quit_asked_for
from tapline.commands.lines import line
from tapline.commands.output import print_table
from tapline.process.signals import Interrupted
from tapline.trial import HookCalls, LineWriter
from topics.catalog import DEAD
from topics.records import Record
from workers.environment import ScriptError
from workers.scripting.errors import said

_ERRORS_TOLD: Final = 5
"""How many errors of one hook are told; the table has their number."""

_CLEAR: Final = "\r\x1b[2K"


class Status:
    """A line on the terminal that says how far something has come; other output takes its place."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown = False

    def show(self, text: str) -> None:
        """Show this in place of what was shown."""
        if self._terminal:
            sys.stderr.write(_CLEAR + text)
            sys.stderr.flush()
            self._shown = True

    def clear(self) -> None:
        """Make room for other output."""
        if self._shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
            self._shown = False


class ReaderGone(Interrupted):
    """Nobody reads the output any more: it is over, as by an interrupt, and no error of the script that printed."""


class _Prints(TextIOBase):
    """What scripts print, as they print it, where a status line makes room for it."""

    def __init__(self, output: TextIO, status: Status) -> None:
        super().__init__()
        self._output = output
        self._status = status

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._status.clear()
        with _read_on():
            return self._output.write(text)

    def flush(self) -> None:
        if not self.closed:
            with _read_on():
                self._output.flush()


class Outcome:
    """A :class:`tapline.trial.Listener` that prints; a context manager, within which scripts print here too.

    Errors go to standard error as lines, with ``as_json`` also to the output as objects.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.failures = 0
        self.status = Status()
        self._as_json = as_json
        self._output = sys.stdout
        self._prints = LineWriter(self._printed) if as_json else _Prints(sys.stdout, self.status)
        self._redirected = redirect_stdout(cast("TextIO", self._prints))
        self._told: dict[tuple[str, str, str], int] = {}
        self._encode = msgspec.json.Encoder(enc_hook=repr).encode

    def __enter__(self) -> Self:
        self._redirected.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._redirected.__exit__(None, None, None)
        self.status.clear()
        if not isinstance(error[1], ReaderGone):
            self._prints.close()

    def flush(self) -> None:
        """Let the reader have what there is."""
        with _read_on():
            self._output.flush()

    def emitted(self, kind: str, record: Record) -> None:
        if kind == DEAD.kind:
            self.failures += 1
        if self._as_json:
            self._object(kind=kind, record=record)
        else:
            self._write(line(kind, record))

    def failed(self, error: ScriptError) -> None:
        if quit_asked_for(error):
            raise Interrupted
        self.failures += 1
        text = said(error.error)
        place = (error.script, error.hook, error.place)
        times = self._told[place] = self._told.get(place, 0) + 1
        if times <= _ERRORS_TOLD:
            more = "; more of these are counted only" if times == _ERRORS_TOLD else ""
            self.problem(f"{error.place}: {text} (in {error.hook} of {error.script}{more})")
        if self._as_json:
            self._object(
                kind="error",
                script=error.script,
                hook=error.hook,
                place=error.place,
                error=text,
                record=error.argument,
            )

    def note(self, text: str) -> None:
        """Say something about the run, on standard error."""
        self.status.clear()
        click.echo(text, err=True)

    def problem(self, text: str) -> None:
        """Say what is wrong, on standard error."""
        self.status.clear()
        click.echo(f"tapline: {text}", err=True)

    def finish(self, calls: Iterable[HookCalls]) -> None:
        """Tell which hooks were called."""
        self.status.clear()
        if self._as_json:
            for each in calls:
                self._object(kind="hook", **msgspec.structs.asdict(each))
        else:
            rows = [
                (each.script, each.hook, each.calls, f"{each.seconds * 1000:,.1f} ms", each.errors) for each in calls
            ]
            if rows:
                click.echo()
                print_table(("script", "hook", "calls", "time", "errors"), rows)
            else:
                click.echo("no hook was called")

    def _printed(self, text: str) -> None:
        self._object(kind="printed", text=text.encode("utf-8", "replace").decode())

    def _object(self, **fields: Any) -> None:
        self._write(self._encode(fields).decode())

    def _write(self, text: str) -> None:
        self.status.clear()
        with _read_on():
            self._output.write(f"{text}\n")


@contextmanager
def _read_on() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error
