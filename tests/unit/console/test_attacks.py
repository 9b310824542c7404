"""What attackers of web applications try (OWASP), over every route that there is, so also over those to come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from console.security.roles import ROLES
from console.settings import OpenIdSettings
from tests.unit.console.lab import PASSWORD, Lab
from tests.unit.console.provider import CLIENT, providing
from tests.unit.console.test_access import OPEN_TO_ALL_POSTS, PUBLIC, ROLE_OF, filled, routes

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


def changing() -> list[tuple[str, str]]:
    """Every route that can change something."""
    return [(method, path) for method, path in routes() if method in UNSAFE]


def served(app: Any) -> Iterator[Any]:
    """Every route of an application, those of the routers that it includes too."""
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from served(inner)
        else:
            yield route


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A console in which nothing can be changed without ``changed`` growing."""
    made = Lab(tmp_path)
    made.engage(type="t", message="m", entity="192.0.2.1")
    made.changed = made.written(monkeypatch)  # type: ignore[attr-defined]
    monkeypatch.setattr("console.data.alert_deeds.write_releases", lambda *_: made.changed.append("released"))  # type: ignore[attr-defined]
    return made


def state(lab: Lab) -> tuple[Any, ...]:
    """All that requests could change."""
    users = [(user.name, user.role, user.password) for user in lab.console.users.all()]
    return users, list(lab.changed), len(lab.console.audit.newest())  # type: ignore[attr-defined]


def test_the_tests_of_access_know_every_route(lab: Lab) -> None:
    """A route that is served but stands in no list of those tests would be tried by none of them."""
    found = {route.path for route in served(lab.app) if isinstance(route, APIRoute)}
    known = {path for _, path in routes()}
    assert {path.removeprefix("/api") for path in found} == {path.removeprefix("/api") for path in known}
    assert {route.path for route in served(lab.app) if not isinstance(route, APIRoute)} == {"/static"}
    asked = {key for key in ROLE_OF if key[0] != "GET"}
    assert set(changing()) == asked | {("POST", path) for path in OPEN_TO_ALL_POSTS}


def test_looking_changes_nothing(lab: Lab) -> None:
    """What a link or a picture of another site can have a browser ask for."""
    before = state(lab)
    for method, path in routes():
        if method == "GET" and path not in ("/events", "/openid", "/openid/return"):
            lab.client("administrator").get(filled(path))
    assert state(lab) == before


@pytest.mark.parametrize("role", ["", *ROLES])
def test_no_route_has_methods_that_nobody_meant(role: str, lab: Lab) -> None:
    known = set(routes())
    before = state(lab)
    client = lab.client(role)
    for path in {path for _, path in known}:
        for method in (*UNSAFE, "OPTIONS", "TRACE"):
            if (method, path) not in known:
                assert client.request(method, filled(path)).status_code == 405, (method, path)
    assert state(lab) == before


def test_a_page_of_another_site_changes_nothing(lab: Lab) -> None:
    """Though the browser sent the cookie, and even if the site had got hold of the token (CSRF)."""
    before = state(lab)
    for method, path in changing():
        for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:81"):
            client = lab.client("administrator")
            answer = client.request(method, filled(path), headers={"origin": origin})
            assert answer.status_code == 403, (method, path, origin)
    assert state(lab) == before


def test_nothing_changes_without_the_token_of_this_session(lab: Lab) -> None:
    before = state(lab)
    other = lab.client("administrator").headers["x-csrf-token"]
    for method, path in changing():
        if path in OPEN_TO_ALL_POSTS:
            continue
        for token in ("", "guessed", other):
            for way in ("header", "form", "address"):
                client = lab.client("administrator")
                del client.headers["x-csrf-token"]
                given: dict[str, Any] = {
                    "header": {"headers": {"x-csrf-token": token}},
                    "form": {"data": {"csrf": token}},
                    "address": {"params": {"csrf": token}},
                }[way]
                answer = client.request(method, filled(path), **given)
                assert answer.status_code == 403, (method, path, way)
    assert state(lab) == before


