"""Settings of one check: for all entities and for some, as forms, and what holds of it for an entity."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final

from msgspec import Struct, to_builtins
from msgspec.structs import asdict

from console.data.model import Answer
from console.data.script_forms import FormField, form_of, params_of, shown
from console.data.setting import (
    Done,
    fitted,
    mark_of,
    policy_of,
    put,
    put_whole,
    see_that_it_is_unchanged,
    take_back,
    view_of,
)
from console.errors import Missing
from console.parts import Console
from tapline.checks.base import Check
from tapline.checks.hooks import written as hooks_written
from tapline.checks.periodic import PeriodicCheck
from tapline.policy.changes import Misfit
from tapline.policy.model import CheckSettings, Override, Selector
from tapline.policy.units import quantity

SELECTORS: Final = {
    "pool": "Pool",
    "host": "Host",
    "network": "Network",
    "name": "Name (* and ? for any)",
    "tag": "Tag of a pool",
}
"""By what a layer is for some entities."""

ALL: Final = "all"
NEW: Final = "new"
"""The names of the layer that is for all, and of one that is to be made."""

_NUMBERS: Final = ("score", "severity")
_PATIENCE: Final = ("for_runs", "clear_runs")


class Layer(Answer):
    """What is set of a check for all entities, or for some: ``name`` is :data:`ALL`, a number, or :data:`NEW`."""

    name: str
    title: str
    match: dict[str, str]
    hook: str
    enabled: str
    score: str
    severity: str
    for_runs: str
    clear_runs: str
    fields: list[FormField]
    problems: dict[str, str]


class EffectiveRow(Answer):
    """What holds of a check in one hook for an entity, and because of what, the weakest first."""

    hook: str
    enabled: bool
    params: dict[str, str]
    score: int
    because_of: list[str]


class CheckForms(Answer):
    """The settings of a check as forms; ``mark`` is to be brought along by what changes them."""

    check: str
    title: str
    description: str
    path: str
    mark: str
    comment: str
    layers: list[Layer]
    new: Layer
    hooks: list[str]
    pools: list[str]
    tags: list[str]
    default_on: bool


def check_of(console: Console, name: str) -> type[Check]:
    """The check of this name that the workers run; :class:`Missing` when there is none."""
    found = console.workshop.checks().get(name)
    if found is None:
        raise Missing(f"the workers run no check {name}: enable its file first")
    return found


def check_forms(
    console: Console, name: str, form: Mapping[str, str] | None = None, problems: Mapping[str, str] | None = None
) -> CheckForms:
    """The forms; where one was sent that cannot be used, with what was entered and what is wrong."""
    check = check_of(console, name)
    policy = policy_of(console)
    settings = policy.checks.get(name, CheckSettings())
    base = _params_of(check)
    above = base | settings.params
    layers = [_layer(check, ALL, settings, base)]
    layers += [_layer(check, str(at), override, above) for at, override in enumerate(settings.overrides)]
    new = _layer(check, NEW, Override(), above)
    if form is not None:
        sent = form.get("layer", "")
        layers = [_as_sent(each, form, problems or {}) if each.name == sent else each for each in layers]
        new = _as_sent(new, form, problems or {}) if sent == NEW else new
    return CheckForms(
        check=name,
        title=check.gui.title or name,
        description=check.gui.description,
        path=f"checks/{name}",
        mark=mark_of(console, f"checks/{name}"),
        comment=settings.comment,
        layers=layers,
        new=new,
        hooks=list(hooks_written(check)) if issubclass(check, PeriodicCheck) else [],
        pools=sorted(policy.pools),
        tags=sorted({tag for pool in policy.pools.values() for tag in pool.tags}),
        default_on=check.default_enabled,
    )


def effective_rows(console: Console, name: str, entity: str) -> list[EffectiveRow]:
    """What holds of a check for an entity (an address, a network, a name), hook by hook."""
    check = check_of(console, name)
    kind, entity = _entity(entity.strip())
    fields = {field.name: field for field in form_of(check, {}, {})}
    view = view_of(console)
    found = []
    for hook in hooks_written(check):
        holds = view.effective(check, hook, kind, entity)
        params = _params_of(check) | dict(holds.params)
        found.append(
            EffectiveRow(
                hook=hook,
                enabled=holds.enabled,
                params={
                    key: shown(fields[key], value) if key in fields else str(value) for key, value in params.items()
                },
                score=check.score if holds.score is None else holds.score,
                because_of=list(holds.layers),
            )
        )
    return found


class FormProblem(Exception):
    """A form that cannot be used; ``problems`` says what is wrong by field, under an empty name of all of it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = dict(problems)


