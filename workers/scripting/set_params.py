"""The parameters that the policy sets of scripts, put in force while they run.

They are laid over those of ``workers.params``, parameter by parameter. A script of which they become others is made
anew in all its instances, as when its file has changed; the others go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from tapline.checks.base import Check
from tapline.monitors import FlowTracker, PacketMonitor
from tapline.policy.model import ScriptSettings
from tapline.script import Script
from topics.errors import TaplineError
from workers.counting.tracker_settings import tracker_settings
from workers.environment import Environment
from workers.scripting.scripts import LoadedScript, ScriptFate, ScriptSet


def go_over(environment: Environment, scripts: ScriptSet) -> dict[str, str]:
    """Go over to these scripts with the parameters that the policy in force sets.

    To be called between messages. Returns what of the policy cannot be used, by the path of its entry, with why:
    such a script runs with the parameters of the configuration.
    """
    problems: dict[str, str] = {}
    before = {script.monitor: script for script in environment.scripts.scripts}
    settings = environment.policy.policy.scripts
    found = tuple(_in_force(scripts, before, settings, problems))
    was = environment.scripts
    if scripts.groups is not was.groups or list(map(id, found)) != list(map(id, was.scripts)):
        environment.scripts = ScriptSet(found, scripts.groups)
        for host in list(environment.hosts):
            host.swap()
    return problems


def _in_force(
    scripts: ScriptSet,
    before: Mapping[type, LoadedScript],
    settings: Mapping[str, ScriptSettings],
    problems: dict[str, str],
) -> Iterator[LoadedScript]:
    for script in scripts.scripts:
        configured = script.params if script.configured is None else script.configured
        params = configured
        if script.name in settings and not issubclass(script.monitor, Check | PacketMonitor):
            try:
                params = _laid_over(script.monitor, configured, settings[script.name].params)
            except (msgspec.ValidationError, TaplineError) as error:
                problems[f"scripts/{script.name}"] = str(error)
        running = before.get(script.monitor)
        if running is not None and running.params == params:
            yield running
        elif running is None and script.params == params:
            yield script
        else:
            yield replace(script, params=params, configured=configured, fate=ScriptFate())


def _laid_over(monitor: type[Script], configured: Any, given: Mapping[str, Any]) -> Any:
    params = msgspec.convert({**msgspec.to_builtins(configured), **given}, monitor.params_type)
    if issubclass(monitor, FlowTracker):
        tracker_settings(monitor, params)
    return params
