"""Recipients in the configuration: mistakes are told, secrets are not."""

import json
import logging
from pathlib import Path

import pytest

from exporters.recipients.exporter import check_names, recipient_named
from exporters.recipients.opening import sender_for
from exporters.recipients.settings import AnyRecipient
from tapline.configuration import MASK, load
from topics.errors import TaplineError


def recipients(text: str, folder: Path) -> list[AnyRecipient]:
    file = folder / "tapline.yaml"
    file.write_text(f"recipients:\n  send_to:\n{text}", encoding="utf-8")
    return load(str(file), {}).configuration.recipients.send_to


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  - {kind: pigeon, name: x}", "invalid value 'pigeon'"),
        ("  - {kind: slack, name: x}", "missing required field `url`"),
        ("  - {kind: slack, name: x, url: 'env:X', sevrity: 3}", "unknown field `sevrity`"),
        ("  - {kind: slack, name: X y, url: 'env:X'}", "matching regex"),
        ("  - {kind: email, name: x, host: h, to: [], sender: s@x}", "length >= 1"),
        ("  - {kind: script, name: x, command: [/bin/true], timeout: 1000}", "<= 120"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(TaplineError, match=message) as error:
        recipients(text, tmp_path)
    assert "tapline.yaml:2: recipients.send_to" in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "  - {kind: slack, name: x, url: 'https://hooks.example/s3cret'}",
            "secrets do not stand in the configuration",
        ),
        ("  - {kind: slack, name: x, url: 'env:NOT_THERE'}", "the environment has no NOT_THERE"),
        ("  - {kind: slack, name: x, url: 'file:/nowhere/url'}", "cannot read /nowhere/url"),
        ("  - {kind: webhook, name: x, url: 'ftp://x'}", "it begins with https"),
        ("  - {kind: webhook, name: x, url: 'http://x', ca_file: /nowhere}", "cannot use its ca_file"),
        ("  - {kind: webhook, name: x, url: 'http://x', headers: {Authorization: s3cret}}", "do not stand"),
        ("  - {kind: webhook, name: x, url: 'http://x', headers: {'X Y': z}}", "no name of a header"),
        ("  - {kind: webhook, name: x, url: 'http://x', headers: {X-A: 'ü'}}", "not plain ASCII"),
        ("  - {kind: email, name: x, host: h, to: [ada], sender: s@example.org}", "'ada' is no address"),
        (
            "  - {kind: email, name: x, host: h, to: [a@b.c], sender: s@b.c, security: none, password: 'env:HOME'}",
            "not sent without protection",
        ),
        ("  - {kind: script, name: x, command: [true]}", "got `bool`"),
        ("  - {kind: script, name: x, command: ['true']}", "no absolute path"),
        ("  - {kind: script, name: x, command: [/nowhere]}", "cannot be run"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_is_sent(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(TaplineError, match=message) as error:
        sender_for(recipients(text, tmp_path)[0]).open()
    assert "hooks.example/s3cret" not in str(error.value)


def test_names_are_checked(tmp_path: Path) -> None:
    two = "  - {kind: script, name: a, command: [/bin/true]}\n" * 2
    file = tmp_path / "tapline.yaml"
    file.write_text(f"recipients:\n  send_to:\n{two}", encoding="utf-8")
    with pytest.raises(TaplineError, match="two recipients are named a"):
        check_names(load(str(file), {}).configuration.recipients)
    with pytest.raises(TaplineError, match="name some under recipients"):
        check_names(load(environment={"TAPLINE_RECIPIENTS__METRICS_PORT": "0"}).configuration.recipients)
    file.write_text(f"recipients:\n  send_to:\n{two.splitlines()[0]}", encoding="utf-8")
    with pytest.raises(TaplineError, match="known are a"):
        recipient_named(load(str(file), {}).configuration.recipients, "b")


def test_secrets_are_neither_dumped_nor_logged(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setenv("SECRET_URL", "https://127.0.0.1:1/s3cret")
    text = (
        "  - {kind: slack, name: a, url: 'env:SECRET_URL'}\n"
        "  - {kind: telegram, name: b, token: t0k3n-by-mistake, chat: '1'}\n"
    )
    recipients(text, tmp_path)
    shown = json.dumps([setting.value for setting in load(str(tmp_path / "tapline.yaml"), {}).settings()])
    assert "t0k3n" not in shown
    assert MASK in shown
    with caplog.at_level(logging.DEBUG):
        sender = sender_for(recipients(text, tmp_path)[0])
        sender.open()
        sender.close()
    assert "s3cret" not in caplog.text
