"""Parameters of one script that is no check, as a form: they are the same for all that it sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from console.data.check_settings import FormProblem
from console.data.model import Answer
from console.data.script_forms import FormField, form_of, params_of, shown
from console.data.setting import Done, fitted, mark_of, policy_of, put, put_whole, see_that_it_is_unchanged, take_back
from console.data.workshop import FoundScript
from console.errors import Missing
from console.parts import Console
from tapline.checks.base import Check
from tapline.monitors import PacketMonitor
from tapline.policy.changes import Misfit
from tapline.policy.model import ScriptSettings
from tapline.script import Script


class ScriptForm(Answer):
    """The parameters of a script as a form; ``mark`` is to be brought along by what changes them."""

    script: str
    path: str
    mark: str
    comment: str
    fields: list[FormField]
    effective: dict[str, str] = Field(description="What it runs with, as people call it.")
    is_set: bool = Field(description="Something is set that can be taken back.")
    problem: str = ""


def has_form(script: FoundScript) -> bool:
    """True for a script that the workers run and whose parameters the policy can set."""
    monitor = script.monitor_class
    return (
        script.place == "enabled"
        and monitor is not None
        and not issubclass(monitor, Check | PacketMonitor)
        and bool(script.params)
    )


def script_form(
    console: Console, name: str, form: Mapping[str, str] | None = None, problems: Mapping[str, str] | None = None
) -> ScriptForm:
    """The form; where one was sent that cannot be used, with what was entered and what is wrong."""
    script, monitor = _script_of(console, name)
    settings = policy_of(console).scripts.get(name, ScriptSettings())
    fields = form_of(monitor, settings.params, script.params, problems)
    effective = {
        field.name: shown(field, settings.params.get(field.name, script.params.get(field.name))) for field in fields
    }
    if form is not None:
        fields = [field.model_copy(update={"given": form.get(f"p.{field.name}", field.given)}) for field in fields]
    named = {field.name for field in fields}
    return ScriptForm(
        script=name,
        path=f"scripts/{name}",
        mark=mark_of(console, f"scripts/{name}"),
        comment=settings.comment,
        fields=fields,
        effective=effective,
        is_set=f"scripts/{name}" in console.standing.entries(),
        problem="; ".join(text for key, text in (problems or {}).items() if key not in named),
    )


def change_script(console: Console, name: str, form: Mapping[str, str], author: str) -> Done:
    """Set what a form says, or take it back (``action`` is ``remove``); :class:`FormProblem`."""
    _, monitor = _script_of(console, name)
    path = f"scripts/{name}"
    see_that_it_is_unchanged(console, path, form.get("mark", ""))
    comment = form.get("comment", "").strip()[:1000]
    if form.get("action") == "remove":
        return unset_script(console, name, author)
    params, problems = params_of(monitor, form)
    if problems:
        raise FormProblem(problems)
    if not params and path in console.standing.entries():
        return unset_script(console, name, author)
    value: dict[str, Any] = {"params": params} | ({"comment": comment} if comment else {})
    try:
        found = fitted(console, {path: value})
    except Misfit as error:
        steps = [str(step) for step in error.problem.steps]
        raise FormProblem({steps[1] if len(steps) > 1 else "": str(error.problem)}) from error
    return put(console, [(path, found[path])], author, comment, f"{name}: set")


def set_script(console: Console, name: str, value: Mapping[str, Any], author: str) -> Done:
    """Set all of a script's settings at once; :class:`Mistake` where they cannot be."""
    _script_of(console, name)
    return put_whole(console, "scripts", name, value, author)


def unset_script(console: Console, name: str, author: str) -> Done:
    """Take back what was set of a script."""
    return take_back(console, "scripts", name, author, "as its file and the configuration say")


def _script_of(console: Console, name: str) -> tuple[FoundScript, type[Script]]:
    for script in console.workshop.scripts():
        if script.name == name and script.monitor_class is not None and has_form(script):
            return script, script.monitor_class
    raise Missing(f"the workers run no script {name} with parameters that are set here: see its page")
