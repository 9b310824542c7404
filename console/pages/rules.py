"""Rules: the list, one as a form or as YAML, and what it would have done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request, Response

from console.data import rules as data
from console.data.check_settings import SELECTORS, FormProblem
from console.data.configuration import Change
from console.data.rehearsal import Rehearsed, rehearse
from console.data.rule_conflicts import conflicts, marks_of
from console.data.rules import MEASURES, METHODS, PERIODS, RuleText, TextProblem
from console.data.setting import policy_of
from console.errors import Missing
from console.parts import Console
from console.security.sessions import Session
from console.web.access import Asked, Form, Operator, Viewer, lines_of
from console.web.drawing import Page
from console.web.notices import back
from tapline.policy.model import Rule

router = APIRouter()


@router.get("/rules")
def rules_page(request: Request, console: Asked, session: Viewer) -> Response:
    """The rules in force."""
    page = Page(request, console, session, "rules")
    return page.draw("rules.html", rules=data.rule_rows(console), reached=console.standing.reach.now())


@router.get("/rules/form")
def rule_form(
    request: Request, console: Asked, session: Viewer, key: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """One rule as a form, or an empty one."""
    form = data.form_of_rule("", Rule(name="")) | {"value": "", "enabled": "yes"}
    if key:
        form = data.form_of_rule(key, _rule(console, key))
    form |= data.form_to_send(console, key)
    return _form_page(request, console, session, form, {}, None)


@router.get("/rules/yaml")
def rule_yaml(
    request: Request, console: Asked, session: Viewer, key: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """One rule as YAML, or all of them."""
    rules = {key: _rule(console, key)} if key else policy_of(console).rules
    text = data.text_of_rules(rules) if rules else _EXAMPLE
    given = _Written(text, key, "", marks_of(console, rules))
    return _yaml_page(request, console, session, given)


@router.post("/rules/form")
def send_form(request: Request, console: Asked, session: Operator, form: Form) -> Response:
    """Set the rule of a form, or say what it would have done."""
    try:
        rules = data.rule_of_form(console, form)
        if form.get("action") != "rehearse":
            data.see_that_none_is_lost(console, form)
    except FormProblem as error:
        return _form_page(request, console, session, form, error.problems, None)
    if form.get("action") == "rehearse":
        return _form_page(request, console, session, form, {}, rehearse(console, rules))
    return back(session, "/rules", data.set_rules(console, rules, session.name, form.get("comment", "")[:1000]).said)


@router.post("/rules/yaml")
def send_yaml(request: Request, console: Asked, session: Operator, form: Form) -> Response:
    """Set the rules of a text, or say what they would have done; where somebody was faster, what is other by now."""
    text, key, comment = lines_of(form, "text"), form.get("key", ""), form.get("comment", "")[:1000]
    given = _Written(text, key, comment, form.get("marks", ""))
    try:
        rules = data.rules_of_text(console, text)
    except TextProblem as error:
        wrong = RuleText(text=text, problem=error.problem, line=error.line, what=error.what)
        return _yaml_page(request, console, session, given, wrong)
    if form.get("action") == "rehearse":
        return _yaml_page(request, console, session, given, rehearsed=rehearse(console, rules))
    lost = conflicts(console, rules, given.marks)
    if lost:
        # Who has seen what would be lost can set the text all the same.
        seen = given._replace(marks=marks_of(console, {*rules, *policy_of(console).rules}))
        return _yaml_page(request, console, session, seen, lost=lost)
    return back(session, "/rules", data.set_rules(console, rules, session.name, comment).said)


@router.post("/rules/remove")
def remove(console: Asked, session: Operator, form: Form) -> Response:
    """Take a rule back."""
    return back(session, "/rules", data.unset_rule(console, form.get("key", ""), session.name).said)


_EXAMPLE = """\
rules:
  upload:
    group: Hosts
    metric: bytes_out
    operator: gt
    value: 1 GB
    period: 5 min
    score: 100
"""


class _Written(NamedTuple):
    """A text of rules as it stands in its form, with the rule it is of and marks of what it was made of."""

    text: str
    key: str
    comment: str
    marks: str


def _rule(console: Console, key: str) -> Rule:
    found = policy_of(console).rules.get(key)
    if found is None:
        raise Missing(f"there is no rule {key}: it may have been taken back")
    return found


def _form_page(
    request: Request,
    console: Console,
    session: Session,
    form: Mapping[str, str],
    problems: Mapping[str, str],
    rehearsed: Rehearsed | None,
) -> Response:
    policy = policy_of(console)
    return Page(request, console, session, "rules").draw(
        "rule.html",
        status=422 if problems else 200,
        form=form,
        problems=problems,
        known=form.get("key", "") in policy.rules,
        is_set=f"rules/{form.get('key', '')}" in console.standing.entries(),
        groups=console.workshop.groups(),
        measures=MEASURES,
        methods=METHODS,
        periods=PERIODS,
        selectors=SELECTORS,
        pools=sorted(policy.pools),
        rehearsed=rehearsed,
        reached=console.standing.reach.now(),
    )


def _yaml_page(
    request: Request,
    console: Console,
    session: Session,
    given: _Written,
    rules: RuleText | None = None,
    *,
    rehearsed: Rehearsed | None = None,
    lost: Sequence[Change] = (),
) -> Response:
    rules = rules or RuleText(text=given.text)
    return Page(request, console, session, "rules").draw(
        "rules_yaml.html",
        status=422 if rules.problem else 409 if lost else 200,
        rules=rules,
        key=given.key,
        comment=given.comment,
        marks=given.marks,
        rehearsed=rehearsed,
        lost=lost,
        reached=console.standing.reach.now(),
    )
