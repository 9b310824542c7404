"""Where child processes are in the files that they read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tapline.process.readers import positions_of_children

READING = "import sys; file = open(sys.argv[1], 'rb', buffering=0); file.read(40); print('read', flush=True); input()"


def test_a_child_and_its_children_are_asked_where_they_read(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(bytes(100))
    assert positions_of_children(path) == []
    for command in ([], ["sh", "-c", '"$@"; true', "sh"]):
        with subprocess.Popen(
            [*command, sys.executable, "-c", READING, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "read\n"
            assert positions_of_children(path) == [40]
            assert positions_of_children(tmp_path / "another") == []
            process.communicate("\n")
    assert positions_of_children(path) == []