def test_no_page_is_shown_within_another(lab: Lab) -> None:
    """Clickjacking, over every route and every kind of answer."""
    for role in ("", "viewer"):
        for method, path in routes():
            if path in ("/events", "/openid/return"):
                continue
            headers = lab.client(role).request(method, filled(path)).headers
            assert "frame-ancestors 'none'" in headers["content-security-policy"], (method, path)
            assert headers["x-frame-options"] == "DENY", (method, path)
            assert headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/login", {"data": {"name": "viewer", "password": PASSWORD}}),
        ("/api/session", {"json": {"name": "viewer", "password": PASSWORD}}),
    ],
)
def test_a_session_is_new_with_each_log_in(path: str, given: dict[str, Any], lab: Lab) -> None:
    """Session fixation: a cookie that somebody else put there is worth nothing after log-in either."""
    client = lab.client()
    tokens = {"put there by somebody"}
    client.cookies.set("tapline", "put there by somebody")
    for _ in range(3):
        answer = client.post(path, **given)
        token = answer.cookies["tapline"]
        assert token not in tokens
        tokens.add(token)
        client.cookies.clear()
        client.cookies.set("tapline", token)
    assert lab.console.sessions.find("put there by somebody") is None


def test_cookies_are_out_of_reach(tmp_path: Path) -> None:
    """Of scripts, of other sites, and of whoever listens on the way."""
    with providing() as provider:
        openid = OpenIdSettings(issuer=provider.issuer, client_id=CLIENT, viewers=["staff"])
        lab = Lab(tmp_path, public_url="https://127.0.0.1", openid=openid)
        logged_in = lab.client().post("/login", data={"name": "viewer", "password": PASSWORD})
        begun = lab.client().get("/openid")
    for answer, site in ((logged_in, "strict"), (begun, "lax")):
        (said,) = answer.headers.get_list("set-cookie")
        flags = {flag.strip().lower() for flag in said.split(";")[1:]}
        assert {"httponly", "secure", "path=/", f"samesite={site}"} <= flags
        assert not any(flag.startswith("domain") for flag in flags)
        assert said.startswith("__Host-tapline")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../users.json",
        "/static/%2e%2e/%2e%2e/users.json",
        "/static/..%2f..%2fsettings.py",
        "/static//etc/passwd",
        "/static/",
        "/static/vendor",
    ],
)
def test_no_file_is_served_but_those_meant(path: str, lab: Lab) -> None:
    assert lab.client("administrator").get(path).status_code in (303, 404, 405)


def test_what_goes_wrong_inside_is_not_told_outside(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_what: str, _question: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("the secret of /srv/console")

    lab.store.answer = broken
    for path in ("/", "/api/overview"):
        answer = lab.client("viewer").get(path)
        assert answer.status_code == 500
        assert "the console&#39;s log says what" in answer.text.replace("'", "&#39;")
        for told in ("secret", "RuntimeError", "Traceback", ".py"):
            assert told not in answer.text, path


def test_nobody_learns_which_paths_there_are(lab: Lab) -> None:
    """Without logging in, what exists and what does not is answered alike where a page asks for somebody."""
    client = lab.client()
    for path in ("/hosts/192.0.2.1", "/alerts/no-such", "/flows/no-such", "/users"):
        assert client.get(path).status_code == 303
    assert client.get("/api/openapi.json").status_code == 401
    assert {"/login", "/setup", "/healthz", "/openid", "/openid/return"} == PUBLIC


def test_a_link_says_nothing_in_the_name_of_the_console(lab: Lab) -> None:
    """What was done is told on the page one is led to: only what this console has said, and to this session."""
    client = lab.client("administrator")
    given = {"name": "new", "role": "viewer", "password": PASSWORD}
    link = client.post("/users", data=given).headers["location"]
    assert "new can log in now" in client.get(link).text
    assert "new can log in now" not in lab.client("administrator").get(link).text, "it was said to another session"
    for made_up in (
        "/users?said=call+555-0100",
        "/users?said=call+555-0100&seal=",
        "/users?said=call+555-0100&seal=%ff",
        link.replace("said=new", "said=call+555-0100,+new"),
    ):
        assert "555-0100" not in client.get(made_up).text
    assert "555-0100" not in lab.client().get("/login?said=call+555-0100").text
