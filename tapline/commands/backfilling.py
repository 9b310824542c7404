"""Running scripts over what the topics still hold."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, Final

import click
import msgspec

from capture.publisher import KafkaPublisher
from tapline.commands.outcome import Outcome, ReaderGone
from tapline.commands.trying import INTERRUPTED, parameters, quiet_scripts, shown
from tapline.configuration import Configuration
from tapline.monitors import (
    AlertMonitor,
    CounterMonitor,
    EngineMonitor,
    FlowTracker,
    FullTextMonitor,
    ResourceMonitor,
    SessionMonitor,
)
from tapline.process.signals import on_stop_signal
from tapline.script import Script
from tapline.trial import Trial, made_by_script, scripts_of, with_params
from topics.catalog import ALERT, DOCUMENT, FLOW, METRIC, RESOURCE, Topic
from topics.codec import Envelope
from topics.held import HeldMessages
from topics.records import WINDOW_SECONDS
from workers.backfill import PUBLISHED, Republished, WindowRange, name_of
from workers.pipeline import Message
from workers.policy import params_of_files
from workers.scripting.scripts import ScriptSet

_READS: Final[dict[type[Script], tuple[Topic, ...]]] = {
    SessionMonitor: (FLOW,),
    EngineMonitor: (FLOW,),
    FlowTracker: (FLOW,),
    CounterMonitor: (FLOW, METRIC),
    ResourceMonitor: (RESOURCE,),
    FullTextMonitor: (DOCUMENT,),
    AlertMonitor: (ALERT,),
}
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FOREVER: Final = 1 << 62


def moment(text: str, now: float) -> float:
    """Epoch seconds of an ISO 8601 time (UTC where it has no zone), or of so long before ``now``, as ``2h``."""
    relative = re.fullmatch(r"(\d+)([smhd])", text.strip())
    if relative:
        return now - int(relative[1]) * _UNITS[relative[2]]
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise click.UsageError(
            f"{text!r} is no time: write 2026-11-21T09:30, or how long ago: 90s, 30m, 2h, 7d"
        ) from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def windows_between(begin: str | None, end: str | None, now: float) -> tuple[int, int]:
    """The starts of the first whole window between two times and of the one after the last."""
    first = 0 if begin is None else -int(-moment(begin, now) // WINDOW_SECONDS) * WINDOW_SECONDS
    after = _FOREVER if end is None else int(moment(end, now) // WINDOW_SECONDS) * WINDOW_SECONDS
    if first >= after:
        raise click.UsageError("there is no whole window of a minute between --from and --to")
    return first, after


def backfill(
    configuration: Configuration,
    scripts: Sequence[str],
    begin: str | None,
    end: str | None,
    params: Sequence[str],
    *,
    as_json: bool,
    publish: bool,
) -> int:
    """Run scripts over the windows between two times; 1 when a script failed or nothing is held, else 0.

    :class:`~topics.errors.TaplineError` when a script, Kafka or its topics cannot be used.
    """
    first, after = windows_between(begin, end, time.time())
    windows = WindowRange(first, after)
    loaded = with_params(scripts_of(scripts, params_of_files(configuration.workers)), parameters(params))
    outcome = Outcome(as_json=as_json)
    kafka = configuration.kafka
    interrupted = False

    def stop() -> None:
        nonlocal interrupted
        interrupted = True

    with ExitStack() as stack:
        held = stack.enter_context(HeldMessages(kafka, _topics_for(loaded), f"{configuration.workers.group}-backfill"))
        republished = Republished(_name(loaded, first), made_by_script)
        publisher = KafkaPublisher(kafka, live=False, topics=PUBLISHED) if publish else None
        if publisher is not None:
            stack.enter_context(publisher)

        def send(topic: Topic, partition: int, envelope: Envelope, records: list[Any]) -> None:
            if publisher is not None:
                for out in republished.messages(topic, partition, envelope, records):
                    if out.body is None:
                        continue
                    count = 0 if out.envelope.is_snapshot else out.envelope.count
                    publisher.send(out.topic, out.partition, out.body, out.envelope.headers(), count)

        def messages() -> Iterator[Message]:
            for message in held:
                if interrupted:
                    return
                yield from windows.take(*message)
            yield from windows.finish()

        def told() -> str:
            return f"backfill: {100 * held.read // max(held.total, 1)} % read, {windows.records:,} records taken"

        trial = Trial(loaded, outcome, partitions=held.partitions, settings=configuration.workers, also=send)
        try:
            with quiet_scripts(), on_stop_signal(stop), outcome, trial:
                trial.feed(shown(messages(), outcome, told))
        except ReaderGone as error:
            raise BrokenPipeError from error
        if publisher is not None:
            publisher.flush()
    outcome.finish(trial.calls())
    _tell(outcome, windows, republished if publish else None)
    if interrupted:
        return INTERRUPTED
    return int(bool(outcome.failures) or not windows.windows)


def _topics_for(scripts: ScriptSet) -> list[Topic]:
    """The topics that these scripts see records of."""
    wanted = {topic: None for base, topics in _READS.items() if scripts.of(base) for topic in topics}
    return list(wanted)


def _name(scripts: ScriptSet, begin: int) -> str:
    described = [
        (script.name, script.path.read_text(encoding="utf-8"), msgspec.json.encode(script.params).decode())
        for script in scripts.scripts
    ]
    return name_of(described, begin)


def _tell(outcome: Outcome, windows: WindowRange, republished: Republished | None) -> None:
    """Say on standard error what was taken, what was not, and what was published."""
    if windows.windows:
        starts = [start for _, start in windows.windows]
        outcome.note(f"{windows.records:,} records of {_time(min(starts))} to {_time(max(starts) + WINDOW_SECONDS)}")
    elif windows.last < 0:
        outcome.problem("the topics hold nothing: capture something first, or see topics' retention")
    else:
        outcome.problem(
            f"the topics hold no whole window of that range: they have {_time(windows.first)} to"
            f" {_time(windows.last + WINDOW_SECONDS)}"
        )
    if windows.missing:
        outcome.note(
            f"{windows.missing:,} records were announced and are not held any more: the first windows are not whole,"
            " begin later to leave them out"
        )
    if windows.skipped["open"]:
        outcome.note(f"{windows.skipped['open']:,} messages of windows that are still open were left out")
    if windows.skipped["again"]:
        outcome.note(f"{windows.skipped['again']:,} messages are dead letters sent again: the first ones were taken")
    for reason in sorted(windows.skipped.keys() - {"open", "outside", "again"}):
        outcome.note(f"{windows.skipped[reason]:,} messages could not be used: {reason}")
    if republished is not None:
        sent = ", ".join(f"{count:,} {kind}" for kind, count in sorted(republished.records.items()))
        outcome.note(f"published: {sent or 'nothing'}")


def _time(window: int) -> str:
    return datetime.fromtimestamp(window, UTC).strftime("%Y-%m-%dT%H:%MZ")
