"""Scripts, rules and the configuration."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from console.api.answers import MISSING, OUTDATED, PROBLEMS
from console.data import configuration, rules, switching
from console.data.check_settings import CheckForms, EffectiveRow, check_forms, effective_rows, set_check, unset_check
from console.data.configuration import Difference, EntryRow, entry_rows
from console.data.model import Answer
from console.data.rehearsal import Rehearsed, rehearse
from console.data.rules import MOST_TEXT, RuleRow, rule_row, rule_rows
from console.data.script_settings import ScriptForm, script_form, set_script, unset_script
from console.data.scripts import ScriptList, ScriptRow, script_list, script_row
from console.data.setting import Done
from console.live.reach import Reached
from console.web.access import Administrator, Asked, Operator, Viewer

router = APIRouter(tags=["policy"], responses=PROBLEMS)

ScriptName = Annotated[str, Path(max_length=200)]
Key = Annotated[str, Path(max_length=200)]


class Yaml(Answer):
    """A text of YAML, as a file of the policy has it."""

    text: Annotated[str, Field(max_length=MOST_TEXT)]


class RulesText(Yaml):
    """Rules, and why they are set."""

    comment: Annotated[str, Field(max_length=1000)] = ""


class Import(Yaml):
    """A policy; with ``replace`` entries that were set and are not in it are taken back."""

    replace: bool = False


class ImportOf(Import):
    """An import that has been looked at: ``mark`` is that of its difference."""

    mark: Annotated[str, Field(max_length=100)]
    comment: Annotated[str, Field(max_length=1000)] = ""


class Settings(Answer):
    """All settings of a script as the policy has them: ``params``, of a check ``enabled``, ``overrides`` and more."""

    value: dict[str, Any]


@router.get("/policy/reached")
def read_reached(console: Asked, _: Viewer) -> Reached:
    """The newest change, and how many of the workers go by it."""
    return console.standing.reach.now()


@router.get("/scripts")
def read_scripts(
    console: Asked,
    _: Viewer,
    search: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
) -> ScriptList:
    """The scripts there are, and how they fare; those in trouble first."""
    return script_list(console.workshop.scripts(), console.standing.reach.reports(), search, state)


@router.get("/scripts/{name}", responses=MISSING)
def read_script(console: Asked, _: Viewer, name: ScriptName) -> ScriptRow:
    """One script."""
    return script_row(console.workshop.scripts(), console.standing.reach.reports(), name)


@router.post("/scripts/{switch}/enable", responses=MISSING)
def enable(console: Asked, session: Administrator, switch: ScriptName) -> Done:
    """Have the workers run a file."""
    return switching.enable(console, switch, session.name)


@router.post("/scripts/{switch}/disable", responses=MISSING)
def disable(console: Asked, session: Administrator, switch: ScriptName) -> Done:
    """Have the workers no longer run a file."""
    return switching.disable(console, switch, session.name)


@router.get("/scripts/{name}/settings", responses=MISSING)
def read_script_settings(console: Asked, _: Viewer, name: ScriptName) -> ScriptForm:
    """The parameters of a script that is no check, with what it runs with."""
    return script_form(console, name)


@router.put("/scripts/{name}/settings", responses=MISSING)
def write_script_settings(console: Asked, session: Operator, name: ScriptName, given: Settings) -> Done:
    """Set the parameters of a script that is no check."""
    return set_script(console, name, given.value, session.name)


@router.delete("/scripts/{name}/settings", responses=MISSING)
def forget_script_settings(console: Asked, session: Operator, name: ScriptName) -> Done:
    """Take back what was set of a script that is no check."""
    return unset_script(console, name, session.name)


@router.get("/checks/{name}", responses=MISSING)
def read_check(console: Asked, _: Viewer, name: ScriptName) -> CheckForms:
    """The settings of a check, and the form that its parameters make."""
    return check_forms(console, name)


@router.get("/checks/{name}/effective", responses=MISSING)
def read_effective(
    console: Asked, _: Viewer, name: ScriptName, entity: Annotated[str, Query(max_length=200)] = ""
) -> list[EffectiveRow]:
    """What holds of a check for an entity, and why."""
    return effective_rows(console, name, entity)


@router.put("/checks/{name}", responses=MISSING)
def write_check(console: Asked, session: Operator, name: ScriptName, given: Settings) -> Done:
    """Set all settings of a check."""
    return set_check(console, name, given.value, session.name)


@router.delete("/checks/{name}", responses=MISSING)
def forget_check(console: Asked, session: Operator, name: ScriptName) -> Done:
    """Take back what was set of a check."""
    return unset_check(console, name, session.name)


@router.get("/rules")
def read_rules(console: Asked, _: Viewer) -> list[RuleRow]:
    """The rules in force."""
    return rule_rows(console)


@router.put("/rules")
def write_rules(console: Asked, session: Operator, given: RulesText) -> Done:
    """Set rules that are given as YAML."""
    return rules.set_rules(console, rules.rules_of_text(console, given.text), session.name, given.comment)


@router.post("/rehearsals")
def rehearse_rules(console: Asked, _: Operator, given: Yaml) -> Rehearsed:
    """How often rules would have fired over the last day."""
    return rehearse(console, rules.rules_of_text(console, given.text))


@router.get("/rules/{key:path}", responses=MISSING)
def read_rule(console: Asked, _: Viewer, key: Key) -> RuleRow:
    """One rule."""
    return rule_row(console, key)


@router.delete("/rules/{key:path}", responses=MISSING)
def forget_rule(console: Asked, session: Operator, key: Key) -> Done:
    """Take back what was set of a rule."""
    return rules.unset_rule(console, key, session.name)


@router.get("/configuration")
def read_configuration(console: Asked, _: Viewer) -> list[EntryRow]:
    """Every entry of the policy in force."""
    return entry_rows(console)


@router.get(
    "/configuration/policy.yaml",
    response_class=Response,
    responses={200: {"content": {"application/yaml": {}}, "description": "The policy as a file."}},
)
def export(console: Asked, _: Viewer) -> Response:
    """The policy in force as YAML."""
    return Response(configuration.exported(console), media_type="application/yaml")


@router.post("/configuration/difference")
def compare(console: Asked, _: Administrator, given: Import) -> Difference:
    """What an import would do."""
    return configuration.difference(console, given.text, replace=given.replace)


@router.post("/configuration/import", responses=OUTDATED)
def apply(console: Asked, session: Administrator, given: ImportOf) -> Done:
    """Import a policy whose difference was looked at."""
    return configuration.apply(
        console, given.text, replace=given.replace, mark=given.mark, author=session.name, comment=given.comment
    )
