"""Which rules and settings of checks hold for one entity, which won, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec.structs import asdict

from tapline.checks.base import Check
from tapline.checks.hooks import written
from tapline.checks.periodic import PeriodicCheck
from tapline.commands.output import print_json, print_table
from tapline.policy.effective import PolicyView, explain
from tapline.policy.entries import laid_over, value_of
from tapline.policy.model import Rule, Selector
from tapline.process.printable import printable
from topics.errors import TaplineError
from topics.policy_log import read_entries
from workers.policy import effective_files
from workers.scripting.approval import Approval
from workers.scripting.scripts import LoadedScript, load_files, script_paths
from workers.thresholds.wording import asked_of, kind_of, question_of

if TYPE_CHECKING:
    from tapline.configuration import Configuration

ASKED: Final = "asked"
"""What is said of a rule that won its question."""


def in_force(configuration: Configuration, *, live: bool) -> tuple[PolicyView, dict[str, LoadedScript]]:
    """The policy of the files (``live``: and of what was set above them) and the checks that the workers run.

    :class:`TaplineError` with file and line where a file cannot be used.
    """
    workers = configuration.workers
    checks: dict[str, LoadedScript] = {}
    approval = Approval.of(workers)
    for path in script_paths(workers.scripts):
        try:
            scripts = load_files([path], workers.params, approval).scripts
            checks |= {script.name: script for script in scripts if issubclass(script.monitor, Check)}
        except TaplineError as error:
            click.echo(f"tapline: {printable(str(error))}", err=True)
    policy = effective_files(workers.policy, _classes(checks)).policy
    if live:
        held = {path: value_of(record) for path, record in read_entries(configuration.kafka).items()}
        policy = laid_over(policy, {path: value for path, value in held.items() if value is not None})
    return PolicyView(policy, 1), checks


def kind_and_name(entity: str) -> tuple[str, str]:
    """What an entity is, and its name as records write it: a host, a network, or something with a name."""
    try:
        network = ip_network(entity, strict=False)
    except ValueError:
        return "", entity
    return ("network", str(network)) if "/" in entity else ("host", str(network.network_address))


def rows_of_rules(view: PolicyView, kind: str, name: str, group: str) -> Iterator[dict[str, Any]]:
    """Every rule on a group of the entity's kind (on ``group`` alone where one is named), and what becomes of it."""
    for each in _groups(view, kind, group):
        rules = view.rules_for(each)
        entity_kind = kind_of(each)
        won = {question_of(key): key for key, _ in view.most_specific(rules, entity_kind, name)}
        for key, rule in rules:
            fits = view.selects(rule.select, entity_kind, name)
            winner = won.get(question_of(key), "")
            yield {
                "rule": key,
                "group": each,
                "asks": asked_of(rule),
                "select": _selector(rule.select),
                "fits": fits >= 0,
                "specificity": max(fits, 0),
                "enabled": rule.enabled,
                "outcome": _outcome(view, rules, entity_kind, name, key, rule, winner, fits=fits >= 0),
                "configuration": f"rules/{key}",
            }


def rows_of_checks(
    view: PolicyView, checks: Mapping[str, LoadedScript], kind: str, name: str
) -> Iterator[dict[str, Any]]:
    """Every check of entities of this kind, hook by hook, with what holds and the layers that had a say."""
    for check_name, script in sorted(checks.items()):
        check = script.monitor
        if not issubclass(check, PeriodicCheck) or (kind and check.kind != kind):
            continue
        if not kind and check.kind in ("host", "network"):
            continue
        for hook in written(check):
            found = view.effective(check, hook, check.kind, name)
            params = {**asdict(script.params), **found.params}
            yield {"check": check_name, "hook": hook, **explain(found), "params": params}


def print_effective(
    view: PolicyView, checks: Mapping[str, LoadedScript], entity: str, group: str, *, as_json: bool
) -> None:
    """Print all of it, for people or as one JSON object."""
    kind, name = kind_and_name(entity)
    rules = list(rows_of_rules(view, kind, name, group))
    settings = list(rows_of_checks(view, checks, kind, name)) if not group else []
    pools = list(view.pools_of(kind, name))
    if as_json:
        print_json({"entity": name, "kind": kind, "pools": pools, "rules": rules, "checks": settings})
        return
    click.echo(f"{kind or 'name'} {printable(name)}, in {'the pools ' + ', '.join(pools) if pools else 'no pool'}")
    click.echo()
    if rules:
        print_table(
            ("rule", "group", "asks", "for", "outcome"),
            [[row["rule"], row["group"], row["asks"], row["select"], row["outcome"]] for row in rules],
        )
    else:
        click.echo("no rule is on anything of its kind")
    if settings:
        click.echo()
        print_table(
            ("check", "hook", "on", "parameters", "because of"),
            [
                [row["check"], row["hook"], row["enabled"], _params(row["params"]), " < ".join(row["because_of"])]
                for row in settings
            ],
        )


def _classes(checks: Mapping[str, LoadedScript]) -> dict[str, type[Check]]:
    return {name: script.monitor for name, script in checks.items() if issubclass(script.monitor, Check)}


def _groups(view: PolicyView, kind: str, group: str) -> Iterable[str]:
    groups = sorted(view.rule_groups())
    if group:
        return [each for each in groups if each.lower() == group.lower()]
    if kind:
        return [each for each in groups if kind_of(each) == kind]
    return [each for each in groups if kind_of(each) not in ("host", "network")]


def _outcome(
    view: PolicyView,
    rules: Iterable[tuple[str, Rule]],
    kind: str,
    name: str,
    key: str,
    rule: Rule,
    winner: str,
    *,
    fits: bool,
) -> str:
    if not fits:
        return "not for it"
    if key == winner:
        return ASKED
    if winner:
        return f"{winner} is more specific"
    # Nobody of the question is asked: the one that won is off.
    best = max(
        (view.selects(other.select, kind, name), at, other_key)
        for at, (other_key, other) in enumerate(rules)
        if question_of(other_key) == question_of(key)
    )[2]
    return "off" if best == key or not rule.enabled else f"{best} is more specific, and off"


def _selector(selector: Selector) -> str:
    given = [f"{name} {value}" for name, value in asdict(selector).items() if value]
    return ", ".join(given) or "all"


def _params(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in params.items() if value not in ("", (), [])) or "-"
