"""Log-in at an OpenID provider of another site, in a real browser with all its rules of which cookies go where."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import Browser

from console.server import ConsoleServer
from console.settings import OpenIdSettings
from tapline.process.health import Health
from tests.integration.console.seat import PATIENCE_MS, console_alone
from tests.waiting import wait_for


def test_one_gets_in_and_to_where_one_wanted(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPLINE_TEST_SECRET", "any: it knows no client")
    user = User(sub="1", claims={"preferred_username": "grace", "groups": ["netops"]})
    said: list[str] = []
    with run_server_in_thread(user_claims=[user]) as provider:
        openid = OpenIdSettings(
            # Another site than 127.0.0.1, as browsers see it.
            issuer=f"http://localhost:{provider.server_port}",
            client_id="tapline",
            client_secret="env:TAPLINE_TEST_SECRET",
            operators=["netops"],
        )
        console = console_alone(tmp_path, openid=openid)
        with ConsoleServer(console, Health(), said.append) as server:
            thread = threading.Thread(target=server.run, name="console")
            thread.start()
            context = browser.new_context(base_url=server.url)
            context.set_default_timeout(PATIENCE_MS)
            try:
                wait_for(lambda: len(said) == 2, "the console to say where it is")
                page = context.new_page()
                page.goto("/account")
                page.get_by_role("link", name="Log in with OpenID").click()
                page.get_by_role("button", name="1", exact=True).click()
                page.get_by_role("heading", level=1, name="grace").wait_for()
                assert page.url == f"{server.url}/account"
                assert "operator" in page.locator("nav").inner_text()
                assert {cookie["name"] for cookie in context.cookies(server.url)} == {"tapline"}
            finally:
                context.close()
                server.leave()
                thread.join(60)
        assert not thread.is_alive()
