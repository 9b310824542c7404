"""Compose, built once a user from its Go module and kept beside the engines: Debian 12 has only the one before.

Which version stands in ``tools/go.mod``, the checksums of all that it is made of in ``tools/go.sum``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tapline.services.cache import cache_folder, exclusive
from topics.partitions import digest

_MODULE: Final = Path(__file__).parent / "tools"
_PACKAGE: Final = "github.com/docker/compose/v2/cmd"


def compose_plugins() -> Path:
    """The folder of Docker's plug-ins that holds Compose; the test is passed over where it cannot be built."""
    described = [(_MODULE / name).read_text(encoding="utf-8") for name in ("go.mod", "go.sum")]
    kept = cache_folder() / "containers"
    whole = kept / f"compose-{digest(*described)[:16]}"
    kept.mkdir(parents=True, exist_ok=True)
    with exclusive(kept / "compose.lock"):
        if not whole.is_dir():
            _build(kept, whole)
    return whole


def _build(kept: Path, whole: Path) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("there is no go to build Compose with (apt install -t bookworm-backports golang-go)")
    with tempfile.TemporaryDirectory(dir=kept, prefix="making-") as name:
        made = Path(name, whole.name)
        made.mkdir()
        command = [go, "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", str(made / "docker-compose")]
        done = subprocess.run(
            [*command, _PACKAGE],
            cwd=_MODULE,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: os.nice(5),
        )
        if done.returncode:
            pytest.skip(f"Compose cannot be built here: {done.stderr.strip()[-300:]}")
        made.rename(whole)
