"""Whom Elasticsearch runs as under the superuser, and whether that user gets there."""

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapline.services.account import closed_folder, unprivileged_account
from tapline.services.processes import Account

STRANGER = Account(54321, 54321)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder on an open way, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


def test_an_ordinary_user_stays_who_they_are(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unprivileged_account(folder) is None


def test_the_superuser_becomes_the_owner_of_the_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Path, "stat", lambda _self: os.stat_result((0o755, 0, 0, 1, 1234, 5678, 0, 0, 0, 0)))
    assert unprivileged_account(folder) == Account(1234, 5678)


def test_the_superuser_becomes_nobody_in_a_folder_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Path, "stat", lambda _self: os.stat_result((0o755, 0, 0, 1, 0, 0, 0, 0, 0, 0)))
    nobody = pwd.getpwnam("nobody")
    assert unprivileged_account(folder / "yet" / "to be made") == Account(nobody.pw_uid, nobody.pw_gid)


def test_an_open_way(folder: Path) -> None:
    (folder / "a").mkdir(mode=0o755)
    assert closed_folder(folder / "a", STRANGER) is None


def test_the_topmost_closed_folder_is_named(folder: Path) -> None:
    (folder / "a" / "b" / "c").mkdir(parents=True)
    (folder / "a").chmod(0o700)
    (folder / "a" / "b").chmod(0o700)
    assert closed_folder(folder / "a" / "b" / "c", STRANGER) == folder / "a"


def test_the_owner_and_the_group_have_their_own_ways(folder: Path) -> None:
    (folder / "a").mkdir()
    owner = (folder / "a").stat()
    (folder / "a").chmod(0o710)
    assert closed_folder(folder / "a", Account(owner.st_uid, STRANGER.gid)) is None
    assert closed_folder(folder / "a", Account(STRANGER.uid, owner.st_gid)) is None
    assert closed_folder(folder / "a", STRANGER) == folder / "a"


def test_a_link_is_followed_to_where_it_leads(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o700)
    (folder / "link").symlink_to(folder / "closed")
    assert closed_folder(folder / "link", STRANGER) == folder / "closed"
