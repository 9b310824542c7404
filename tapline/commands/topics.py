"""`tapline topics`: the topics in Kafka."""

from __future__ import annotations

import click

from tapline.commands.output import print_json, print_table
from tapline.commands.state import State


@click.group()
def command() -> None:
    """List, create, verify or read the topics in Kafka.

    \b
    tapline topics create
    tapline topics tail flow --beginning --json | head -1
    tapline topics tail --rejected
    tapline topics rights --component capture
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.pass_obj
def list_topics(state: State, *, as_json: bool) -> None:
    """List the topics as they are and what is wrong with them."""
    from topics.admin import states

    found = states(state.configuration.kafka)
    if as_json:
        print_json(found)
        return
    print_table(
        ("topic", "partitions", "replication", "state", "what it carries"),
        [(it.name, it.partitions, it.replication, it.problem or "right", it.purpose) for it in found],
    )


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array of the names created.")
@click.pass_obj
def create(state: State, *, as_json: bool) -> None:
    """Create the topics that are missing; those that exist stay as they are."""
    from topics.admin import create as create_topics

    created = create_topics(state.configuration.kafka)
    if as_json:
        print_json(created)
    elif created:
        for name in created:
            click.echo(f"created {name}")
    else:
        click.echo("all topics exist already")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array of the topics that are wrong.")
@click.pass_context
def verify(ctx: click.Context, *, as_json: bool) -> None:
    """Compare the topics in Kafka with what they should be; exit code 1 when one differs."""
    from topics.admin import states

    state: State = ctx.obj
    found = states(state.configuration.kafka)
    wrong = [it for it in found if it.problem]
    if as_json:
        print_json(wrong)
    for it in wrong:
        if not as_json:
            click.echo(f"tapline: topic {it.name} is {it.problem}", err=True)
    if not wrong and not as_json:
        click.echo(f"{len(found)} topics, all as they should be")
    ctx.exit(1 if wrong else 0)


@command.command()
@click.option("--component", metavar="NAME", help="Only those of this component.")
@click.option(
    "--grant",
    "grants",
    multiple=True,
    metavar="COMPONENT=User:NAME",
    help="Give this user of Kafka the rights of a component; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON array of the components, or what was given.")
@click.pass_obj
def rights(state: State, *, component: str | None, grants: tuple[str, ...], as_json: bool) -> None:
    """List what each component has to be allowed in Kafka, or give it to users.

    A name that ends with * stands for all that begin so. Giving needs a user who may Alter the cluster.

    \b
    tapline topics rights --component capture
    tapline topics rights --grant capture=User:sensor --grant worker=User:workers
    """
    from tapline.commands.rights import component_named, components, given, rows
    from topics.rights import grant

    known = components(state.configuration)
    if grants:
        if component:
            raise click.UsageError("--component and --grant exclude each other: --grant names the components")
        number = grant(state.configuration.kafka, given(known, grants))
        if as_json:
            print_json({"given": number, "to": grants})
        else:
            click.echo(f"gave {number} rights: {', '.join(grants)}")
        return
    chosen = [component_named(known, component)] if component else list(known.values())
    if as_json:
        print_json(chosen)
        return
    print_table(("component", "on", "may", "names"), [row for each in chosen for row in rows(each)])


@command.command()
@click.argument("kind", required=False, shell_complete=lambda _ctx, _param, begun: _kinds(begun))
@click.option("--rejected", is_flag=True, help="What could not be used, in place of KIND: why, and what it was.")
@click.option("--beginning", is_flag=True, help="Begin with the oldest message, not with the next to come.")
@click.option("--follow/--no-follow", default=None, help="Wait for more (default: unless --beginning).")
@click.option("--json", "as_json", is_flag=True, help="One JSON record a line.")
@click.pass_obj
def tail(
    state: State, kind: str | None, *, rejected: bool, beginning: bool, follow: bool | None, as_json: bool
) -> None:
    """Print the records of the topic of KIND (flow, counter, alert …) as they come.

    Nothing is taken away from other readers.
    """
    import msgspec

    from tapline.commands.lines import rejected_line
    from topics.catalog import BY_KIND, DEAD
    from topics.records import DeadLetter
    from topics.tail import tail as read_topic

    if rejected and kind not in {None, DEAD.kind}:
        raise click.UsageError(f"--rejected reads what was rejected of every kind: leave out {kind}")
    if rejected:
        kind = DEAD.kind
    if kind is None:
        raise click.UsageError("Missing argument 'KIND'.")
    if kind not in BY_KIND:
        raise click.BadParameter(f"{kind!r} is none of {', '.join(BY_KIND)}", param_hint="KIND")
    follow = not beginning if follow is None else follow
    for message in read_topic(state.configuration.kafka, BY_KIND[kind], beginning=beginning, follow=follow):
        at = f"{message.partition}/{message.offset}"
        if message.envelope is None:
            click.echo(f"tapline: message {at} cannot be used: {message.problem}", err=True)
            continue
        if as_json:
            for record in message.records:
                print_json(record)
            continue
        if rejected:
            for record in message.records:
                if isinstance(record, DeadLetter) and record.state == "waiting":
                    click.echo(rejected_line(record))
            continue
        envelope = message.envelope
        click.echo(
            f"{at} {envelope.schema} node={envelope.node} stream={envelope.stream} window={envelope.window}"
            f" sequence={envelope.sequence} count={envelope.count}"
        )
        for record in message.records:
            click.echo(f"  {msgspec.json.encode(record).decode()}")


def _kinds(begun: str) -> list[str]:
    from topics.catalog import BY_KIND

    return [kind for kind in BY_KIND if kind.startswith(begun)]
