"""Log-in by OpenID Connect: who gets in, as what, and what is not believed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc.jwk import OctKey, RSAKey
from oidc_provider_mock import User, run_server_in_thread
from starlette.testclient import TestClient

from console.security.openid import OpenId
from console.settings import OpenIdSettings
from tests.unit.console.lab import PASSWORD, Lab
from tests.unit.console.provider import CLIENT, Provider, providing
from topics.errors import TaplineError

COOKIE = "tapline-openid"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providing() as found:
        yield found


def lab_with(folder: Path, issuer: str, **more: Any) -> Lab:
    given = {"administrators": ["admins"], "operators": ["netops"], "viewers": ["staff"]} | more
    return Lab(folder, openid=OpenIdSettings(issuer=issuer, client_id=CLIENT, **given))


def begun(client: TestClient, provider: Provider, there: str = "/flows?port=53") -> str:
    """Go to the provider; the state to come back with."""
    answer = client.get("/openid", params={"next": there})
    assert answer.status_code == 303, answer.text
    asked = {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert answer.headers["location"].startswith(f"{provider.issuer}/authorization?")
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["redirect_uri"] == "http://127.0.0.1/openid/return"
    assert "openid" in asked["scope"].split()
    provider.claims.setdefault("nonce", asked["nonce"])
    return asked["state"]


def come_back(client: TestClient, state: str, **more: str) -> httpx2.Response:
    return client.get("/openid/return", params={"state": state, "code": "c"} | more)


def test_whoever_the_provider_knows_gets_in_with_the_highest_role(provider: Provider, tmp_path: Path) -> None:
    lab = lab_with(tmp_path, provider.issuer)
    client = lab.client()
    page = client.get("/login?next=/flows").text
    assert 'href="/openid?next=%2Fflows"' in page
    answer = come_back(client, begun(client, provider))
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/flows?port=53">' in answer.text
    cookies = answer.headers.get_list("set-cookie")
    assert any(each.startswith("tapline=") and "SameSite=strict" in each and "HttpOnly" in each for each in cookies)
    assert any(each.startswith(f'{COOKIE}=""') for each in cookies), "it serves once"
    told = client.get("/api/session").json()
    assert (told["name"], told["role"]) == ("ada", "operator")
    assert provider.asked[0]["code_verifier"], "PKCE"
    assert "name, role and password are what the provider says" in client.get("/account").text
    (deed,) = lab.console.audit.newest()
    assert (deed.who, deed.what, deed.detail) == ("ada", "logged in", "OpenID, as operator")


def test_a_real_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the way over one that others wrote, made by authlib's server side."""
    monkeypatch.setenv("TAPLINE_TEST_SECRET", "any: it knows no client")
    user = User(sub="1", claims={"preferred_username": "grace", "groups": ["admins"]})
    with run_server_in_thread(user_claims=[user]) as server:
        lab = lab_with(tmp_path, f"http://localhost:{server.server_port}", client_secret="env:TAPLINE_TEST_SECRET")
        client = lab.client()
        there = client.get("/openid").headers["location"]
        with httpx2.Client() as browser:
            back = browser.post(there, data={"sub": "1"}).headers["location"]
        parts = urlsplit(back)
        assert client.get(f"{parts.path}?{parts.query}").status_code == 200
        told = client.get("/api/session").json()
        assert (told["name"], told["role"]) == ("grace", "administrator")
        again = lab.client().get(f"{parts.path}?{parts.query}")
        assert again.status_code == 403, "the code is worth nothing to another browser"


def another_key(provider: Provider) -> None:
    provider.key = RSAKey.generate_key(2048, parameters={"kid": "first"})


def the_public_key_as_a_secret(provider: Provider) -> None:
    pem = provider.published.as_pem(private=False)
    provider.key = OctKey.import_key(b"-" * 8 + pem[8:])  # type: ignore[assignment]
    provider.header = {"alg": "HS256", "kid": "first"}


def no_signature(provider: Provider) -> None:
    provider.id_token = lambda: "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."  # type: ignore[method-assign]


