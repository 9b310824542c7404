"""`tapline doctor`: find the usual mistakes."""

from __future__ import annotations

import click

from tapline.commands.output import print_json, print_table
from tapline.commands.state import State


@click.command()
@click.argument("interfaces", metavar="[INTERFACE]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON array of the findings.")
@click.pass_context
def command(ctx: click.Context, interfaces: tuple[str, ...], *, as_json: bool) -> None:
    """Look at this machine, the configuration, Kafka and Elasticsearch, and say what to mend.

    Of each INTERFACE that is to be captured, also whether it can be as it is.
    Exit code 1 when something is wrong; what only limits (no tshark, say) is a warning.

    \b
    tapline doctor eth0
    tapline doctor --json | jq '.[] | select(.verdict != "ok")'
    """
    from tapline.commands.diagnosis import diagnose

    state: State = ctx.obj
    findings = diagnose(state.configuration, interfaces)
    if as_json:
        print_json(findings)
    else:
        print_table(("", "what", "finding"), [(it.verdict, it.subject, it.finding) for it in findings])
        fixes = [it for it in findings if it.fix]
        if fixes:
            click.echo("\nWhat to do:")
        for it in fixes:
            click.echo(f"  {it.subject}: {it.fix}")
    ctx.exit(1 if any(it.verdict == "problem" for it in findings) else 0)