def change_layer(console: Console, name: str, form: Mapping[str, str], author: str) -> Done:
    """Set what a form says of one layer, or remove that (``action`` is ``remove``); :class:`FormProblem`."""
    check = check_of(console, name)
    path = f"checks/{name}"
    see_that_it_is_unchanged(console, path, form.get("mark", ""))
    settings = policy_of(console).checks.get(name, CheckSettings())
    value: dict[str, Any] = to_builtins(settings)
    overrides: list[dict[str, Any]] = list(value.get("overrides", []))
    layer = form.get("layer", "")
    if form.get("action") == "remove":
        if layer == ALL:
            value = {key: each for key, each in value.items() if key == "overrides"}
        else:
            del overrides[_place(layer, overrides)]
    else:
        given = _given(check, form, for_all=layer == ALL)
        if layer == ALL:
            kept = {key: each for key, each in value.get("patience", {}).items() if key not in _PATIENCE}
            patience = kept | given.pop("patience", {})
            value = given | ({"patience": patience} if patience else {})
        elif layer == NEW:
            overrides.append(given)
        else:
            at = _place(layer, overrides)
            kept = {key: each for key, each in overrides[at].get("patience", {}).items() if key not in _PATIENCE}
            patience = kept | given.pop("patience", {})
            overrides[at] = given | ({"patience": patience} if patience else {})
    value = {key: each for key, each in value.items() if key not in ("overrides", "comment")}
    comment = form.get("comment", "").strip()[:1000]
    if overrides:
        value["overrides"] = overrides
    if not value and path in console.standing.entries():
        # Of an entry that says nothing the file's of the same path holds, or the check's own.
        return put(console, [(path, None)], author, comment, f"{name}: as its file and the policy's files say")
    if comment:
        value["comment"] = comment
    try:
        found = fitted(console, {path: value})
    except Misfit as error:
        raise FormProblem(_named(error)) from error
    return put(console, [(path, found[path])], author, comment, f"{name}: set")


def set_check(console: Console, name: str, value: Mapping[str, Any], author: str) -> Done:
    """Set all of a check's settings at once; :class:`Mistake` where they cannot be."""
    check_of(console, name)
    return put_whole(console, "checks", name, value, author)


def unset_check(console: Console, name: str, author: str) -> Done:
    """Take back what was set of a check."""
    return take_back(console, "checks", name, author, "taken back")


def _params_of(check: type[Check]) -> dict[str, Any]:
    return dict(asdict(check.params)) if isinstance(check.params, Struct) else {}


def _layer(check: type[Check], name: str, settings: CheckSettings | Override, below: Mapping[str, Any]) -> Layer:
    match = settings.match if isinstance(settings, Override) else Selector()
    given = {key: value for key, value in asdict(match).items() if value}
    return Layer(
        name=name,
        title=", ".join(f"{key} {value}" for key, value in given.items()) or ("For all" if name == ALL else "For some"),
        match=given,
        hook=settings.hook if isinstance(settings, Override) else "",
        enabled={None: "", True: "yes", False: "no"}[settings.enabled],
        score=_text(settings.score),
        severity=_text(settings.severity),
        for_runs=_text(settings.patience.for_runs),
        clear_runs=_text(settings.patience.clear_runs),
        fields=form_of(check, settings.params, below),
        problems={},
    )


def _as_sent(layer: Layer, form: Mapping[str, str], problems: Mapping[str, str]) -> Layer:
    """A layer as somebody has filled it in."""
    fields = [
        field.model_copy(
            update={"given": form.get(f"p.{field.name}", field.given), "problem": problems.get(field.name, "")}
        )
        for field in layer.fields
    ]
    named = {field.name for field in fields}
    return layer.model_copy(
        update={
            "match": {key: form.get(f"match.{key}", "") for key in SELECTORS},
            "hook": form.get("hook", ""),
            "enabled": form.get("enabled", ""),
            **{key: form.get(key, "") for key in (*_NUMBERS, *_PATIENCE)},
            "fields": fields,
            "problems": {key: text for key, text in problems.items() if key not in named},
        }
    )


def _given(check: type[Check], form: Mapping[str, str], *, for_all: bool) -> dict[str, Any]:
    """What a form says, as an entry of the policy has it."""
    params, problems = params_of(check, form)
    found: dict[str, Any] = {"params": params} if params else {}
    if form.get("enabled") in ("yes", "no"):
        found["enabled"] = form["enabled"] == "yes"
    numbers: dict[str, int] = {}
    for name in (*_NUMBERS, *_PATIENCE):
        text = form.get(name, "").strip()
        if text:
            try:
                number = quantity(text)
                if number != int(number) or number < 0:
                    raise ValueError("has to be a whole number, 0 or more")  # noqa: TRY301 - shown like any other
                numbers[name] = int(number)
            except (ValueError, OverflowError) as error:
                problems[name] = str(error)
    found |= {name: numbers[name] for name in _NUMBERS if name in numbers}
    patience = {name: numbers[name] for name in _PATIENCE if name in numbers}
    if patience:
        found["patience"] = patience
    if not for_all:
        match = {key: text for key in SELECTORS if (text := form.get(f"match.{key}", "").strip())}
        if not match:
            problems["match"] = "say for which: a pool, a host, a network, a name or a tag"
        found["match"] = match
        if form.get("hook"):
            found["hook"] = form["hook"]
    if problems:
        raise FormProblem(problems)
    return found


def _place(layer: str, overrides: list[dict[str, Any]]) -> int:
    if not layer.isascii() or not layer.isdigit() or int(layer[:6]) >= len(overrides):
        raise Missing("these settings are there no more: go back and reload")
    return int(layer)


def _named(error: Misfit) -> dict[str, str]:
    """What is wrong with an entry, by the field of the form that it is about."""
    steps = [step for step in error.problem.steps if not isinstance(step, int)]
    if "params" in steps and steps[-1] != "params":
        return {str(steps[steps.index("params") + 1]): str(error.problem)}
    if "match" in steps:
        return {"match": str(error.problem)}
    return {str(steps[-1]) if steps and steps[-1] in (*_NUMBERS, *_PATIENCE) else "": str(error.problem)}


def _entity(text: str) -> tuple[str, str]:
    """What an entity is, and its name as records write it."""
    if not text:
        return "", ""
    try:
        return ("network", str(ip_network(text, strict=False))) if "/" in text else ("host", str(ip_address(text)))
    except ValueError:
        return "", text


def _text(value: int | None) -> str:
    return "" if value is None else str(value)
