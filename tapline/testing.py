"""Testing scripts: from a capture, or from records, to what the script made of it.

::

    from tapline.testing import run

    def test_short_sessions_are_told() -> None:
        result = run("short_ssh.py", "sessions.pcap", params={"max_bytes": 1500})
        assert [alert.type for alert in result.alerts] == ["short-ssh"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any, cast

from msgspec import Struct, field

from capture.feed import CaptureFeed
from capture.settings import CaptureSettings
from tapline.script import Script
from tapline.trial import HookCalls, LineWriter, MadeRecords, Trial, capture_settings, scripts_of, with_params
from topics.records import Alert, Annotation, DeadLetter, Document, Message, Metric, Record, Resource, Track
from workers.environment import ScriptError
from workers.settings import WorkersSettings

__all__ = ["HookCalls", "Result", "ScriptError", "run"]


class Result(Struct, kw_only=True):
    """What scripts did: what they emitted, in the order in which they did, and how it went.

    ``counters`` are the windows' totals of keys with meters that scripts made; ``alerts`` also those that say
    that a script was suspended, or that records were missing. ``printed`` are lines. ``calls`` has each
    hook that was called, ``errors`` each call that raised; ``unusable`` is empty unless what a script
    emitted broke a stage.
    """

    alerts: list[Alert] = field(default_factory=list)
    counters: list[Metric] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    unusable: list[DeadLetter] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    calls: list[HookCalls] = field(default_factory=list)
    errors: list[ScriptError] = field(default_factory=list)

    def called(self, hook: str, script: str = "") -> int:
        """How often a hook was called, of this script or of all."""
        return sum(each.calls for each in self.calls if each.hook == hook and script in ("", each.script))


def run(
    scripts: str | Path | type[Script] | Sequence[str | Path | type[Script]],
    *captures: str | Path,
    records: Sequence[Record] = (),
    params: Mapping[str, Any] | None = None,
    partitions: int = 1,
    depth: str | None = None,
) -> Result:
    """Run scripts (files or classes) over captures, and over records made by hand, and return what they did.

    Each capture, and the records together, is a stream of its own. ``records`` are flows, metrics, resources,
    documents or alerts; their times say which window they belong to. ``params`` maps a parameter
    (``max_bytes``, or ``ShortSSH.max_bytes``) to its value. Each partition has instances of the scripts
    of its own. ``depth`` is ``light`` (flows) or ``deep`` (also resources and documents; needs tshark, which
    reads captures here whatever else is installed), where it is not given the least that the scripts need.
    Checks are on, and nothing is read of the policy.

    :class:`~topics.errors.TaplineError` when a script or a capture cannot be used. A hook that raises
    does not raise here: see :attr:`Result.errors`.
    """
    given = [scripts] if isinstance(scripts, str | Path | type) else list(scripts)
    loaded = with_params(scripts_of(given), params or {})
    result = Result()
    settings = (
        capture_settings(CaptureSettings(node="test", engine="tshark"), loaded, depth)
        if captures
        else CaptureSettings()
    )
    trial = Trial(loaded, _Collector(result), partitions=partitions, settings=WorkersSettings(policy=[]))
    with closing(LineWriter(result.printed.append)) as prints, redirect_stdout(prints), trial:
        for capture in captures:
            for feed in trial.feeds(str(capture), settings):
                with feed:
                    trial.feed(feed)
        if records:
            made = MadeRecords(records)
            with CaptureFeed(made.observation(), [made], trial.partitions) as feed:
                trial.feed(feed)
    result.calls = trial.calls()
    return result


class _Collector:
    """A :class:`tapline.trial.Listener` that fills a result."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._lists = cast(
            "dict[str, list[Record]]",
            {
                "alert": result.alerts,
                "counter": result.counters,
                "resource": result.resources,
                "document": result.documents,
                "track": result.tracks,
                "annotation": result.annotations,
                "message": result.messages,
                "dead": result.unusable,
            },
        )

    def emitted(self, kind: str, record: Record) -> None:
        self._lists[kind].append(record)

    def failed(self, error: ScriptError) -> None:
        self._result.errors.append(error)