LIES: dict[str, Any] = {
    "another issuer": lambda provider: provider.claims.update(iss="https://evil.example"),
    "another client": lambda provider: provider.claims.update(aud="somebody"),
    "on behalf of another client": lambda provider: provider.claims.update(aud=[CLIENT, "other"], azp="other"),
    "another log-in": lambda provider: provider.claims.update(nonce="another"),
    "no log-in": lambda provider: provider.claims.update(nonce=None),
    "too late": lambda provider: provider.claims.update(exp=int(time.time()) - 3600),
    "for ever": lambda provider: provider.claims.update(exp=None),
    "nobody": lambda provider: provider.claims.update(sub=None),
    "another key": another_key,
    "the public key as a secret": the_public_key_as_a_secret,
    "no signature": no_signature,
    "somebody else": lambda provider: provider.userinfo.update(sub="2"),
    "no name": lambda provider: provider.userinfo.update(preferred_username=None),
    "a name of many lines": lambda provider: provider.userinfo.update(preferred_username="ada\nroot"),
    "no group": lambda provider: provider.userinfo.update(groups=[]),
    "other groups": lambda provider: provider.userinfo.update(groups=["guests"]),
    "the name of one of the console's own users": lambda provider: provider.userinfo.update(
        preferred_username="administrator"
    ),
    "a refusal": lambda provider: setattr(provider, "token_status", 400),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_what_is_not_believed(lie: str, provider: Provider, tmp_path: Path) -> None:
    lab = lab_with(tmp_path, provider.issuer)
    client = lab.client()
    state = begun(client, provider)
    LIES[lie](provider)
    answer = come_back(client, state)
    assert answer.status_code == 403, answer.text
    assert 'role="alert"' in answer.text
    assert client.get("/api/session").status_code == 401
    assert [deed.what for deed in lab.console.audit.newest()] == ["log-in failed"]


def test_only_the_browser_that_began_comes_back(provider: Provider, tmp_path: Path) -> None:
    """Somebody led to the end of another's log-in is not logged in as that one."""
    lab = lab_with(tmp_path, provider.issuer)
    client, other = lab.client(), lab.client()
    state = begun(client, provider)
    for each, given in ((other, state), (client, "guessed"), (lab.client(), "")):
        answer = come_back(each, given)
        assert answer.status_code == 403
        assert "was not begun here" in answer.text
    other.cookies.set(COOKIE, "not what we wrote")
    assert come_back(other, state).status_code == 403
    assert provider.asked == [], "the provider is not even asked"


def test_the_end_leads_nowhere_else(provider: Provider, tmp_path: Path) -> None:
    client = lab_with(tmp_path, provider.issuer).client()
    answer = come_back(client, begun(client, provider, "https://evil.example/"))
    assert 'content="0; url=/"' in answer.text
    assert "evil" not in answer.text


def test_keys_that_changed_are_asked_for_anew(provider: Provider, tmp_path: Path) -> None:
    lab = lab_with(tmp_path, provider.issuer)
    client = lab.client()
    assert come_back(client, begun(client, provider)).status_code == 200
    provider.claims.clear()
    provider.key = provider.published = RSAKey.generate_key(2048, parameters={"kid": "second"})
    provider.header["kid"] = "second"
    client = lab.client()
    assert come_back(client, begun(client, provider)).status_code == 200


def test_too_many_tries_have_to_wait(provider: Provider, tmp_path: Path) -> None:
    lab = lab_with(tmp_path, provider.issuer)
    for _ in range(10):
        assert come_back(lab.client(), "guessed").status_code == 403
    client = lab.client()
    assert come_back(client, begun(client, provider)).status_code == 429
    assert client.post("/login", data={"name": "viewer", "password": PASSWORD}).status_code == 303


def test_a_provider_that_is_away_is_told_and_passwords_still_do(tmp_path: Path) -> None:
    with providing() as provider:
        lab = lab_with(tmp_path, provider.issuer)
    answer = lab.client().get("/openid")
    assert answer.status_code == 503
    assert "the OpenID provider does not answer" in answer.text
    assert lab.client().post("/login", data={"name": "viewer", "password": PASSWORD}).status_code == 303


def test_a_provider_of_another_name_is_not_asked_to_log_in(provider: Provider, tmp_path: Path) -> None:
    provider.described["issuer"] = "https://evil.example"
    answer = lab_with(tmp_path, provider.issuer).client().get("/openid")
    assert answer.status_code == 503
    assert "set console.openid.issuer to that" in answer.text


def test_without_a_provider_nothing_leads_there(tmp_path: Path) -> None:
    client = Lab(tmp_path).client()
    assert "OpenID" not in client.get("/login").text
    for path in ("/openid", "/openid/return?state=a&code=b"):
        assert client.get(path).headers["location"] == "/login"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"issuer": "http://sso.example.org"}, "has to begin with https://"),
        ({"client_id": ""}, "client_id is not set"),
        ({"viewers": []}, "nobody may log in by OpenID"),
        ({"client_secret": "verysecret"}, "write env:NAME or file:PATH"),
        ({"client_secret": "file:/no/such"}, "cannot read /no/such"),
    ],
)
def test_settings_that_cannot_be_are_told_at_the_start(given: dict[str, Any], said: str) -> None:
    settings = {"issuer": "https://sso.example.org", "client_id": "tapline", "viewers": ["staff"]} | given
    with pytest.raises(TaplineError, match=said):
        OpenId(OpenIdSettings(**settings), 1.0).check()
