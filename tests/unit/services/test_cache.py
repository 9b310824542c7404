"""Engines are fetched once, whole or not at all, and only as locked."""

import hashlib
import os
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tapline.services import cache, registry
from tapline.services.artifacts import assemble, tree_digest
from tapline.services.lock import LockedEngine
from topics.errors import TaplineError

FILES = {"org.example:one:1.0:jar": b"one", "org.example:two:1.0:jar": b"two"}


class Registry:
    """Stands for the public one."""

    def __init__(self) -> None:
        self.contents = dict(FILES)
        self.fetched: list[str] = []
        self.failures: list[Exception] = []
        self.guard = threading.Lock()

    def fetch(self, coordinate: str, repository: Path, on_bytes: Callable[[int], None]) -> Path:
        with self.guard:
            self.fetched.append(coordinate)
            if self.failures:
                raise self.failures.pop()
        repository.mkdir(exist_ok=True)
        path = repository / f"{coordinate.split(':')[1]}.jar"
        path.write_bytes(self.contents[coordinate])
        on_bytes(len(self.contents[coordinate]))
        return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAPLINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def public(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    tree = tmp_path / "tree"
    tree.mkdir()
    for coordinate, content in FILES.items():
        (tree / f"{coordinate.split(':')[1]}.jar").write_bytes(content)
    engine = LockedEngine(
        version="1.0",
        size=6,
        tree=tree_digest(tree),
        artifacts={name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()},
    )
    monkeypatch.setattr(cache, "locked", lambda _name: engine)
    monkeypatch.setattr(cache, "_PAUSES", (0.0, 0.0, 0.0))
    public = Registry()
    monkeypatch.setattr(registry, "fetch", public.fetch)
    return public


def silent(_text: str) -> None:
    pass


def test_what_was_fetched_is_there(public: Registry) -> None:
    told: list[str] = []
    assert not cache.installed("engine")
    folder = cache.install("engine", told.append)
    assert cache.installed("engine")
    assert sorted((path.name, path.read_bytes()) for path in folder.iterdir()) == [
        ("one.jar", b"one"),
        ("two.jar", b"two"),
    ]
    assert told == ["downloading engine 1.0: 0 of 0 MiB"]


def test_it_is_fetched_once(public: Registry) -> None:
    first = cache.install("engine", silent)
    assert cache.install("engine", silent) == first
    assert sorted(public.fetched) == sorted(FILES)


def test_who_comes_at_the_same_time_waits(public: Registry) -> None:
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: cache.install("engine", silent), range(4)))
    assert len(set(folders)) == 1
    assert sorted(public.fetched) == sorted(FILES)


def test_a_file_that_differs_from_the_lock_is_refused(public: Registry, folder: Path) -> None:
    public.contents["org.example:two:1.0:jar"] = b"three"
    with pytest.raises(TaplineError, match=r"two\.jar as downloaded is not the file that was locked"):
        cache.install("engine", silent)
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_file_changed_later_is_seen(public: Registry) -> None:
    folder = cache.install("engine", silent)
    (folder / "one.jar").write_bytes(b"eno")
    with pytest.raises(TaplineError, match=f"files in {folder} were changed.*: delete that folder"):
        cache.install("engine", silent)


def test_a_file_added_later_is_seen(public: Registry) -> None:
    folder = cache.install("engine", silent)
    (folder / "extra.jar").write_bytes(b"")
    with pytest.raises(TaplineError, match="were changed"):
        cache.install("engine", silent)


def test_a_passing_failure_is_tried_again(public: Registry) -> None:
    public.failures = [RuntimeError("not now"), OSError("nor now")]
    cache.install("engine", silent)


def test_no_network_is_one_line_and_leaves_nothing(public: Registry, folder: Path) -> None:
    public.failures = [OSError(f"no way\nthere, {number}") for number in range(10)]
    with pytest.raises(TaplineError) as error:
        cache.install("engine", silent)
    assert "cannot download org.example:" in str(error.value)
    assert "(no way): check the network" in str(error.value)
    assert "\n" not in str(error.value)
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_full_disk_is_not_taken_for_the_network(public: Registry, folder: Path) -> None:
    public.failures = [OSError(28, "No space left on device")]
    with pytest.raises(TaplineError, match=f"cannot keep engine in {folder} .No space left on device.: mend that or"):
        cache.install("engine", silent)


def test_what_an_interrupted_download_left_is_cleared(public: Registry, folder: Path) -> None:
    (folder / "incoming" / "repository").mkdir(parents=True)
    (folder / "incoming" / "repository" / "one.jar").write_bytes(b"o")
    cache.install("engine", silent)
    assert not (folder / "incoming").exists()


def test_a_zip_is_unpacked_for_everyone(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "engine.zip", "w") as archive:
        secret = zipfile.ZipInfo("engine-1.0/lib/a.jar")
        secret.external_attr = 0o600 << 16
        archive.writestr(secret, b"a")
    assemble([tmp_path / "engine.zip"], tmp_path / "engine")
    unpacked = tmp_path / "engine" / "engine-1.0" / "lib" / "a.jar"
    assert unpacked.read_bytes() == b"a"
    assert unpacked.stat().st_mode & 0o777 == 0o644
    assert unpacked.parent.stat().st_mode & 0o777 == 0o755


def test_where_engines_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TAPLINE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cache.cache_folder() == tmp_path / ".cache" / "tapline"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cache.cache_folder() == Path("/var/cache/tapline")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_folder() == tmp_path / "xdg" / "tapline"
    monkeypatch.setenv("TAPLINE_CACHE", str(tmp_path / "chosen"))
    assert cache.cache_folder() == tmp_path / "chosen"
