"""Running the command line inside the test's own process."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from tapline.commands import run


class Result(Struct):
    """What a command printed and how it left."""

    code: int
    out: str
    err: str


Tapline = Callable[..., Result]


@pytest.fixture
def tapline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tapline:
    """Runs ``tapline`` with these arguments, in an empty folder and with nothing listening on Kafka's port."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAPLINE_KAFKA__BOOTSTRAP", "127.0.0.1:1")

    def call(*arguments: str) -> Result:
        code = run(arguments)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def free_port_taken() -> Iterator[int]:
    """A port of the loopback interface on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
