"""A console without Kafka and Elasticsearch: what it asks of them is answered by the test."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.testclient import TestClient

from console.application import application
from console.data.store import Store
from console.parts import Console
from console.security.passwords import Passwords
from console.security.roles import ROLES
from console.security.users import FILE_NAME, User
from console.settings import ConsoleSettings
from console.web.access import cookie_name
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.kibana.settings import KibanaSettings
from tapline.commands.console_scripts import ScriptWorkshop
from tests.docs.pages import ROOT
from topics.errors import TaplineError
from topics.records import Alert, AlertState, PolicyEntry
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings

PASSWORD = "a long enough password"
NOTHING: dict[str, Any] = {"hits": {"hits": [], "total": {"value": 0, "relation": "eq"}}, "id": "here"}

Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


class AnsweredStore(Store):
    """Elasticsearch as the test has it: ``answer`` is given what is asked."""

    def __init__(self) -> None:
        super().__init__(ElasticsearchSettings(), 1.0)
        self.asked: list[dict[str, Any]] = []
        self.answer: Answer = lambda _what, _question: NOTHING

    def _ask(self, what: str, **question: Any) -> dict[str, Any]:
        self.asked.append(question)
        return self.answer(what, question)


class Lab:
    """A console in a folder, with a user of each role whose name is the role's."""

    def __init__(self, folder: Path, *, users: bool = True, scripts: Path | None = None, **settings: Any) -> None:
        if users:
            made = [User(name=word, role=word, password=_hashed()) for word in ROLES]
            folder.joinpath(FILE_NAME).write_bytes(msgspec.json.encode(made))
        self.console = Console(
            replace(ConsoleSettings(folder=str(folder)), **settings),
            KafkaSettings(),
            ElasticsearchSettings(),
            KibanaSettings(url="https://kibana.example.org"),
            _no_kafka,
            workshop() if scripts is None else ScriptWorkshop(WorkersSettings(scripts=[str(scripts)])),
            [str(folder / "policy.yaml")],
        )
        self.console.users.load()
        self.console.audit.load()
        self.store = self.console.store = AnsweredStore()
        self.console.standing.problem = ""
        self.app = application(self.console)

    def client(self, role: str = "") -> TestClient:
        """A browser, in which the user of a role has logged in if one is named; it follows nothing by itself."""
        scheme = "https" if self.console.secure else "http"
        made = TestClient(self.app, f"{scheme}://127.0.0.1", follow_redirects=False, raise_server_exceptions=False)
        if role:
            user = self.console.users.find(role)
            assert user is not None
            token, session = self.console.sessions.open(user)
            made.cookies.set(cookie_name(self.console), token)
            made.headers["x-csrf-token"] = session.csrf
        return made

    def engage(self, **fields: Any) -> Alert:
        """Have a condition engaged."""
        alert = Alert(id="a1", time=1_700_000_000_000_000, episode="e1", action="trigger", event="raised", **fields)
        state = AlertState(id="c1", time=alert.time, alert=alert, status="engaged")
        self.console.standing._engaged[state.id] = state
        return alert

    def written(self, monkeypatch: Any) -> list[tuple[str, str]]:
        """The entries of the policy that are written from now on, which the console reads back at once."""
        found: list[tuple[str, str]] = []

        def write(_kafka: KafkaSettings, entries: list[tuple[str, str]], author: str, comment: str) -> int:
            for key, value in entries:
                found.append((key, value))
                entry = PolicyEntry(id="p", time=len(found), key=key, value=value, author=author, comment=comment)
                with self.console.standing._lock:
                    self.console.standing._take_entry(entry)
            return len(entries)

        monkeypatch.setattr("console.data.setting.write_entries", write)
        return found


class ShippedChecks(ScriptWorkshop):
    """The checks that ship, enabled in the folder in which they ship: they stay there."""

    def enable(self, switch: str) -> str:
        raise TaplineError(f"{switch} is not switched by tests")

    def disable(self, switch: str) -> str:
        raise TaplineError(f"{switch} is not switched by tests")


@cache
def workshop() -> ScriptWorkshop:
    """The checks that ship; they are run once for all tests that look."""
    return ShippedChecks(WorkersSettings(scripts=[str(ROOT / "scripts" / "checks")]))


def _no_kafka() -> list[Any]:
    raise TaplineError("cannot reach Kafka: start it")


@cache
def _hashed() -> str:
    return Passwords().hash(PASSWORD)
