"""Rules: thresholds and anomalies, entered as forms or as YAML, set and taken back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, get_args

import yaml
from msgspec import Struct, to_builtins
from msgspec.structs import asdict
from pydantic import Field

from console.data.check_settings import SELECTORS, FormProblem
from console.data.model import Answer
from console.data.setting import (
    Done,
    files_of,
    fitted,
    mark_of,
    policy_of,
    put,
    see_that_it_is_unchanged,
)
from console.errors import Missing, Mistake
from console.parts import Console
from tapline.policy.changes import Misfit, in_force
from tapline.policy.model import Measure, Method, Rule
from tapline.policy.reading import Read, read_text
from tapline.policy.units import quantity
from topics.errors import TaplineError

SECTION: Final = "rules"

MOST_TEXT: Final = 200_000
"""Most letters of YAML that are read."""

PERIODS: Final = {60: "1 min", 300: "5 min", 3600: "1 h", 86400: "1 d"}

MEASURES: Final = {
    "volume": "how much in the period",
    "rate": "how much a second",
    "ratio": "share of another metric, in %",
    "change": "change against the period before, in %",
    "absence": "nothing at all",
    "anomaly": "leaves what was learned",
    "new_key": "a key not seen before",
    "top_change": "new among the largest",
}
METHODS: Final = get_args(Method)
_LINE: Final = re.compile(r"^text(?::(\d+))?: (.*)$", re.DOTALL)
_NUMBERS: Final = ("sensitivity", "learn_periods", "top", "score", "severity")
_TEXTS: Final = ("group", "metric", "other_metric", "value", "floor", "season", "message", "comment")
_CHOICES: Final = ("measure", "operator", "method")
_WHOLE: Final = ("learn_periods", "top", "score", "severity")
_PATIENCE: Final = ("for_runs", "clear_runs", "hold_seconds", "clear_threshold")

assert set(MEASURES) == set(get_args(Measure))


_DEFAULTS: Final = asdict(Rule(name="")) | {"period": PERIODS[60]}
"""What a rule is where its form says nothing else."""


class RuleRow(Answer):
    """A rule, and where it comes from: ``set``, or the file and line that say so."""

    key: str
    asks: str = Field(description="In words.")
    group: str
    measure: str
    select: dict[str, str]
    enabled: bool
    source: str
    author: str
    comment: str
    changed: datetime | None
    value: dict[str, Any] = Field(description="As the policy has it.")


class RuleText(Answer):
    """Rules as YAML, and what is wrong: the line, and what is in it."""

    text: str
    problem: str = ""
    line: int = 0
    what: str = ""


def rule_rows(console: Console) -> list[RuleRow]:
    """Every rule in force, by key."""
    policy = policy_of(console)
    found = []
    for row in in_force(files_of(console), console.standing.entries()):
        section, _, key = row.path.partition("/")
        if section != SECTION or key not in policy.rules:
            continue
        rule = policy.rules[key]
        found.append(
            RuleRow(
                key=key,
                asks=console.workshop.asks(rule),
                group=rule.group,
                measure=rule.measure,
                select=to_builtins(rule.select),
                enabled=rule.enabled,
                source=row.source,
                author=row.author,
                comment=rule.comment or row.comment,
                changed=datetime.fromtimestamp(row.time / 1_000_000, UTC) if row.time else None,
                value=to_builtins(rule),
            )
        )
    return found


def rule_row(console: Console, key: str) -> RuleRow:
    """One rule; :class:`Missing` when there is none of this key."""
    for row in rule_rows(console):
        if row.key == key:
            return row
    raise Missing(f"there is no rule {key}: it may have been taken back")


def form_of_rule(key: str, rule: Rule) -> dict[str, str]:
    """A rule as its form's fields."""
    form = {"key": key, "period": PERIODS.get(rule.period, str(rule.period)), "enabled": "yes" if rule.enabled else ""}
    for name in (*_TEXTS, *_NUMBERS, *_CHOICES):
        form[name] = _written(name, getattr(rule, name))
    for name in SELECTORS:
        form[f"select.{name}"] = getattr(rule.select, name)
    for name in _PATIENCE:
        value = getattr(rule.patience, name)
        form[f"patience.{name}"] = "" if value is None else _written(name, value)
    return form


def rule_of_form(console: Console, form: Mapping[str, str]) -> dict[str, Rule]:
    """The rule that a form describes, by its key; :class:`FormProblem` with what is wrong by field."""
    key = form.get("key", "").strip()
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", key) or len(key) > 100:
        raise FormProblem(
            {"key": "letters, digits, - and _ make a name, as upload; upload/servers shares its question"}
        )
    value: dict[str, Any] = {name: text for name in (*_TEXTS, *_CHOICES) if (text := form.get(name, "").strip())}
    value |= {"name": key, "enabled": bool(form.get("enabled")), "period": form.get("period", "")}
    problems: dict[str, str] = {}
    for name in _NUMBERS:
        _number(form, name, name, value, problems)
    patience: dict[str, Any] = {}
    for name in _PATIENCE:
        _number(form, f"patience.{name}", name, patience, problems)
    select = {name: text for name in SELECTORS if (text := form.get(f"select.{name}", "").strip())}
    if problems:
        raise FormProblem(problems)
    value = {name: each for name, each in value.items() if each != _DEFAULTS.get(name)}
    value |= ({"patience": patience} if patience else {}) | ({"select": select} if select else {})
    try:
        return _rules(fitted(console, {f"{SECTION}/{key}": value}))
    except Misfit as error:
        raise FormProblem({_field(error): str(error.problem)}) from error


