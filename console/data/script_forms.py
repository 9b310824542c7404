"""Forms for the parameters of scripts, made of their types and of what a check says of its form."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec
from pydantic import Field

from console.data.model import Answer
from tapline.checks.base import Check
from tapline.checks.gui import (
    DurationInput,
    Gui,
    Input,
    ItemListInput,
    MultiSelectInput,
    NumberInput,
    ThresholdInput,
    VolumeInput,
)
from tapline.policy.units import duration, quantity
from tapline.script import Script

PREFIX: Final = "p."
"""What the names of fields of parameters begin with in a form."""

NO_ITEMS: Final = "-"
"""What stands for a list without items, where an empty field leaves it as it is."""

Kind = Literal["number", "whole", "duration", "volume", "text", "list", "switch", "choice", "choices"]

_ITEMS: Final[dict[Any, str]] = {int: "whole number", float: "number"}
_OPERATORS: Final = {"gt": "greater than", "lt": "less than"}
_DURATIONS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))
_VOLUMES: Final = ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB"))


class FormField(Answer):
    """One parameter as it is entered; an empty field leaves what holds otherwise (``below``)."""

    name: str
    label: str
    kind: Kind
    unit: str = ""
    item: str = Field(default="", description="What a list is of.")
    minimum: float | None = None
    maximum: float | None = None
    choices: dict[str, str] = Field(default_factory=dict, description="Values and what people call them.")
    given: str = Field(default="", description="What is set, as it is entered.")
    chosen: list[str] = Field(default_factory=list, description="The values that are set of `choices`.")
    below: str = Field(default="", description="What holds where nothing is set.")
    problem: str = ""


def form_of(
    monitor: type[Script], given: Mapping[str, Any], below: Mapping[str, Any], problems: Mapping[str, str] | None = None
) -> list[FormField]:
    """The form for a script's parameters: what is given in one place, above what holds below it."""
    fields = _fields(monitor)
    made = []
    for field in fields:
        value = given.get(field.name)
        made.append(
            field.model_copy(
                update={
                    "given": "" if value is None else written(field.kind, value),
                    "chosen": list(map(str, value)) if isinstance(value, list | tuple) else [],
                    "below": shown(field, below.get(field.name)),
                    "problem": (problems or {}).get(field.name, ""),
                }
            )
        )
    return made


