"""The hooks of checks, by type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tapline.checks.base import Check
from tapline.checks.flow_check import FlowCheck
from tapline.checks.periodic import PeriodicCheck
from tapline.checks.resource_check import ResourceCheck
from tapline.checks.syslog import SyslogHandler

HOOKS: Final[Mapping[type[Check], tuple[str, ...]]] = {
    FlowCheck: ("protocol_detected", "status_changed", "periodic_update", "flow_end"),
    PeriodicCheck: ("min", "five_minutes", "hour", "day"),
    ResourceCheck: ("on_new_resource",),
    SyslogHandler: ("handle_event",),
}
"""The hooks that a check of each type can write, beside ``all``, which stands for those of its type it does not."""

ALL: Final = "all"


def hooks_of(check: type[Check]) -> tuple[str, ...]:
    """The names of the hooks a check's type has, ``all`` among them; empty for a class that is none of the types."""
    for base, hooks in HOOKS.items():
        if issubclass(check, base):
            return (*hooks, ALL) if hasattr(base, ALL) else hooks
    return ()


def written(check: type[Check]) -> dict[str, str]:
    """The hooks a check is called at, each with the method that is called: its own, or ``all``."""
    base = next((base for base in HOOKS if issubclass(check, base)), None)
    if base is None:
        return {}
    own = {name for name in hooks_of(check) if getattr(check, name) is not getattr(base, name)}
    methods = {name: name if name in own else ALL for name in HOOKS[base]}
    return {name: method for name, method in methods.items() if method in own}
