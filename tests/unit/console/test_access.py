"""Who may do what: every path of the console by role, and what keeps others out."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from console.application import API, PAGES
from console.security.roles import ROLES
from tests.unit.console.lab import PASSWORD, Lab

PUBLIC = {"/login", "/setup", "/healthz", "/openid", "/openid/return"}
OPEN_TO_ALL_POSTS = {"/login", "/setup", "/api/session"}
ROLE_OF = {
    ("GET", "/users"): "administrator",
    ("POST", "/users"): "administrator",
    ("POST", "/users/{name}/change"): "administrator",
    ("POST", "/users/{name}/remove"): "administrator",
    ("GET", "/audit"): "administrator",
    ("POST", "/alerts/exclusions"): "operator",
    ("POST", "/alerts/exclusions/{key}/remove"): "operator",
    ("POST", "/alerts/{episode}/acknowledge"): "operator",
    ("POST", "/alerts/{episode}/release"): "operator",
    ("POST", "/api/alerts/{episode}/acknowledgement"): "operator",
    ("POST", "/api/alerts/{episode}/release"): "operator",
    ("POST", "/api/exclusions"): "operator",
    ("DELETE", "/api/exclusions/{key}"): "operator",
    ("POST", "/scripts/{name}/settings"): "operator",
    ("POST", "/scripts/{switch}/enable"): "administrator",
    ("POST", "/scripts/{switch}/disable"): "administrator",
    ("POST", "/rules/form"): "operator",
    ("POST", "/rules/yaml"): "operator",
    ("POST", "/rules/remove"): "operator",
    ("POST", "/configuration/difference"): "administrator",
    ("POST", "/configuration/import"): "administrator",
    ("POST", "/api/scripts/{switch}/enable"): "administrator",
    ("POST", "/api/scripts/{switch}/disable"): "administrator",
    ("PUT", "/api/scripts/{name}/settings"): "operator",
    ("DELETE", "/api/scripts/{name}/settings"): "operator",
    ("PUT", "/api/checks/{name}"): "operator",
    ("DELETE", "/api/checks/{name}"): "operator",
    ("PUT", "/api/rules"): "operator",
    ("POST", "/api/rehearsals"): "operator",
    ("DELETE", "/api/rules/{key:path}"): "operator",
    ("POST", "/api/configuration/difference"): "administrator",
    ("POST", "/api/configuration/import"): "administrator",
    ("POST", "/pipeline/dead-letters/retry"): "operator",
    ("POST", "/pipeline/dead-letters/drop"): "operator",
    ("POST", "/api/dead-letters/retry"): "operator",
    ("POST", "/api/dead-letters/drop"): "operator",
    ("POST", "/logout"): "viewer",
    ("POST", "/account"): "viewer",
    ("DELETE", "/api/session"): "viewer",
}
"""What each path needs that is more than looking; a path that changes something has to be here."""


def routes() -> list[tuple[str, str]]:
    found = [
        (method, f"{prefix}{route.path}")
        for prefix, routers in (("/api", API), ("", PAGES))
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods - {"HEAD"})
    ]
    assert len(found) > 30
    return found


def filled(path: str) -> str:
    for name, value in (("name", "viewer"), ("key", "k"), ("episode", "e1"), ("address", "192.0.2.1"), ("kind", "dns")):
        path = path.replace(f"{{{name}}}", value)
    return path.replace("{flow}", "f")


def test_nobody_gets_anywhere_without_logging_in(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    client = lab.client()
    for method, path in routes():
        if path in PUBLIC or (method == "POST" and path in OPEN_TO_ALL_POSTS):
            continue
        answer = client.request(method, filled(path))
        if path.startswith("/api/"):
            assert answer.status_code == 401, (method, path)
            assert answer.json() == {"detail": "log in first"}
        else:
            assert answer.status_code == 303, (method, path)
            assert answer.headers["location"].startswith("/login"), (method, path)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_as_far_as_it_may(role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    lab.engage(type="t", message="m", entity="192.0.2.1")
    lab.written(monkeypatch)
    monkeypatch.setattr("console.data.alert_deeds.write_releases", lambda *_: 1)
    for method, path in routes():
        if path in PUBLIC or (method == "POST" and path in OPEN_TO_ALL_POSTS) or path == "/events":
            continue
        needed = ROLE_OF.get((method, path), "viewer" if method == "GET" else "")
        assert needed, f"{method} {path} changes something: say in ROLE_OF whose it is"
        answer = lab.client(role).request(method, filled(path))
        if ROLES[role] < ROLES[needed]:
            assert answer.status_code == 403, (method, path)
            assert needed in answer.text
        else:
            assert answer.status_code != 403, (method, path, answer.text)
            assert answer.status_code < 500, (method, path, answer.text)


def test_a_change_needs_the_token_of_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    written = lab.written(monkeypatch)
    lab.engage(type="t", message="m")
    other = lab.client("administrator").headers["x-csrf-token"]
    for method, path in ROLE_OF:
        if method == "GET":
            continue
        client = lab.client("administrator")
        for token in ("", other, "guessed"):
            client.headers["x-csrf-token"] = token
            answer = client.request(method, filled(path))
            assert answer.status_code == 403, (method, path)
            assert "out of date" in answer.text
    assert written == []
    assert {user.name for user in lab.console.users.all()} == set(ROLES)


def test_a_form_brings_the_token_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    written = lab.written(monkeypatch)
    lab.engage(type="t", message="m", entity="192.0.2.1")
    client = lab.client("operator")
    csrf = client.headers.pop("x-csrf-token")
    page = client.get("/alerts/e1").text
    assert f'name="csrf" value="{csrf}"' in page
    answer = client.post("/alerts/e1/acknowledge", data={"csrf": csrf, "comment": "mine"})
    assert answer.status_code == 303
    assert [path for path, _ in written] == ["acknowledgements/e1"]
    assert "seen by operator" in client.get("/alerts").text


@pytest.mark.parametrize(
    ("name", "value"),
    [("origin", "https://evil.example"), ("origin", "null"), ("host", "evil.example"), ("host", "[")],
)
def test_what_comes_from_another_site_is_refused(name: str, value: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    answer = lab.client("operator").post("/logout", headers={name: value})
    assert answer.status_code == 403
    assert lab.console.audit.newest() == []


def test_a_body_has_a_length_and_an_end(tmp_path: Path) -> None:
    client = Lab(tmp_path).client()
    assert client.post("/login", content=iter([b"name=", b"a"])).status_code == 411
    assert client.post("/login", content=b"a" * (1024 * 1024 + 1)).status_code == 413


@pytest.mark.parametrize(
    "there",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil",
        "javascript:alert(1)",
        "/\t/evil.example",
    ],
)
def test_log_in_leads_nowhere_else(there: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    answer = lab.client().post("/login", data={"name": "viewer", "password": PASSWORD, "next": there})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert lab.client("viewer").get("/login", params={"next": there}).headers["location"] == "/"


def test_log_in_leads_to_where_one_wanted(tmp_path: Path) -> None:
    client = Lab(tmp_path).client()
    there = client.get("/flows?port=53&name=a%26b").headers["location"]
    page = client.get(there).text
    assert 'name="next" value="/flows?port=53&amp;name=a%26b"' in page
    form = {"name": "viewer", "password": PASSWORD, "next": "/flows?port=53&name=a%26b"}
    assert client.post("/login", data=form).headers["location"] == "/flows?port=53&name=a%26b"


def test_every_answer_forbids_what_pages_do_not_need(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    for path in ("/", "/login", "/static/console.js", "/api/overview", "/nothing", "/flows?port=x"):
        headers = lab.client("viewer").get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers
