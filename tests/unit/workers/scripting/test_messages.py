"""Messages between scripts: who hears them, how often, and what may be done with them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.integration.workers.stream import MadeStream
from topics.records import Message
from workers.pipeline import Pipeline
from workers.scripting.messages import MessageBoard
from workers.scripting.scripts import load_files


def run(folder: Path, text: str) -> Pipeline:
    path = folder / "it.py"
    path.write_text(
        "from tapline import AlertMonitor, EngineMonitor, SessionMonitor\n" + dedent(text), encoding="utf-8"
    )
    with Pipeline(load_files([path], {}), 2) as pipeline:
        pipeline.feed(MadeStream(windows=2, flows=10, nodes=1, partitions=2).messages())
    return pipeline


def test_every_instance_that_subscribes_hears_a_message_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = run(
        tmp_path,
        """
        class Speaks(EngineMonitor):
            def on_end_flush(self, window):
                self.send("names", {"window": window})
                self.send("other", 1)
        class Hears(SessionMonitor):
            subscriptions = ("names",)
            def on_message(self, message):
                print(self.instance, message.subject, message.payload, message.script)
        class HearsAll(AlertMonitor):
            def on_message(self, message): print("all", self.instance, message.subject)
        """,
    )
    assert pipeline.errors == []
    said = capsys.readouterr().out.splitlines()
    windows = MadeStream(windows=2).windows
    assert sorted(line for line in said if line.startswith("flow-")) == sorted(
        f'flow-{partition} names {{"window":{window}}} Speaks' for partition in range(2) for window in windows
    )
    assert sorted(line for line in said if line.startswith("all")) == sorted(
        f"all alert-{partition} {subject}" for partition in range(2) for subject in ("names", "other") for _ in windows
    )


def test_what_a_message_said_is_used_in_the_hooks_that_follow(tmp_path: Path) -> None:
    pipeline = run(
        tmp_path,
        """
        class Speaks(EngineMonitor):
            def on_end_flush(self, window): self.send("word", window)
        class Hears(SessionMonitor):
            def on_load(self): self.word = ""
            def on_message(self, message): self.word = message.payload
            def on_end_flush(self, window): self.alert("heard", None, f"{self.word} {self.instance}")
        """,
    )
    first, second = MadeStream(windows=2).windows
    heard = {alert.message for alert in pipeline.published["alert"] if alert.window == second}
    assert heard == {f"{first} flow-0", f"{second} flow-1"}, "the other partition's window ends after the engine's"


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("self.alert('a', None, 'b')", "on_message may not emit"),
        ("self.count('A', 'b', c=1)", "on_message may not emit"),
        ("self.run_async(int)", "on_message may not emit"),
        ("self.store.update(a=1)", "can change its store only in the hooks of a window"),
    ],
)
def test_a_message_may_only_be_taken_note_of(tmp_path: Path, does: str, said: str) -> None:
    pipeline = run(
        tmp_path,
        f"""
        class Speaks(EngineMonitor):
            def on_end_flush(self, window): self.send("word", window)
        class Hears(EngineMonitor):
            def on_message(self, message): {does}
        """,
    )
    assert len(pipeline.errors) == 2
    assert {error.hook for error in pipeline.errors} == {"on_message"}
    assert said in str(pipeline.errors[0].error)


def message(number: int) -> Message:
    return Message(id=str(number), time=0, subject="s", payload="")


def test_the_board_gives_each_reader_what_it_has_not_had() -> None:
    board = MessageBoard(kept=3)
    assert board.since(0) == ([], 0)
    board.add([message(1), message(2), message(1)])
    assert board.since(0) == ([message(1), message(2)], 2)
    board.add([message(2), message(3), message(4), message(5)])
    assert board.since(2) == ([message(3), message(4), message(5)], 5)
    assert board.since(0) == ([message(3), message(4), message(5)], 5), "the oldest are forgotten"
    assert board.since(5) == ([], 5)
