"""Logging in, staying logged in, and the first start."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.security.attempts import OF_NAME, WITHIN_SECONDS, Attempts
from console.security.sessions import Sessions
from console.security.users import User, Users
from tests.unit.console.lab import PASSWORD, Lab
from topics.errors import TaplineError


class Clock:
    """A clock that the test winds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def log_in(lab: Lab, name: str = "viewer", password: str = PASSWORD) -> tuple[int, str]:
    answer = lab.client().post("/login", data={"name": name, "password": password})
    return answer.status_code, answer.text


def test_the_cookie_is_for_this_server_alone(tmp_path: Path) -> None:
    plain = Lab(tmp_path).client().post("/login", data={"name": "viewer", "password": PASSWORD})
    said = plain.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said
    assert "secure" not in said
    secure = Lab(tmp_path, public_url="https://127.0.0.1").client()
    answer = secure.post("/login", data={"name": "viewer", "password": PASSWORD})
    assert answer.headers["set-cookie"].startswith("__Host-tapline=")
    assert "secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["strict-transport-security"]


def test_a_session_somebody_else_began_is_not_taken(tmp_path: Path) -> None:
    """Session fixation: what a browser brought to the log-in is worth nothing after it."""
    lab = Lab(tmp_path)
    client = lab.client("viewer")
    before = client.cookies["tapline"]
    chosen = "chosen-by-somebody"
    for token in (before, chosen):
        client.cookies.clear()
        client.cookies.set("tapline", token)
        answer = client.post("/login", data={"name": "administrator", "password": PASSWORD})
        new = answer.cookies["tapline"]
        assert new not in (before, chosen)
    assert lab.console.sessions.find(chosen) is None
    kept = lab.console.sessions.find(before)
    assert kept is not None
    assert kept.name == "viewer"


def test_after_log_out_the_cookie_is_worth_nothing(tmp_path: Path) -> None:
    client = Lab(tmp_path).client("viewer")
    token = client.cookies["tapline"]
    assert client.get("/flows").status_code == 200
    assert client.post("/logout").headers["location"] == "/login"
    client.cookies.set("tapline", token)
    assert client.get("/flows").status_code == 303


def test_a_session_ends_by_itself() -> None:
    clock = Clock()
    sessions = Sessions(hours=2, idle_minutes=30, clock=clock)
    token, _ = sessions.open(User(name="a", role="viewer", password=""))
    for _ in range(4):
        clock.now += 29 * 60
        assert sessions.find(token) is not None
    clock.now += 5 * 60
    assert sessions.find(token) is None, "two hours after it began, however much it was used"
    token, _ = sessions.open(User(name="a", role="viewer", password=""))
    clock.now += 20 * 60
    assert sessions.find(token, used=False) is not None
    clock.now += 11 * 60
    assert sessions.find(token) is None, "that a page drew itself anew is no use of it"


def test_who_has_other_rights_logs_in_again(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    operator, administrator = lab.client("operator"), lab.client("administrator")
    assert administrator.post("/users/operator/change", data={"role": "viewer"}).status_code == 303
    assert operator.get("/flows").status_code == 303
    assert lab.client("operator").get("/api/session").json()["role"] == "viewer"


def test_too_many_tries_have_to_wait(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    clock = Clock()
    lab.console.attempts = Attempts(clock)
    for _ in range(OF_NAME):
        assert log_in(lab, password="not this one")[0] == 401
    status, text = log_in(lab)
    assert status == 429
    assert "try again in 300 seconds" in text
    assert log_in(lab, "operator")[0] == 303, "others are not shut out"
    clock.now += WITHIN_SECONDS + 1
    assert log_in(lab)[0] == 303
    deeds = [deed.what for deed in lab.console.audit.newest()]
    assert deeds == ["logged in", "logged in", "log-in refused", *["log-in failed"] * OF_NAME]


def test_a_wrong_name_is_told_like_a_wrong_password(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    status, text = log_in(lab, "nobody")
    assert status == 401
    assert text.replace("nobody", "viewer") == log_in(lab, password="not this one")[1]


def test_the_first_start(tmp_path: Path) -> None:
    lab = Lab(tmp_path, users=False)
    token = lab.console.first_start.begin()
    client = lab.client()
    assert client.get("/flows").headers["location"].startswith("/login")
    assert client.get("/login").headers["location"] == "/setup"
    form = {"token": token, "name": "ada", "password": PASSWORD, "again": PASSWORD}
    for change, said in (
        ({"token": "guessed"}, "not the token"),
        ({"token": ""}, "not the token"),
        ({"again": "another one"}, "differ"),
        ({"password": "short", "again": "short"}, "12 to 256 characters"),
        ({"name": "<script>"}, "letters, digits"),
    ):
        answer = client.post("/setup", data=form | change)
        assert answer.status_code == 403
        assert said in answer.text
    assert lab.console.users.empty
    assert client.post("/setup", data=form).headers["location"] == "/login"
    assert [user.role for user in lab.console.users.all()] == ["administrator"]
    assert client.get("/setup").headers["location"] == "/login"
    assert client.post("/setup", data=form | {"name": "eve"}).headers["location"] == "/login"
    assert len(lab.console.users.all()) == 1
    assert log_in(lab, "ada")[0] == 303


def test_the_users_are_kept_where_nobody_else_reads(tmp_path: Path) -> None:
    folder = tmp_path / "console"
    users = Users(folder)
    users.load()
    users.add("ada", "administrator", PASSWORD)
    path = folder / "users.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "$argon2id$" in path.read_text()
    assert PASSWORD not in path.read_text()
    again = Users(folder)
    again.load()
    assert again.authenticate("ada", PASSWORD) is not None
    assert again.authenticate("ada", PASSWORD + "x") is None
    for change in (lambda: again.remove("ada"), lambda: again.change("ada", role="viewer")):
        with pytest.raises(ValueError, match="last administrator"):
            change()
    path.write_text("[{")
    with pytest.raises(TaplineError, match="is damaged"):
        again.load()
    path.write_text('[{"name": "a", "role": "god", "password": ""}]')
    with pytest.raises(TaplineError, match="no role god"):
        again.load()


def test_ones_own_password(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    client = lab.client("viewer")
    form = {"old": PASSWORD, "new": "another long password", "again": "another long password"}
    assert "old password is wrong" in client.post("/account", data=form | {"old": "x"}).text
    assert "differ" in client.post("/account", data=form | {"again": "x"}).text
    assert client.post("/account", data=form).headers["location"] == "/login"
    assert client.get("/flows").status_code == 303, "all sessions of the user have ended"
    assert log_in(lab)[0] == 401
    assert log_in(lab, password="another long password")[0] == 303
