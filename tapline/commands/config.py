"""`tapline config`: look at the configuration."""

from __future__ import annotations

import click

from tapline.commands.output import print_json
from tapline.commands.state import State


@click.group()
def command() -> None:
    """Check, show or describe the configuration.

    \b
    tapline config check                        is it right?
    TAPLINE_KAFKA__BOOTSTRAP=kafka:9092 tapline config dump
    tapline config schema > tapline.schema.json
    """


@command.command()
@click.pass_obj
def check(state: State) -> None:
    """Read file and environment and say whether they are right."""
    loaded = state.load()
    given = sum(1 for setting in loaded.settings() if setting.source != "default")
    click.echo(f"{loaded.file or 'no file'}: right, {given} values set, the rest are defaults")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array with key, value and source.")
@click.pass_obj
def dump(state: State, *, as_json: bool) -> None:
    """Show every value that holds and where it came from; secrets are masked."""
    import msgspec
    import yaml

    settings = list(state.load().settings())
    if as_json:
        print_json(settings)
        return
    lines: list[tuple[str, str]] = []
    blocks: tuple[str, ...] = ()
    for setting in settings:
        *path, name = setting.key.split(".")
        common = 0
        while common < min(len(path), len(blocks)) and path[common] == blocks[common]:
            common += 1
        lines.extend((f"{'  ' * depth}{path[depth]}:", "") for depth in range(common, len(path)))
        blocks = tuple(path)
        value = yaml.safe_dump(msgspec.to_builtins(setting.value), default_flow_style=True, width=10_000)
        lines.append(
            (f"{'  ' * len(path)}{name}: {value.removesuffix(chr(10) + '...' + chr(10)).strip()}", setting.source)
        )
    width = min(max(len(text) for text, _ in lines), 60)
    for text, source in lines:
        click.echo(f"{text:{width}}  # {source}" if source else text)


@command.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file."""
    import json

    from tapline.configuration import schema as configuration_schema

    click.echo(json.dumps(configuration_schema(), indent=2))
