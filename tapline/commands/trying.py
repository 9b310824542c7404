"""Running scripts over captures in this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import yaml

from capture.settings import CaptureSettings
from capture.source import CutShort
from tapline.commands.debugging import breakpoints
from tapline.commands.outcome import Outcome, ReaderGone
from tapline.configuration import Configuration
from tapline.process.signals import on_stop_signal
from tapline.trial import Trial, capture_settings, scripts_of, with_params
from topics.errors import TaplineError
from workers.pipeline import Message
from workers.policy import params_of_files

INTERRUPTED: Final = 130

_EVERY_SECONDS: Final = 0.25


def parameters(given: Sequence[str]) -> dict[str, Any]:
    """``name=value`` texts as a mapping; values are YAML, as in the configuration."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--param takes name=value, not {text!r}")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise click.UsageError(f"--param {name}: {value!r} is not YAML") from error
    return found


@contextmanager
def quiet_scripts() -> Iterator[None]:
    """Within it, errors of scripts are told once: by us, not by the log too."""
    log = logging.getLogger("workers.scripting.hosted")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def try_scripts(
    configuration: Configuration,
    scripts: Sequence[str],
    captures: Sequence[str],
    params: Sequence[str],
    policy: Sequence[str],
    depth: str | None,
    *,
    as_json: bool,
) -> int:
    """Run scripts and rules over captures and print what they do; 1 when a script or a capture failed, else 0.

    The rules are those of the ``policy`` files, where none is given of the configured ones.
    :class:`~topics.errors.TaplineError` when a script or a file of rules cannot be used.
    """
    workers = configuration.workers
    if policy:
        workers = msgspec.structs.replace(workers, policy=list(policy))
    loaded = with_params(scripts_of(scripts, params_of_files(workers)), parameters(params))
    settings = capture_settings(configuration.capture, loaded, depth)
    outcome = Outcome(as_json=as_json)
    trial = Trial(loaded, outcome, settings=workers)
    code = 0
    try:
        with quiet_scripts(), breakpoints(), outcome, trial:
            for capture in captures:
                try:
                    complete = _read(trial, capture, settings, outcome)
                except TaplineError as error:
                    outcome.problem(str(error))
                    code = 1
                else:
                    if not complete:
                        code = INTERRUPTED
                        break
    except ReaderGone as error:
        raise BrokenPipeError from error
    outcome.finish(trial.calls())
    return code or int(bool(outcome.failures))


def _read(trial: Trial, capture: str, settings: CaptureSettings, outcome: Outcome) -> bool:
    """Feed a capture; False when it was interrupted."""
    interrupted = False
    path = Path(capture)
    size = path.stat().st_size if path.is_file() else 0
    read = 0

    def progress(count: int) -> None:
        nonlocal read
        read = count

    def told() -> str:
        records = f"{feed.node.records.total():,} records"
        return f"{capture}: {100 * read // size} % read, {records}" if size else f"{capture}: {records}"

    def stop() -> None:
        nonlocal interrupted
        interrupted = True
        feed.stop()

    cut_short: CutShort | None = None
    for feed in trial.feeds(capture, settings, progress):
        with feed, on_stop_signal(stop):
            try:
                trial.feed(shown(feed, outcome, told))
            except CutShort as error:
                cut_short = cut_short or error
            except TaplineError:
                if not interrupted:
                    raise
        if interrupted:
            return not feed.node.observation.is_file
    if cut_short is not None:
        raise cut_short
    return True


def shown(messages: Iterable[Message], outcome: Outcome, told: Callable[[], str]) -> Iterator[Message]:
    """The messages, while a status line says how far they have come."""
    due = time.monotonic() + _EVERY_SECONDS
    for message in messages:
        yield message
        outcome.flush()
        now = time.monotonic()
        if now >= due:
            outcome.status.show(told())
            due = now + _EVERY_SECONDS
