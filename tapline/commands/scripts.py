"""`tapline scripts`: scripts, and which of them the workers run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from tapline.commands.output import print_json, print_table
from tapline.commands.state import State
from tapline.process.printable import printable
from topics.errors import TaplineError

if TYPE_CHECKING:
    from tapline.commands.script_status import ScriptStatus


def _complete_kind(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What there is a skeleton of."""
    from tapline.commands import script_files

    return [CompletionItem(kind) for kind in script_files.kinds() if kind.startswith(incomplete)]


def _complete_shipped(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of scripts that ship, and files."""
    from tapline.commands import script_files

    names = [path.stem for folder in script_files.shipped() for path in sorted(folder.glob("[!_]*.py"))]
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return [*found, CompletionItem(incomplete, type="file")]


def _complete_enabled(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of scripts that are enabled."""
    state = ctx.find_object(State) or State(None, debug=False)
    names = [path.stem for folder in _folders(state) for path in sorted(folder.glob("[!_]*.py"))]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.group()
def command() -> None:
    """Write scripts, check them, and choose which of them the workers run.

    \b
    tapline scripts new sg_monitor short_ssh
    tapline scripts check short_ssh.py
    tapline scripts enable short_ssh
    tapline scripts list
    """


@command.command("list")
@click.argument("folders", metavar="[FOLDER]...", nargs=-1)
@click.option("--shipped", is_flag=True, help="Those that come with Tapline.")
@click.option("--metrics-port", type=int, help="The workers' --metrics-port (default: workers.metrics_port).")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.pass_context
def list_scripts(
    ctx: click.Context, folders: tuple[str, ...], *, shipped: bool, metrics_port: int | None, as_json: bool
) -> None:
    """List the scripts of these folders (default: workers.scripts), with what they run with.

    The files are run to find out; exit code 1 when one cannot be used. Where workers run here and serve
    metrics, also how each script fares: whether it runs, and the calls, time and errors of its hooks.

    \b
    tapline scripts list
    tapline scripts list --metrics-port 9620 --json | jq '.[] | select(.state == "suspended")'
    """
    from tapline.commands import script_files, script_status

    configuration = ctx.obj.configuration
    settings = configuration.workers
    if shipped:
        folders = tuple(map(str, script_files.shipped()))
    port = settings.metrics_port if metrics_port is None else metrics_port
    told = script_status.ask_workers(configuration.process.metrics_host, port, settings.processes)
    found = script_status.statuses(folders or settings.scripts, settings, told)
    if as_json:
        print_json(found)
    elif not found:
        click.echo(f"no scripts in {', '.join(folders or settings.scripts)}")
    else:
        _print_scripts(found, script_status.hook_rows(found))
        if not told.workers and not shipped:
            click.echo("no worker tells how they fare: workers do where they serve metrics (--metrics-port)", err=True)
    ctx.exit(1 if any(it.state == "broken" for it in found) else 0)


def _print_scripts(found: list[ScriptStatus], hooks: list[tuple[str, str, int, str, int]]) -> None:
    rows = [
        (
            it.name,
            it.monitor,
            it.state or None,
            ", ".join(f"{key}={value}" for key, value in it.params.items()),
            it.file,
        )
        for it in found
    ]
    print_table(("script", "monitor", "state", "parameters", "file"), rows)
    if hooks:
        click.echo()
        print_table(("script", "hook", "calls", "seconds", "errors"), hooks)
    for it in found:
        for problem in it.problems:
            click.echo(printable(f"{it.file}: {problem}"), err=True)
        if it.why:
            click.echo(printable(f"{it.name} is {it.state}: {it.why}"), err=True)


@command.command()
@click.argument("kind", metavar="TYPE", shell_complete=_complete_kind)
@click.argument("name", metavar="NAME")
def new(kind: str, name: str) -> None:
    """Write a new script NAME.py from a commented skeleton of this TYPE.

    TYPE is sg_monitor (flows), cg_monitor (counters), alert_monitor, resource_monitor, fts_monitor (texts),
    engine_monitor, flow_tracker, packet_monitor, counter_group or faust_agent; or a check: flow_check, host_check,
    interface_check, network_check, system_check, snmp_device_check, snmp_interface_check, resource_check or
    syslog_handler. A file that is there is left alone.

    \b
    tapline scripts new sg_monitor short_ssh
    tapline scripts new flow_check mine/large_flows
    """
    from tapline.commands import script_files

    if kind not in script_files.kinds():
        raise click.UsageError(f"there is no skeleton of {kind!r}; there are {', '.join(script_files.kinds())}")
    path = script_files.create(kind, name)
    click.echo(f"wrote {path}")
    if kind == "faust_agent":
        click.echo("run it: move it to a folder of workers.agents (scripts/agents), and start the workers again")
    else:
        click.echo(f"try it: tapline try {path} CAPTURE")
        click.echo(f"run it: tapline scripts enable {path}")


@command.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.pass_context
def check(ctx: click.Context, files: tuple[str, ...], *, as_json: bool) -> None:
    """Say what is wrong, or probably wrong, with script files, each with its line: FILE:LINE: MESSAGE.

    Errors of syntax and of imports, hooks that are none, attributes and parameters that are not known, and
    what was probably meant. The files are run to see what they define. The exit code is 1 when
    something was found.

    \b
    tapline scripts check short_ssh.py
    tapline scripts check scripts/enabled/*.py
    """
    from tapline.commands import script_files

    found = [problem for file in files for problem in script_files.problems(Path(file))]
    if as_json:
        print_json([{"file": str(each.file), "line": each.line, "message": each.message} for each in found])
    else:
        for each in found:
            click.echo(printable(f"{each.file}:{each.line}: {each.message}"))
        if not found:
            click.echo(f"{len(files)} file{'s' if len(files) > 1 else ''}, nothing is wrong")
    ctx.exit(1 if found else 0)


@command.command()
@click.argument("names", metavar="[SCRIPT]...", nargs=-1, shell_complete=_complete_shipped)
@click.option("--checks", is_flag=True, help="All checks that come with Tapline.")
@click.pass_obj
def enable(state: State, names: tuple[str, ...], *, checks: bool) -> None:
    """Have the workers run scripts: files, or names of those that come with Tapline.

    A link to the script is put into the first folder of workers.scripts; running workers take it up by
    themselves. What cannot be used is not enabled.

    \b
    tapline scripts enable short_ssh.py
    tapline scripts enable dyndns_alert
    tapline scripts enable --checks
    """
    from tapline.commands import script_files
    from tapline.packets import check_filters, has_packet_scripts
    from workers.scripting.scripts import load_files

    if checks:
        names = (*names, *script_files.checks())
    if not names:
        raise click.UsageError("say which scripts, or --checks")
    settings = state.configuration.workers
    folders = _folders(state)
    for name in names:
        place = script_files.enable_again(name, folders)
        if place is None:
            path = script_files.find(name)
            loaded = load_files([path], settings.params)
            check_filters(loaded)
            for problem in script_files.problems(path):
                click.echo(printable(f"{problem.file}:{problem.line}: {problem.message}"), err=True)
            place = script_files.enable(path, folders[0])
            if has_packet_scripts(loaded):
                click.echo("packet scripts run where packets are captured: start the capture nodes again")
        click.echo(f"enabled {place}")


@command.command()
@click.argument("names", metavar="SCRIPT...", nargs=-1, required=True, shell_complete=_complete_enabled)
@click.pass_obj
def disable(state: State, names: tuple[str, ...]) -> None:
    """Have the workers no longer run scripts.

    The link that `enable` made is removed. A script that is no link is kept: its name begins with _ from then
    on, and `enable` brings it back.

    \b
    tapline scripts disable short_ssh
    """
    from tapline.commands import script_files

    folders = _folders(state)
    for name in names:
        place, aside = script_files.disable(name, folders)
        click.echo(f"disabled {place}" + (f", kept as {aside}" if aside else ""))


@command.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), help="Sign the list: a file with an Ed25519 private key (PEM).")
@click.pass_obj
def approve(state: State, files: tuple[Path, ...], *, key: Path | None) -> None:
    """Write the list of the script files that may run, workers.approved_scripts, as they are now.

    All files of workers.scripts and workers.agents, and what they import from beside them; or only these FILEs, beside
    what is on the list already. What is new, changed and gone is said: read what you approve. Nothing is run. Where
    workers.approval_key is set the list has to be signed.

    \b
    tapline scripts approve
    tapline scripts approve scripts/enabled/short_ssh.py
    tapline scripts approve --key approver.pem
    """
    from tapline.commands import approving

    for what, name in approving.approve(state.configuration.workers, files, key):
        click.echo(f"{what:9} {name}")


def _folders(state: State) -> list[Path]:
    folders = [Path(folder) for folder in state.configuration.workers.scripts]
    if not folders:
        raise TaplineError("workers.scripts names no folder: set it, for instance to [scripts/enabled]")
    return folders
