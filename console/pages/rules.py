"""Rules: the list, one as a form or as YAML, and what it would have done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from console.data import rules as data
from console.data.check_settings import SELECTORS, FormProblem
from console.data.rehearsal import Rehearsed, rehearse
from console.data.rules import MEASURES, METHODS, PERIODS, RuleText, TextProblem
from console.data.setting import policy_of
from console.errors import Missing
from console.parts import Console
from console.security.sessions import Session
from console.web.access import Asked, Form, Operator, Viewer, lines_of
from console.web.drawing import Page, back
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
    return _yaml_page(request, console, session, RuleText(text=text), key, "", None)


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
    return back("/rules", data.set_rules(console, rules, session.name, form.get("comment", "")[:1000]).said)


@router.post("/rules/yaml")
def send_yaml(request: Request, console: Asked, session: Operator, form: Form) -> Response:
    """Set the rules of a text, or say what they would have done."""
    text, key, comment = lines_of(form, "text"), form.get("key", ""), form.get("comment", "")[:1000]
    try:
        rules = data.rules_of_text(console, text)
    except TextProblem as error:
        wrong = RuleText(text=text, problem=error.problem, line=error.line, what=error.what)
        return _yaml_page(request, console, session, wrong, key, comment, None)
    if form.get("action") == "rehearse":
        done = rehearse(console, rules)
        return _yaml_page(request, console, session, RuleText(text=text), key, comment, done)
    return back("/rules", data.set_rules(console, rules, session.name, comment).said)


@router.post("/rules/remove")
def remove(console: Asked, session: Operator, form: Form) -> Response:
    """Take a rule back."""
    return back("/rules", data.unset_rule(console, form.get("key", ""), session.name).said)


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
    rules: RuleText,
    key: str,
    comment: str,
    rehearsed: Rehearsed | None,
) -> Response:
    return Page(request, console, session, "rules").draw(
        "rules_yaml.html",
        status=422 if rules.problem else 200,
        rules=rules,
        key=key,
        comment=comment,
        rehearsed=rehearsed,
        reached=console.standing.reach.now(),
    )
