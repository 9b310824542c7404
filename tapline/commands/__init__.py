"""The command line: one module a command, loaded when it is asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import click

from tapline.commands.state import State
from tapline.process.printable import printable
from topics.errors import TaplineError

COMMANDS: Final = (
    "demo",
    "up",
    "down",
    "status",
    "read",
    "try",
    "capture",
    "worker",
    "export",
    "scripts",
    "policy",
    "alerts",
    "console",
    "backfill",
    "topics",
    "dlq",
    "config",
    "doctor",
)
"""The commands, in the order in which one meets them; each is ``command`` in the module of its name."""


class Commands(click.Group):
    """Loads a command's module when the command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the base class passes it
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"tapline.commands.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader has seen enough, as `| head` does. What is still buffered has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        return result


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", "file", metavar="FILE", help="Configuration file (default: ./tapline.yaml, if there).")
@click.option("--debug", is_flag=True, help="Log more, and show tracebacks of unexpected errors.")
@click.option("--child-of", type=int, hidden=True, help="Leave when this process, our parent, is gone.")
@click.version_option(package_name="tapline", message="%(package)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, *, file: str | None, debug: bool, child_of: int | None) -> None:
    """Python scripts over network traffic: Kafka carries it, workers count it, Elasticsearch keeps it.

    \b
    tapline demo                     the whole way, on this machine
    tapline read capture.pcap        what a capture holds, without Kafka
    tapline try mine.py capture.pcap what a script makes of it
    """
    if child_of is not None:
        from tapline.process.signals import leave_with_parent

        leave_with_parent(child_of)
    ctx.obj = state = State(file, debug=debug)
    ctx.call_on_close(state.close)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        result = cli.main(args=arguments, prog_name="tapline", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except TaplineError as error:
        _say(str(error))
        return 1
    except Exception as error:
        if "--debug" in arguments:
            raise
        _say(f"unexpected {type(error).__name__}: {error} (`tapline --debug …` shows where)")
        return 1
    return result if isinstance(result, int) else 0


def main() -> None:
    """Entry point of the ``tapline`` program."""
    sys.exit(run())


def _say(message: str) -> None:
    click.echo(f"tapline: {printable(' '.join(message.split()))}", err=True)