def params_of(monitor: type[Script], form: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The parameters that a form gives, and what is wrong with it by parameter."""
    params: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for field in _fields(monitor):
        if field.kind == "choices":
            chosen = [value for value in field.choices if form.get(f"{PREFIX}{field.name}.{value}")]
            if chosen:
                params[field.name] = chosen
            elif form.get(f"{PREFIX}{field.name}") == NO_ITEMS:
                params[field.name] = []
            continue
        text = form.get(f"{PREFIX}{field.name}", "").strip()
        if not text:
            continue
        try:
            params[field.name] = _read(field, text)
        except ValueError as error:
            problems[field.name] = str(error)
    return params, problems


def written(kind: Kind, value: Any) -> str:
    """A value as one enters it."""
    if isinstance(value, list | tuple):
        return "\n".join(map(str, value)) or NO_ITEMS
    if isinstance(value, bool):
        return "yes" if value else "no"
    if kind == "duration" and value:
        return next((f"{value // size} {unit}" for size, unit in _DURATIONS if value % size == 0), f"{value} s")
    if kind == "volume" and value:
        return next((f"{value // size} {unit}" for size, unit in _VOLUMES if value % size == 0), str(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def shown(field: FormField, value: Any) -> str:
    """A value in one line, as people call it."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(field.choices.get(str(each), str(each)) for each in value) or "none"
    text = written(field.kind, value)
    return field.choices.get(text, text)


def _read(field: FormField, text: str) -> Any:
    if field.kind == "list":
        lines = [] if text == NO_ITEMS else [line.strip() for line in text.splitlines() if line.strip()]
        return list(map(_NUMBERS[field.item], lines)) if field.item in _NUMBERS else lines
    if field.kind in ("switch", "choice"):
        if text not in field.choices:
            raise ValueError(f"has to be one of {', '.join(field.choices)}")
        return text == "yes" if field.kind == "switch" else text
    if field.kind == "text":
        return text
    value = duration(text) if field.kind == "duration" else quantity(text)
    if field.kind in ("whole", "volume"):
        if value != int(value):
            raise ValueError("has to be a whole number")
        value = int(value)
    if field.minimum is not None and value < field.minimum:
        raise ValueError(f"has to be {field.minimum:g} or more")
    if field.maximum is not None and value > field.maximum:
        raise ValueError(f"has to be {field.maximum:g} or less")
    return value


def _whole(text: str) -> int:
    value = quantity(text)
    if value != int(value):
        raise ValueError(f"{text!r} is no whole number")
    return int(value)


_NUMBERS: Final = {"whole number": _whole, "number": quantity}


def _fields(monitor: type[Script]) -> list[FormField]:
    """The fields: those of the form that a check declares first, then the other parameters."""
    kinds = {info.name: info.type for info in msgspec.structs.fields(monitor.params_type)}
    gui = monitor.gui if issubclass(monitor, Check) else Gui()
    fields = [field for each in gui.inputs for field in _declared(each) if field.name in kinds]
    named = {field.name for field in fields} | _fixed(gui)
    return fields + [_of_type(name, kind) for name, kind in kinds.items() if name not in named]


def _fixed(gui: Gui) -> set[str]:
    return {"operator" for each in gui.inputs if isinstance(each, ThresholdInput) and each.fixed_operator}


def _declared(given: Input) -> Iterable[FormField]:
    label = given.label or _words(given.param)
    if isinstance(given, ThresholdInput):
        if not given.fixed_operator:
            yield FormField(name="operator", label="Alert when", kind="choice", choices=_OPERATORS)
        sign = f" ({_OPERATORS[given.fixed_operator]})" if given.fixed_operator else ""
        yield FormField(
            name=given.param,
            label=f"{label}{sign}",
            kind="number",
            unit=given.unit,
            minimum=given.minimum,
            maximum=given.maximum,
        )
    elif isinstance(given, MultiSelectInput) and given.choices:
        choices = {choice.value: choice.label or choice.value for choice in given.choices}
        yield FormField(name=given.param, label=label, kind="choices", choices=choices)
    elif isinstance(given, ItemListInput | MultiSelectInput):
        item = given.item if isinstance(given, ItemListInput) else "text"
        yield FormField(name=given.param, label=label, kind="list", item=item)
    elif isinstance(given, NumberInput):
        whole = given.step == int(given.step)
        yield FormField(
            name=given.param,
            label=label,
            kind="whole" if whole else "number",
            unit=given.unit,
            minimum=given.minimum,
            maximum=given.maximum,
        )
    elif isinstance(given, DurationInput):
        yield FormField(name=given.param, label=label, kind="duration", minimum=given.minimum)
    elif isinstance(given, VolumeInput):
        for name in (given.param, given.other_param):
            yield FormField(name=name, label=_words(name), kind="volume", minimum=given.minimum)
    else:
        yield FormField(name=given.param, label=label, kind="switch", choices={"yes": "yes", "no": "no"})


def _of_type(name: str, kind: Any) -> FormField:
    """A field for a parameter of which the form says nothing."""
    label = _words(name)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
        origin = get_origin(kind)
    if origin is Literal:
        choices = {str(value): _OPERATORS.get(str(value), str(value)) for value in get_args(kind)}
        return FormField(name=name, label=label, kind="choice", choices=choices)
    if kind is bool:
        return FormField(name=name, label=label, kind="switch", choices={"yes": "yes", "no": "no"})
    if kind is int or kind is float:
        return FormField(name=name, label=label, kind="whole" if kind is int else "number")
    if origin in (tuple, list, set, frozenset):
        item = next((_ITEMS[part] for part in get_args(kind) if part in _ITEMS), "text")
        return FormField(name=name, label=label, kind="list", item=item)
    return FormField(name=name, label=label, kind="text")


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
