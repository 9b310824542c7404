"""How an engine is started, waited for and stopped, seen on programs that stand for one."""

import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from tapline.services import engine as engine_module
from tapline.services import local, preflight
from tapline.services.engine import Engine, Launch
from tapline.services.lock import LockedEngine
from tapline.services.settings import ServicesSettings
from topics.errors import TaplineError

SERVER = """
import socket, sys, signal
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
signal.pause()
"""
BROKEN = "print('INFO fine'); print('ERROR the data is of a later version'); print('INFO bye'); raise SystemExit(3)"
MUTE = "import signal; signal.pause()"


class Program(Engine):
    """An engine that is a few lines of Python; it answers when its port is open."""

    name: ClassVar[str] = "program"
    memory_needed: ClassVar[int] = 1 << 20
    port_settings: ClassVar[Mapping[str, str]] = {"clients": "kafka_port"}
    source = SERVER

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _prepare(self, installation: Path, ports: Mapping[str, int]) -> Launch:
        assert installation.is_dir()
        return Launch([sys.executable, "-c", self.source, str(ports["clients"])], self.folder, {})

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class OtherProgram(Program):
    name: ClassVar[str] = "other"
    port_settings: ClassVar[Mapping[str, str]] = {"clients": "elasticsearch_port"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServicesSettings]:
    entry = LockedEngine(version="1.0", size=0, tree="", artifacts={})
    monkeypatch.setattr(engine_module, "locked", lambda _name: entry)
    monkeypatch.setattr(engine_module, "installed", lambda _name: True)
    monkeypatch.setattr(engine_module, "install", lambda _name, _on_progress: tmp_path)
    settings = ServicesSettings(folder=str(tmp_path / ".tapline"), kafka_port=0, elasticsearch_port=0, stop_timeout=5)
    yield settings
    for kind in (Program, OtherProgram):
        kind(settings).kill()


def test_from_start_to_stop(settings: ServicesSettings) -> None:
    program = Program(settings)
    assert program.status().pid is None
    assert not program.status().ready
    assert program.start()
    program.wait_ready()
    status = program.status()
    assert status.ready
    assert status.pid == program.pid
    assert status.version == "1.0"
    assert status.resident_bytes > 0
    assert program.stop()
    assert program.pid is None
    preflight.check_port(int(status.address.rpartition(":")[2]), "test", "test")


def test_another_command_finds_it(settings: ServicesSettings) -> None:
    program = Program(settings)
    program.start()
    program.wait_ready()
    again = Program(settings)
    assert not again.start()
    assert again.address == program.address
    assert again.stop()
    assert program.pid is None


def test_two_commands_at_once_start_one(settings: ServicesSettings) -> None:
    started = []
    threads = [threading.Thread(target=lambda: started.append(Program(settings).start())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(started) == [False, False, False, True]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_it_comes_back_on_the_same_port(settings: ServicesSettings, end: str) -> None:
    program = Program(settings)
    program.start()
    program.wait_ready()
    address = program.address
    assert getattr(program, end)()
    assert program.address == address
    program.start()
    program.wait_ready()
    assert program.address == address


def test_the_reason_of_an_early_end_is_told(settings: ServicesSettings) -> None:
    program = Program(settings)
    program.source = BROKEN
    program.start()
    with pytest.raises(TaplineError) as error:
        program.wait_ready()
    message = str(error.value)
    assert message.startswith("program ended while starting (ERROR the data is of a later version): see ")
    assert "\n" not in message


def test_waiting_ends(settings: ServicesSettings) -> None:
    program = Program(settings)
    program.source = MUTE
    program.start()
    with pytest.raises(TaplineError, match=r"program does not answer after 0.2 s \(it wrote nothing\): see "):
        program.wait_ready(0.2)


def test_a_taken_port_is_seen_before_anything_is_made(settings: ServicesSettings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = ServicesSettings(folder=settings.folder, kafka_port=port)
        with pytest.raises(TaplineError, match=f"port {port} for program .clients. is taken"):
            Program(taken).start()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_engines", lambda settings: (Program(settings), OtherProgram(settings)))


@pytest.mark.usefixtures("both")
def test_both_up_and_down(settings: ServicesSettings) -> None:
    told: list[str] = []
    first, second = local.up(settings, told.append)
    assert [status.ready for status in local.status(settings)] == [True, True]
    assert told[:2] == ["starting other", "starting program"]
    pids = (first.pid, second.pid)
    again = local.up(settings, told.append)
    assert (again[0].pid, again[1].pid) == pids
    assert local.down(settings, told.append)
    assert told[-2:] == ["stopped program", "stopped other"]
    assert [status.pid for status in local.status(settings)] == [None, None]
    assert not local.down(settings, told.append)


@pytest.mark.usefixtures("both")
def test_if_one_fails_what_was_started_with_it_is_stopped(
    settings: ServicesSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OtherProgram, "source", BROKEN)
    with pytest.raises(TaplineError, match="other ended while starting"):
        local.up(settings, lambda _: None)
    assert [status.pid for status in local.status(settings)] == [None, None]


@pytest.mark.usefixtures("both")
def test_if_one_fails_what_ran_before_stays(settings: ServicesSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(settings)
    program.start()
    program.wait_ready()
    monkeypatch.setattr(OtherProgram, "source", BROKEN)
    with pytest.raises(TaplineError, match="other ended while starting"):
        local.up(settings, lambda _: None)
    assert program.status().ready


@pytest.mark.usefixtures("both")
def test_memory_for_both_is_asked_for_at_once(settings: ServicesSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(preflight, "check_memory", asked.append)
    local.up(settings, lambda _: None)
    assert asked[0] == Program.memory_needed + OtherProgram.memory_needed
