"""Where Elasticsearch's files are when it runs as somebody who cannot enter the project."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapline.services import elsewhere
from tapline.services.elasticsearch import Elasticsearch
from tapline.services.elsewhere import check_elsewhere, forget_elsewhere, is_elsewhere, make_elsewhere
from tapline.services.processes import Account, DetachedProcess
from tapline.services.settings import ServicesSettings
from tests.waiting import wait_for
from topics.errors import TaplineError

NOBODY = Account(65534, 65534)


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The usual place of an engine in a closed project, with an open folder that stands for that of the system."""
    given: list[tuple[Path, int, int]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        (folder / "project" / ".tapline").mkdir(parents=True)
        (folder / "project").chmod(0o700)
        monkeypatch.setattr(elsewhere, "STATE", folder / "state")
        monkeypatch.setattr(os, "chown", lambda path, uid, gid, **_: given.append((path, uid, gid)))
        yield folder / "project" / ".tapline" / "elasticsearch"
        assert {(uid, gid) for _, uid, gid in given} <= {tuple(NOBODY)}


def test_it_is_closed_to_others_and_found_through_a_link(link: Path) -> None:
    check_elsewhere(link, NOBODY)
    place = make_elsewhere(link, NOBODY)
    assert link.resolve() == place
    assert place.parent == elsewhere.STATE
    assert (place.stat().st_mode & 0o777, place.parent.stat().st_mode & 0o777) == (0o700, 0o755)
    (place / "data").mkdir()
    assert make_elsewhere(link, NOBODY) == place
    assert (link / "data").is_dir(), "data stay"


def test_what_a_removed_project_left_is_forgotten(link: Path) -> None:
    place = make_elsewhere(link, NOBODY)
    left = [sys.executable, "-c", "import signal; signal.pause()"]
    record = DetachedProcess(place / "elasticsearch.process.json").start(
        left, output=place / "out", folder=place, environment={}, version="1", ports={}
    )
    link.unlink()
    make_elsewhere(link, NOBODY)
    assert list(link.iterdir()) == []
    wait_for(lambda: not Path(f"/proc/{record.pid}").exists(), "what ran there to end")


def test_a_copied_project_does_not_share_it(link: Path) -> None:
    place = make_elsewhere(link, NOBODY)
    copy = link.with_name("copy")
    copy.symlink_to(place)
    with pytest.raises(TaplineError, match="copied or moved from: remove that link"):
        check_elsewhere(copy, NOBODY)


def test_files_in_the_usual_place_are_left_alone(link: Path) -> None:
    (link / "data").mkdir(parents=True)
    with pytest.raises(TaplineError, match="has files already"):
        check_elsewhere(link, NOBODY)


def test_forgetting_removes_it_and_a_link_of_the_users_own_is_none_of_ours(link: Path) -> None:
    place = make_elsewhere(link, NOBODY)
    forget_elsewhere(place, "elasticsearch")
    assert not place.exists()
    link.unlink()
    link.symlink_to(link.parent)
    assert not is_elsewhere(link)


def test_elasticsearch_is_forgotten_with_its_folder(link: Path) -> None:
    place = make_elsewhere(link, NOBODY)
    (place / "data").mkdir()
    Elasticsearch(ServicesSettings(folder=str(link.parent))).forget()
    assert not place.exists()
    assert not link.is_symlink()
