"""`tapline policy`: what is watched and how, in files and as it is set while everything runs."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapline.commands.output import print_json, print_table
from tapline.commands.state import State
from topics.errors import TaplineError

if TYPE_CHECKING:
    from msgspec import Struct

    from tapline.policy.changes import InForce
    from tapline.script import Script


@click.group()
def command() -> None:
    """Set thresholds, rules, pools and exclusions: in files, or while everything runs.

    Entries have a path: pools/NAME, checks/NAME, scripts/NAME, rules/NAME, exclusions/NAME, alerting. One that was set
    stands above the file's of the same path until it is unset.

    \b
    tapline policy check policy.yaml
    tapline policy set checks/syn_scan_attacker '{params: {threshold: 100}}'
    tapline policy show
    tapline policy export > policy.yaml
    """


@command.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@click.pass_obj
def check(state: State, files: tuple[str, ...]) -> None:
    """Say whether policy files (default: workers.policy) are right, with the line of what is not."""
    from tapline.policy.entries import entries_of
    from tapline.policy.reading import read_files

    paths = files or tuple(state.configuration.workers.policy)
    policy = read_files(paths, _monitors(state)).policy
    there = [path for path in paths if Path(path).is_file()]
    click.echo(f"{', '.join(there) or 'no file'}: right, {sum(1 for _ in entries_of(policy))} entries")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array with path, value, source, author and comment.")
@click.option("--offline", is_flag=True, help="The files alone, without Kafka.")
@click.pass_obj
def show(state: State, *, as_json: bool, offline: bool) -> None:
    """List every entry in force and where it comes from."""
    columns = ("path", "value", "source", "author", "comment")
    rows = [[getattr(row, column) for column in columns] for row in _in_force(state, offline=offline)]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    print_table(columns, [list(map(str, row)) for row in rows])


@command.command("set")
@click.argument("path")
@click.argument("value")
@click.option("--comment", default="", help="Why.")
@click.pass_obj
def set_entry(state: State, path: str, value: str, comment: str) -> None:
    """Set an entry, given as YAML or JSON; workers go by it within seconds.

    \b
    tapline policy set rules/upload '{metric: bytes_out, operator: gt, value: 1 GB, period: 5 min}'
    tapline policy set pools/servers '{members: [192.0.2.0/24]}' --comment "new rack"
    """
    import yaml

    try:
        given = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise TaplineError(f"{path}: the value is not YAML: {' '.join(str(error).split())}") from error
    _write(state, {path: given}, comment)
    click.echo(f"{path} is set")


@command.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--comment", default="", help="Why.")
@click.pass_obj
def unset(state: State, paths: tuple[str, ...], comment: str) -> None:
    """Take back entries that were set; what the files say of them holds again."""
    from topics.policy_log import read_entries, write_entries

    kafka = state.configuration.kafka
    known = read_entries(kafka)
    for path in paths:
        if path not in known:
            raise TaplineError(f"{path} is not set: see `tapline policy show`")
    write_entries(kafka, [(path, "") for path in paths], getpass.getuser(), comment)
    click.echo(f"{', '.join(paths)}: taken back")


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--replace", is_flag=True, help="Take back entries that were set and are not in the file.")
@click.option("--comment", default="", help="Why.")
@click.pass_obj
def import_file(state: State, file: str, *, replace: bool, comment: str) -> None:
    """Set every entry of a policy file; doing so twice changes nothing more."""
    from msgspec import to_builtins

    from tapline.policy.changes import changes_of_import
    from tapline.policy.entries import entries_of
    from tapline.policy.reading import read_files
    from topics.policy_log import read_entries, write_entries

    policy = read_files([file], _monitors(state)).policy
    kafka = state.configuration.kafka
    _see_that_it_fits(state, {path: to_builtins(value) for path, value in entries_of(policy)})
    changes = changes_of_import(policy, read_entries(kafka), replace=replace)
    write_entries(kafka, changes, getpass.getuser(), comment or f"import of {Path(file).name}")
    click.echo(f"{len(changes)} of {sum(1 for _ in entries_of(policy))} entries have changed")


@command.command()
@click.option("--offline", is_flag=True, help="The files alone, without Kafka.")
@click.pass_obj
def export(state: State, *, offline: bool) -> None:
    """Print the policy in force as one YAML file."""
    from tapline.policy.changes import as_yaml

    click.echo(as_yaml(_in_force(state, offline=offline)), nl=False)


@command.command()
def schema() -> None:
    """Print the JSON Schema of a policy file."""
    from tapline.policy.reading import schema as policy_schema

    click.echo(json.dumps(policy_schema(), indent=2))


def _monitors(state: State) -> dict[str, type[Script]]:
    """The scripts and checks that the configured folders have and that ship, by name."""
    from tapline.commands import script_files
    from workers.policy import monitors_of
    from workers.scripting.approval import EVERYTHING, Approval
    from workers.scripting.scripts import load_files, script_paths

    found: dict[str, type[Script]] = {}
    settings = state.configuration.workers
    shipped = [(path, EVERYTHING) for path in script_paths(map(str, script_files.shipped()))]
    approval = Approval.of(settings)
    for path, allowed in [*shipped, *((path, approval) for path in script_paths(settings.scripts))]:
        try:
            found |= monitors_of(load_files([path], {}, allowed))
        except TaplineError as error:
            click.echo(f"tapline: {error}", err=True)
    return found


def _in_force(state: State, *, offline: bool) -> list[InForce]:
    from tapline.policy.changes import in_force
    from tapline.policy.reading import read_files
    from topics.policy_log import read_entries

    settings = state.configuration
    return in_force(read_files(settings.workers.policy, None), {} if offline else read_entries(settings.kafka))


def _write(state: State, values: dict[str, Any], comment: str) -> None:
    from tapline.policy.entries import as_json
    from topics.policy_log import write_entries

    fitting = _see_that_it_fits(state, values)
    entries = [(path, as_json(fitting[path])) for path in values]
    write_entries(state.configuration.kafka, entries, getpass.getuser(), comment)


def _see_that_it_fits(state: State, values: dict[str, Any]) -> dict[str, Struct]:
    """The entries these values make beside what is in force; :class:`TaplineError` where they cannot."""
    from tapline.policy.changes import Misfit, fitting
    from tapline.policy.reading import read_files
    from topics.policy_log import read_entries

    settings = state.configuration
    base = read_files(settings.workers.policy, None).policy
    try:
        return fitting(base, read_entries(settings.kafka), values, _monitors(state))
    except Misfit as error:
        raise TaplineError(str(error)) from error