def form_to_send(console: Console, key: str) -> dict[str, str]:
    """What a rule's form brings along besides: which rule it was made of (none: a new one), and a mark of that."""
    return {"was": key, "mark": mark_of(console, f"{SECTION}/{key}") if key else ""}


def see_that_none_is_lost(console: Console, form: Mapping[str, str]) -> None:
    """:class:`Outdated` when somebody has changed the rule meanwhile, :class:`FormProblem` when it is another's."""
    key, was = form.get("key", "").strip(), form.get("was", "")
    if key == was:
        see_that_it_is_unchanged(console, f"{SECTION}/{key}", form.get("mark", ""))
    elif key in policy_of(console).rules:
        raise FormProblem({"key": "there is a rule of this name already: change that one, or take another name"})


def text_of_rules(rules: Mapping[str, Rule]) -> str:
    """Rules as YAML, as a file of the policy has them."""
    found = {SECTION: {key: to_builtins(rule) for key, rule in rules.items()}}
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True)


def rules_of_text(console: Console, text: str) -> dict[str, Rule]:
    """The rules that YAML holds, by key; :class:`TextProblem` with the line of what is wrong."""
    read = read_yaml(text)
    others = [path for path in read.places if not path.startswith(f"{SECTION}/")]
    if others:
        line = int(read.places[others[0]].rpartition(":")[2])
        raise TextProblem(f"{others[0]}: only rules are entered here; Configuration takes all of it", text, line)
    if not read.policy.rules:
        raise TextProblem("there is no rule in it: begin with `rules:`", text, 1)
    try:
        return _rules(
            fitted(console, {f"{SECTION}/{key}": to_builtins(rule) for key, rule in read.policy.rules.items()})
        )
    except Misfit as error:
        line = int(read.places.get(error.path, "text:1").rpartition(":")[2])
        raise TextProblem(str(error), text, line) from error


def set_rules(console: Console, rules: Mapping[str, Rule], author: str, comment: str) -> Done:
    """Set rules that fit."""
    entries: Sequence[tuple[str, Struct | None]] = [(f"{SECTION}/{key}", rule) for key, rule in rules.items()]
    return put(console, entries, author, comment, f"{', '.join(rules)}: set")


def unset_rule(console: Console, key: str, author: str) -> Done:
    """Take back what was set; what a file says of it holds again."""
    path = f"{SECTION}/{key}"
    if path not in console.standing.entries():
        row = rule_row(console, key)
        raise Mistake(f"{key} stands in {row.source}: change that file, or set the rule here with it turned off")
    return put(console, [(path, None)], author, "", f"{key}: taken back")


class TextProblem(Mistake):
    """YAML that cannot be used: the line, counted from 1 (0: of all of it), and what stands there."""

    def __init__(self, problem: str, text: str, line: int) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.problem = problem
        self.line = line
        lines = text.splitlines()
        self.what = lines[line - 1] if 0 < line <= len(lines) else ""


def read_yaml(text: str) -> Read:
    """The policy that YAML holds, by itself; :class:`TextProblem`."""
    if len(text) > MOST_TEXT:
        raise TextProblem(f"this is too long (at most {MOST_TEXT:,} letters): use `tapline policy import`", "", 0)
    try:
        return read_text(text, "text")
    except TaplineError as error:
        found = _LINE.match(str(error))
        problem, line = (found[2], int(found[1] or 0)) if found else (str(error), 0)
        raise TextProblem(problem, text, line) from error


def _rules(found: Mapping[str, Struct]) -> dict[str, Rule]:
    return {path.partition("/")[2]: rule for path, rule in found.items() if isinstance(rule, Rule)}


def _number(form: Mapping[str, str], field: str, name: str, value: dict[str, Any], problems: dict[str, str]) -> None:
    text = form.get(field, "").strip()
    if not text:
        return
    try:
        number = quantity(text)
        whole = name in _WHOLE or name in ("for_runs", "clear_runs", "hold_seconds")
        if whole and number != int(number):
            raise ValueError("has to be a whole number")  # noqa: TRY301 - shown like any other
        value[name] = int(number) if whole else number
    except (ValueError, OverflowError) as error:
        problems[field] = str(error)


def _field(error: Misfit) -> str:
    """The form's field that something wrong is in."""
    steps = [str(step) for step in error.problem.steps]
    if not steps:
        return ""
    return ".".join(steps[:2]) if steps[0] in ("select", "patience") else steps[0]


def _written(name: str, value: Any) -> str:
    if value in ("", None) or (value == 0 and name in ("floor", "season", "severity", "hold_seconds")):
        return ""
    if name == "season":
        return next(
            (f"{value // size} {unit}" for size, unit in ((86400, "d"), (3600, "h"), (60, "min")) if not value % size),
            f"{value} s",
        )
    return (
        f"{value:g}"
        if isinstance(value, float) and abs(value) < 1e6
        else str(int(value) if isinstance(value, float) and value.is_integer() else value)
    )
