"""What stops an engine from starting is said in one line that tells what to do."""

import os
import platform
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tapline.services import preflight
from topics.errors import TaplineError

GIBIBYTE = 1 << 30


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def message_of(error: pytest.ExceptionInfo[TaplineError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "x86_64"), ("Linux", "riscv64")])
def test_an_unsupported_platform(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(TaplineError) as error:
        preflight.check_platform()
    assert f"{system} on {machine}" in message_of(error)
    assert "set kafka.bootstrap" in message_of(error)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_supported_platform(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    preflight.check_platform()


def test_a_taken_port_names_its_holder_and_the_setting(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(TaplineError) as error:
        preflight.check_port(port, "kafka (clients)", "services.kafka_port")
    message = message_of(error)
    assert f"port {port} for kafka (clients) is taken" in message
    assert f"process {os.getpid()} " in message
    assert "set services.kafka_port" in message


def test_a_port_taken_by_someone_we_may_not_see(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_kind: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", denied)
    with pytest.raises(TaplineError, match="is taken: stop what uses it"):
        preflight.check_port(listener.getsockname()[1], "kafka", "services.kafka_port")


def test_a_port_whose_last_connection_lingers_is_free(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        accepted, _ = listener.accept()
        listener.close()
        accepted.close()
    preflight.check_port(port, "kafka", "services.kafka_port")


def test_too_little_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=2 * GIBIBYTE - 1))
    with pytest.raises(TaplineError) as error:
        preflight.check_disk(tmp_path)
    assert "only 2047 MiB of disk" in message_of(error)
    assert "make room" in message_of(error)


def test_the_disk_of_a_folder_that_is_yet_to_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=2 * GIBIBYTE)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    preflight.check_disk(tmp_path / "project" / ".tapline")
    assert asked == [tmp_path]


def test_too_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=GIBIBYTE))
    preflight.check_memory(GIBIBYTE)
    with pytest.raises(TaplineError) as error:
        preflight.check_memory(GIBIBYTE * 3 // 2)
    assert "only 1024 MiB of memory" in message_of(error)
    assert "need 1536 MiB" in message_of(error)


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / ".tapline").write_text("")
    with pytest.raises(TaplineError) as error:
        preflight.check_writable(tmp_path / ".tapline" / "kafka")
    assert f"{tmp_path / '.tapline'} is not a folder" in message_of(error)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: path != tmp_path)
    with pytest.raises(TaplineError) as error:
        preflight.check_writable(tmp_path / ".tapline")
    assert f"cannot write in {tmp_path}" in message_of(error)
    assert "services.folder" in message_of(error)


def test_checking_a_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    preflight.check_writable(tmp_path / ".tapline" / "kafka")
    assert list(tmp_path.iterdir()) == []
