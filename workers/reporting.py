"""What a process reports of itself, for whoever wants to know whether a change has reached all of them."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from typing import Any, Final

from prometheus_client import Counter

from topics.catalog import MESSAGE
from topics.codec import Envelope, encode
from topics.worker_reports import (
    EVERY_SECONDS,
    PARTITION,
    HookReport,
    InstanceReport,
    WorkerReport,
    message_of,
)
from workers.policy import PolicyKeeper
from workers.scripting.standing import STANDING, Standing
from workers.windows.outbox import Outgoing

_LONGEST: Final = 1000
"""Most letters of a reason."""

_reports = Counter("tapline_worker_reports", "Reports on the policy and the scripts of this process.", ["outcome"])


class Reporter:
    """Makes the reports of a process: when its policy has changed, and every so many seconds."""

    def __init__(self, policy: PolicyKeeper, standing: Standing = STANDING) -> None:
        self._policy = policy
        self._standing = standing
        self._host = platform.node()
        self._worker = f"{self._host}/{os.getpid()}/{time.time_ns():x}"
        self._last: tuple[int, dict[str, str]] | None = None
        self._at = 0.0

    def due(self) -> Outgoing | None:
        """The report where it is time for one."""
        state = (self._policy.offset, self._policy.refused)
        if state == self._last and time.monotonic() - self._at < EVERY_SECONDS:
            return None
        self._last, self._at = state, time.monotonic()
        report = self.report()
        envelope = Envelope(MESSAGE.schema, self._worker, "live", 0, 0, 1)
        return Outgoing(MESSAGE, PARTITION, envelope, encode([message_of(report)]), self._worker.encode())

    def report(self) -> WorkerReport:
        """How it stands now."""
        return WorkerReport(
            worker=self._worker,
            host=self._host,
            time=time.time_ns() // 1000,
            policy=self._policy.offset,
            refused=self._policy.refused,
            hooks=[
                HookReport(
                    each.script, each.hook, each.calls, round(each.seconds, 6), each.errors, each.last_error[:_LONGEST]
                )
                for each in self._standing.tallies()
                if each.calls or each.errors
            ],
            instances=[
                InstanceReport(state.script, state.file, state.state, state.why[:_LONGEST], count)
                for state, count in self._standing.instances().items()
            ],
        )

    def sent(self, sent: asyncio.Future[Any]) -> None:
        """Count what became of a report; one that was lost is followed by the next."""
        failed = sent.cancelled() or sent.exception() is not None
        _reports.labels("failed" if failed else "sent").inc()
