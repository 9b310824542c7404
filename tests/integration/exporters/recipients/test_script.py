"""Scripts: programs that get a message on standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from exporters.recipients.senders.sender import Rejected, Unavailable
from exporters.recipients.settings import Script
from tests.integration.exporters.recipients.sending import HOSTILE, notification, sending
from tests.waiting import wait_for


def program(folder: Path, text: str) -> str:
    file = folder / "program.py"
    file.write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
    file.chmod(0o755)
    return str(file)


def test_a_script_gets_json_and_a_clean_environment(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NOT_FOR_SCRIPTS", "1")
    monkeypatch.setenv("PASSWORD", "s3cret")
    written = tmp_path / "written"
    command = [
        program(
            tmp_path,
            "import json, os, sys\n"
            "json.dump([json.load(sys.stdin), dict(os.environ), sys.argv[1:], os.getcwd()], open(sys.argv[1], 'w'))\n",
        ),
        str(written),
        "$(touch /tmp/never); {{ alert.entity }}",
    ]
    with sending(Script(name="s", command=command, environment={"PASS": "env:PASSWORD"})) as send:
        send(notification(message=HOSTILE))
    body, environment, arguments, folder = json.loads(written.read_text())
    assert body["id"] == environment["TAPLINE_MESSAGE_ID"] == notification().id
    assert body["alerts"][0]["message"] == HOSTILE
    assert (environment["PASS"], folder) == ("s3cret", "/")
    assert set(environment) - {"LC_CTYPE"} == {"PASS", "PATH", "LANG", "TAPLINE_MESSAGE_ID"}
    assert arguments == command[1:]


@pytest.mark.parametrize(
    ("text", "kind", "reason", "said"),
    [
        ("import sys; sys.exit('no such room')", Unavailable, "exit-1", "no such room"),
        ("import sys; print('bad', file=sys.stderr); sys.exit(65)", Rejected, "exit-65", "bad"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", Unavailable, "SIGTERM", "says nothing"),
        ("print('x' * 10_000_000)", None, "", ""),
        ("import sys; sys.stderr.write('y' * 1_000_000); sys.exit(3)", Unavailable, "exit-3", "yyy"),
    ],
)
def test_what_a_script_answers(tmp_path: Path, text: str, kind: type | None, reason: str, said: str) -> None:
    with sending(Script(name="s", command=[program(tmp_path, text)], timeout=60)) as send:
        if kind is None:
            send(notification())
            return
        with pytest.raises(kind, match=said) as failure:
            send(notification())
    assert failure.value.reason == reason
    assert len(str(failure.value)) < 1100


def test_a_script_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    text = (
        "import os, time\nif os.fork() == 0:\n"
        "    open(os.path.dirname(__file__) + '/child', 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    script = Script(name="s", command=[program(tmp_path, text)], timeout=2)
    with sending(script) as send, pytest.raises(Unavailable, match="killed"):
        send(notification())
    child = tmp_path / "child"
    if child.is_file() and child.read_text():
        wait_for(lambda: not is_running(int(child.read_text())), "the child to be gone")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
