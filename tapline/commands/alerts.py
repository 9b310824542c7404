"""`tapline alerts`: what is engaged, what was told and why, and what people do about it."""

from __future__ import annotations

import getpass

import click

from tapline.commands.output import print_json
from tapline.commands.state import State

_COMMENT = click.option("--comment", default="", help="Why.")
_AUTHOR = click.option("--author", default=getpass.getuser, help="Who does it (default: the user).")
_ID = click.argument("identity", metavar="ID")


@click.group()
def command() -> None:
    """See alerts, say that somebody has seen to them, end them, or hear no more of them.

    An ID is that of a condition, an episode or a notification; its first letters do.

    \b
    tapline alerts list
    tapline alerts show 3f2a91
    tapline alerts ack 3f2a91 --comment "backup runs until six"
    tapline alerts exclude --alert syn_scan_attacker --entity 192.0.2.0/24 --for 7d --comment "our scanner"
    """


@command.command("list")
@click.option("--engaged", "which", flag_value="engaged", default=True, help="What holds now (the default).")
@click.option("--past", "which", flag_value="past", help="What was told and is over, newest first.")
@click.option("--entity", default="*", metavar="PATTERN", help="An address, a network, or a name with * and ?.")
@click.option("--alert", "kind", default="*", metavar="PATTERN", help="A type of alerts.")
@click.option("--limit", default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
@click.pass_obj
def list_alerts(state: State, which: str, entity: str, kind: str, limit: int, *, as_json: bool) -> None:
    """List the alerts that are engaged, or those that are over.

    \b
    tapline alerts list
    tapline alerts list --past --entity 10.0.0.0/8
    tapline alerts list --json | jq .alert.message
    """
    from tapline.commands import alert_listing

    alert_listing.print_list(state.configuration.kafka, which, entity, kind, limit, as_json=as_json)


@command.command()
@_ID
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the condition and what was told of it.")
@click.pass_obj
def show(state: State, identity: str, *, as_json: bool) -> None:
    """Say everything about an alert: what, since when, why, who says so, and what was told of it.

    \b
    tapline alerts show 3f2a91
    """
    from tapline.commands import alert_listing

    alert_listing.print_alert(state.configuration.kafka, identity, as_json=as_json)


@command.command()
@click.argument("identities", metavar="ID...", nargs=-1, required=True)
@_COMMENT
@_AUTHOR
@click.pass_obj
def ack(state: State, identities: tuple[str, ...], comment: str, author: str) -> None:
    """Say that somebody has seen to alerts: changes of theirs are told no more, their end is.

    It holds until the alert is over; the next time it is raised as ever.

    \b
    tapline alerts ack 3f2a91 77c0 --comment "switch is being replaced"
    """
    from tapline.commands import alert_changes

    for line in alert_changes.acknowledge(state.configuration.kafka, identities, author, comment):
        click.echo(line)


@command.command()
@click.argument("identities", metavar="ID...", nargs=-1, required=True)
@_COMMENT
@_AUTHOR
@click.pass_obj
def release(state: State, identities: tuple[str, ...], comment: str, author: str) -> None:
    """End engaged alerts, whoever says that they hold.

    What still holds is raised again when it is next found: acknowledge or exclude what you know of.

    \b
    tapline alerts release 3f2a91 --comment "probe was unplugged for good"
    """
    from tapline.commands import alert_changes

    for line in alert_changes.release(state.configuration.kafka, identities, author, comment):
        click.echo(line)


@command.command()
@click.argument("identity", metavar="[ID]", required=False)
@click.option("--alert", "kind", default="", metavar="PATTERN", help="Alerts of this type.")
@click.option("--entity", default="", metavar="PATTERN", help="About this entity: an address, a network, a name.")
@click.option("--peer", default="", metavar="PATTERN", help="With this other party.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="On this port, of either end.")
@click.option("--transport", default="", help="tcp, udp, icmp …")
@click.option("--signature", default="", metavar="PATTERN", help="Of this signature.")
@click.option("--script", default="", metavar="PATTERN", help="Raised by this script.")
@click.option("--for", "duration", default="", metavar="TIME", help="For so long from now: 30 min, 12 h, 7 d.")
@click.option("--until", default="", metavar="WHEN", help="Until then: 2026-12-24 or 2026-12-24T18:00 (UTC).")
@_COMMENT
@_AUTHOR
@click.pass_obj
def exclude(
    state: State,
    identity: str | None,
    kind: str,
    entity: str,
    peer: str,
    port: int,
    transport: str,
    signature: str,
    script: str,
    duration: str,
    until: str,
    comment: str,
    author: str,
) -> None:
    """Hear no more of alerts that fit all that is given; with an ID, of that alert.

    It ends in the time of the alerts, so a capture file of last year is judged as of last year.

    \b
    tapline alerts exclude 3f2a91 --for 12h --comment "known"
    tapline alerts exclude --alert "dns_*" --entity 192.0.2.53 --port 53
    """
    from tapline.commands import alert_changes

    given = {
        "alert": kind,
        "entity": entity,
        "peer": peer,
        "port": port,
        "transport": transport,
        "signature": signature,
        "script": script,
    }
    fields = {name: value for name, value in given.items() if value}
    kafka = state.configuration.kafka
    click.echo(alert_changes.exclude(kafka, identity, fields, duration, until, author, comment))


@command.command()
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@_COMMENT
@_AUTHOR
@click.pass_obj
def unexclude(state: State, keys: tuple[str, ...], comment: str, author: str) -> None:
    """Take exclusions back by their keys; what they kept from being told is told again from then on."""
    from tapline.commands import alert_changes

    alert_changes.unexclude(state.configuration.kafka, keys, author, comment)
    click.echo(f"{', '.join(keys)}: taken back")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def exclusions(state: State, *, as_json: bool) -> None:
    """List the exclusions that were set with `tapline alerts exclude` or `tapline policy set`."""
    from tapline.commands import alert_changes
    from tapline.commands.output import print_table

    rows = alert_changes.exclusions(state.configuration.kafka)
    if as_json:
        for row in rows:
            print_json(row)
        return
    print_table(("key", "fits", "until", "author", "comment"), [list(row.values()) for row in rows])


@command.command()
@click.argument("entity", metavar="HOST")
@click.option("--group", default="", metavar="GROUP", help="It is a key of this counter group; its rules alone.")
@click.option("--live", is_flag=True, help="With what was set by `tapline policy set`, read from Kafka.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def effective(state: State, entity: str, group: str, *, live: bool, as_json: bool) -> None:
    """Say which rules and settings of checks hold for an entity, which won, and why.

    It is an address, a network, or the name of something else that is counted. No Kafka is needed: what the files
    of the policy say is told.

    \b
    tapline alerts effective 192.0.2.7
    tapline alerts effective 192.0.2.0/24 --json | jq '.rules[] | select(.outcome == "asked")'
    tapline alerts effective TLS.Google --group Apps
    """
    from tapline.commands import effective_settings

    view, checks = effective_settings.in_force(state.configuration, live=live)
    effective_settings.print_effective(view, checks, entity, group, as_json=as_json)
