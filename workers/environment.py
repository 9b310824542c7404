"""What all stages of one worker process share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from tapline.policy.effective import PolicyView
from topics.settings import KafkaSettings
from workers.scripting.budget import Budget
from workers.scripting.jobs import JobPool
from workers.scripting.scripts import ScriptSet
from workers.settings import WorkersSettings

MOST_NOTICES: Final = 64


class ScriptError(NamedTuple):
    """A hook that raised: whose it is, ``file:line`` (``place``), what was raised, and on what it was called."""

    script: str
    hook: str
    place: str
    error: BaseException
    argument: Any


class Notice(NamedTuple):
    """Something to be told about scripts in an alert, once there is a window for it; ``identity`` is the alert's."""

    type: str
    message: str
    entity: str
    script: str
    identity: str


class Swappable(Protocol):
    """A host whose scripts can change while it runs."""

    def swap(self) -> None:
        """Go over to the scripts now in force."""


def _nobody(_error: ScriptError) -> None:
    pass


@dataclass
class Environment:
    """The settings, the scripts in force, every topic kind's number of partitions, and what topics' names begin with.

    ``failed`` is told of every error of a script, beside the log; ``jobs`` are the threads for slow work,
    ``budget`` is what scripts use of windows, ``hosts`` run scripts now. ``notices`` wait for a window;
    ``common_notices`` are those that every process has to tell, and one of them does. ``policy`` is the one in
    force; what is in ``policy_changed`` is called, between two messages, when another takes its place.
    """

    settings: WorkersSettings
    scripts: ScriptSet
    partitions: Mapping[str, int]
    failed: Callable[[ScriptError], None] = _nobody
    prefix: str = KafkaSettings().prefix
    policy: PolicyView = field(default_factory=PolicyView)
    policy_changed: list[Callable[[], None]] = field(init=False, default_factory=list)
    jobs: JobPool = field(init=False)
    budget: Budget = field(init=False)
    hosts: list[Swappable] = field(init=False, default_factory=list)
    notices: deque[Notice] = field(init=False, default_factory=lambda: deque(maxlen=MOST_NOTICES))
    common_notices: deque[Notice] = field(init=False, default_factory=lambda: deque(maxlen=MOST_NOTICES))

    def __post_init__(self) -> None:
        self.jobs = JobPool(self.settings.async_threads)
        self.budget = Budget(self.settings)
