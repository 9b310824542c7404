import io
import sys

import pytest

from tapline.commands import output
from tapline.commands.output import Progress, age, print_table


def test_a_table_is_aligned_and_numbers_stand_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "count", "held"), [("a", 1, None), ("longer", 12345, 7)])
    assert capsys.readouterr().out.splitlines() == [
        "name     count  held",
        "a            1     -",
        "longer  12,345     7",
    ]


def test_a_table_without_rows_is_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "count"), [])
    assert capsys.readouterr().out == "name  count\n"


def test_progress_that_is_no_terminal_prints_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(output.time, "monotonic", lambda: now[0])
    progress = Progress()
    progress("file: 1 %")
    progress("file: 2 %")
    now[0] += 6
    progress("file: 3 %")
    progress("file: 4 %")
    progress("done")
    progress("rest: 1")
    progress("rest: 1")
    progress.close()
    assert capsys.readouterr().err.splitlines() == ["file: 1 %", "file: 3 %", "file: 4 %", "done", "rest: 1"]


def test_progress_on_a_terminal_takes_the_place_of_the_line_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = Progress()
    progress("file: 1 %")
    progress("file: 2 %")
    progress("done")
    progress.close()
    assert terminal.getvalue() == "file: 1 %\r\x1b[Kfile: 2 %\ndone\n"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, "-"), (0.4, "0 s"), (119.0, "119 s"), (120.0, "2 min"), (7200.0, "2 h"), (2_000_000.0, "23 d")],
)
def test_an_age_has_a_unit_of_which_there_are_some(seconds: float | None, told: str) -> None:
    assert age(seconds) == told
