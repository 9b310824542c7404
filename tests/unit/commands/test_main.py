import logging
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from tapline.commands import COMMANDS, cli, run
from topics.errors import TaplineError


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield (*path, name), command
            if isinstance(command, click.Group):
                yield from commands(command, (*path, name))


ALL = dict(commands(cli))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself(tapline, path: tuple[str, ...]) -> None:
    result = tapline(*path, "--help")
    assert result.code == 0
    assert result.out.startswith(f"Usage: tapline {' '.join(path)} ")
    if len(path) == 1:
        assert f"  tapline {path[0]}" in result.out, "no example"
    for parameter in ALL[path].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.name} is not explained"


def test_help_lists_the_commands_and_costs_little() -> None:
    program = (
        "import time, sys\n"
        "from tapline.commands import run\n"
        "code = run(['--help'])\n"
        "heavy = {'nfstream', 'faust', 'elasticsearch', 'confluent_kafka', 'rich'} & set(sys.modules)\n"
        "print(time.process_time(), sorted(heavy), file=sys.stderr)\n"
        "raise SystemExit(code)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, _, heavy = result.stderr.partition(" ")
    assert heavy == "[]\n"
    assert float(seconds) < 0.3
    listed = [line.split()[0] for line in result.stdout.partition("Commands:\n")[2].splitlines()]
    assert listed == list(COMMANDS)


def test_a_command_leaves_logging_as_it_was(tapline) -> None:
    root, ours = logging.getLogger(), logging.getLogger("workers")
    before = (list(root.handlers), ours.level)
    for arguments in (["worker", "agents"], ["try", "missing.py", "missing.pcap"], ["config", "dump"]):
        tapline(*arguments)
        assert (list(root.handlers), ours.level) == before, arguments


def test_wrong_usage_leaves_with_2(tapline) -> None:
    for arguments in (["nothing"], ["--nothing"], ["config", "dump", "extra"], ["config", "nothing"]):
        result = tapline(*arguments)
        assert result.code == 2, arguments
        assert result.err.startswith("Usage: tapline"), arguments


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(cli, "get_command", lambda _context, _name: command)


def test_an_error_the_user_reads_is_one_line_without_a_traceback(tapline, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, TaplineError("no such\ncapture: name one"))
    result = tapline("read")
    assert (result.code, result.out, result.err) == (1, "", "tapline: no such capture: name one\n")


def test_an_error_nobody_expected_is_one_line_with_a_hint(tapline, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ZeroDivisionError("by zero"))
    result = tapline("read")
    assert result.code == 1
    assert result.err == "tapline: unexpected ZeroDivisionError: by zero (`tapline --debug …` shows where)\n"
    with pytest.raises(ZeroDivisionError):
        run(["--debug", "read"])


def test_an_interrupt_leaves_with_130(tapline, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    result = tapline("read")
    assert result.code == 130
    assert "Traceback" not in result.err


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    tapline = f"{sys.executable} -m tapline"
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; for _ in $(seq 3); do {tapline} config schema | head -c 10 >/dev/null; done"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
