"""Scripts that take too long, too much memory, or print too much: ended, suspended and told; the others go on."""

from __future__ import annotations

import logging
import random
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from tests.integration.workers.stream import MadeStream
from topics.errors import TaplineError
from topics.records import Alert
from workers.pipeline import Pipeline
from workers.scripting import guard, hosted
from workers.scripting.budget import Budget
from workers.scripting.guard import WATCH, Call
from workers.scripting.scripts import ScriptSet, load_file, load_files
from workers.scripting.standing import STANDING
from workers.settings import WorkersSettings

NODE = "file-0123456789abcdef"
FLOWS = 100
SETTINGS = WorkersSettings(scripts=[], hook_seconds=0.25, script_memory_mb=300)


def script(folder: Path, text: str, name: str = "it.py") -> Path:
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return path


def bad_and_good(folder: Path, hook: str, body: str) -> Path:
    """A script that does ``body`` on its third flow, and one that counts its calls in ``Good.n``."""
    return script(
        folder,
        f"""
        import re, socket, sys, threading, time
        from tapline import SessionMonitor
        class Bad(SessionMonitor):
            n = 0
            def {hook}(self, flow):
                self.n += 1
                if self.n == 3:
{indent(dedent(body).strip(), " " * 20)}
        class Good(SessionMonitor):
            n = 0
            def {hook}(self, flow): type(self).n += 1
        """,
    )


def feed(scripts: ScriptSet, settings: WorkersSettings = SETTINGS, windows: int = 2) -> list[Alert]:
    """The alerts of a stream of so many windows."""
    with Pipeline(scripts, partitions=1, settings=settings) as pipeline:
        pipeline.feed(MadeStream(windows=windows, flows=FLOWS, nodes=1, partitions=1, stream=NODE).messages())
    assert not pipeline.published["dead"]
    return list(pipeline.published["alert"])


def suspended(alerts: list[Alert]) -> list[Alert]:
    return [alert for alert in alerts if alert.type == "script-suspended"]


@pytest.mark.parametrize("hook", ["on_new_flow", "on_flush"])
@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        """
        while True:
            try: time.sleep(0.01)
            except Exception: pass
        """,
        "time.sleep(60)",
        "re.match('(a+)+$', 'a' * 40 + 'b')",
        "here, there = socket.socketpair()\nwith here, there: here.recv(1)",
        "threading.Event().wait()",
    ],
    ids=["loop", "loop-that-catches", "sleep", "regex", "socket", "event"],
)
def test_a_hook_that_takes_too_long_is_ended_and_its_script_suspended(tmp_path: Path, hook: str, body: str) -> None:
    path = bad_and_good(tmp_path, hook, body)
    scripts = load_files([path], {})
    alerts = suspended(feed(scripts))
    good = scripts.scripts[1].monitor
    assert good.n == 2 * FLOWS, "the other script has seen every flow"  # type: ignore[attr-defined]
    assert len(alerts) == 1
    message = alerts[0].message
    assert f"script Bad is suspended: {hook} at {path}:" in message
    line = int(message.partition(f"{path}:")[2].partition(" ")[0])
    assert path.read_text().splitlines()[line - 1].strip() in dedent(body), "the line it was at"
    assert "ran longer than 0.25 s: do slow work with run_async, or raise workers.hook_seconds" in message
    assert "it was called with Flow(id=" in message
    assert alerts[0].stream == NODE


@pytest.mark.parametrize("hook", ["on_new_flow", "on_flush"])
@pytest.mark.parametrize("body", ["self.hog = bytearray(2 << 30)", "self.hog = [0] * (1 << 28)"])
def test_a_hook_that_takes_too_much_memory_at_once_does_not_get_it(tmp_path: Path, hook: str, body: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scripts = load_files([bad_and_good(tmp_path, hook, body)], {})
    alerts = suspended(feed(scripts))
    assert scripts.scripts[1].monitor.n == 2 * FLOWS  # type: ignore[attr-defined]
    assert len(alerts) == 1
    assert "took more than 300 MB of memory at once: keep less, or raise workers.script_memory_mb" in alerts[0].message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000, "the memory was never used"


def test_a_hook_that_takes_memory_bit_by_bit_is_ended(tmp_path: Path) -> None:
    path = bad_and_good(tmp_path, "on_flush", "self.hog = []\nwhile True: self.hog.append(bytearray(b'x' * (1 << 20)))")
    scripts = load_files([path], {})
    alerts = suspended(feed(scripts, WorkersSettings(scripts=[], script_memory_mb=100)))
    assert scripts.scripts[1].monitor.n == 2 * FLOWS  # type: ignore[attr-defined]
    assert len(alerts) == 1
    assert "took more than 100 MB" in alerts[0].message


@pytest.mark.parametrize(
    "body",
    [
        "sys.exit(3)",
        "next(iter([]))",
        "raise RuntimeError('no')",
        "raise BaseException",
        "raise KeyboardInterrupt",
        "raise GeneratorExit",
    ],
)
@pytest.mark.parametrize("hook", ["on_new_flow", "on_flush"])
def test_whatever_a_hook_raises_costs_that_call_alone(tmp_path: Path, hook: str, body: str) -> None:
    scripts = load_files([bad_and_good(tmp_path, hook, body)], {})
    assert not suspended(feed(scripts))
    good = scripts.scripts[1].monitor
    assert good.n == 2 * FLOWS  # type: ignore[attr-defined]


@pytest.mark.parametrize("hook", ["on_new_flow", "on_flush"])
@pytest.mark.parametrize(("good_one_in", "calls"), [(10, 2 * FLOWS), (11, 10)])
def test_ten_errors_in_a_row_suspend_and_nine_do_not(tmp_path: Path, hook: str, good_one_in: int, calls: int) -> None:
    path = script(
        tmp_path,
        f"""
        from tapline import SessionMonitor
        class Bad(SessionMonitor):
            n = 0
            def {hook}(self, flow):
                type(self).n += 1
                if self.n % {good_one_in}: raise ValueError("odd")
        """,
    )
    scripts = load_files([path], {})
    alerts = suspended(feed(scripts))
    assert scripts.scripts[0].monitor.n == calls  # type: ignore[attr-defined]
    assert len(alerts) == (0 if calls > 10 else 1)
    assert all(f"{hook} raised 10 times in a row, last at {path}:7: ValueError: odd" in a.message for a in alerts)


def test_a_script_that_takes_more_than_its_share_of_a_window_is_suspended(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        import time
        from tapline import SessionMonitor
        class Slow(SessionMonitor):
            def on_flush(self, flow): time.sleep(0.02)
        class Good(SessionMonitor):
            n = 0
            def on_flush(self, flow): type(self).n += 1
        """,
    )
    scripts = load_files([path], {})
    alerts = suspended(feed(scripts, WorkersSettings(scripts=[], script_window_seconds=0.5)))
    assert scripts.scripts[1].monitor.n == 2 * FLOWS  # type: ignore[attr-defined]
    assert len(alerts) == 1
    assert f"on_flush at {path}:5 took more than 0.5 s of one window: make it faster" in alerts[0].message


def test_an_alert_tells_when_all_scripts_take_longer_than_the_window(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        import time
        from tapline import SessionMonitor
        class Slow(SessionMonitor):
            def on_flush(self, flow): time.sleep(0.01)
        class Quick(SessionMonitor):
            def on_flush(self, flow): pass
        """,
    )
    alerts = feed(load_files([path], {}), WorkersSettings(scripts=[], scripts_window_seconds=0.5), windows=3)
    over = [alert.message for alert in alerts if alert.type == "scripts-over-budget"]
    assert 2 <= len(over) <= 3, "once a window"
    assert all("Slow most of it" in message and "run fewer, make them faster" in message for message in over)
    assert not suspended(alerts)


def test_a_suspended_script_is_suspended_in_all_instances_of_the_process(tmp_path: Path) -> None:
    scripts = load_files([bad_and_good(tmp_path, "on_new_flow", "while True: pass")], {})
    with Pipeline(scripts, partitions=4, settings=SETTINGS) as pipeline:
        pipeline.feed(MadeStream(windows=2, flows=FLOWS, nodes=1, partitions=4, stream=NODE).messages())
        assert len(suspended(pipeline.published["alert"])) == 1, "each of four instances would lose its own seconds"


def test_a_script_that_does_not_load_in_time_stays_out_and_says_so(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        from tapline import SessionMonitor
        class Bad(SessionMonitor):
            def on_load(self):
                while True: pass
            def on_flush(self, flow): raise AssertionError
        class Worse(SessionMonitor):
            def on_load(self): return 1 / 0
            def on_flush(self, flow): raise AssertionError
        class Good(SessionMonitor):
            n = 0
            def on_flush(self, flow): type(self).n += 1
            def on_unload(self):
                while True: pass
        """,
    )
    scripts = load_files([path], {})
    alerts = suspended(feed(scripts, WorkersSettings(scripts=[], load_seconds=0.25)))
    assert scripts.scripts[2].monitor.n == 2 * FLOWS  # type: ignore[attr-defined]
    assert [alert.entity for alert in alerts] == ["Bad", "Worse"]
    assert f"at {path}:5: ran longer than 0.25 s" in alerts[0].message
    assert "workers.load_seconds" in alerts[0].message
    assert f"at {path}:8: ZeroDivisionError" in alerts[1].message


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit", "GeneratorExit"])
def test_whatever_a_script_raises_while_it_loads_keeps_only_itself_out(tmp_path: Path, error: str) -> None:
    path = script(
        tmp_path,
        f"""
        from tapline import SessionMonitor
        class Bad(SessionMonitor):
            def on_load(self): raise {error}
        class Worse(SessionMonitor):
            def __init__(self): raise {error}
        class Good(SessionMonitor):
            n = 0
            def on_flush(self, flow): type(self).n += 1
            def on_unload(self): raise {error}
        """,
    )
    scripts = load_files([path], {})
    alerts = suspended(feed(scripts))
    assert scripts.scripts[2].monitor.n == 2 * FLOWS  # type: ignore[attr-defined]
    assert [alert.entity for alert in alerts] == ["Bad", "Worse"]
    assert all(error in alert.message for alert in alerts)


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit", "GeneratorExit"])
def test_a_file_that_raises_is_named_with_its_line_whatever_it_is(tmp_path: Path, error: str) -> None:
    with pytest.raises(TaplineError, match=rf"it\.py:2: {error}"):
        load_file(script(tmp_path, f"x = 1\nraise {error}\n"), {}, Budget(WorkersSettings()))


def test_a_file_that_does_not_come_to_its_end_is_named_with_its_line(tmp_path: Path) -> None:
    path = script(tmp_path, "x = 1\nwhile True:\n    x += 1\n")
    with pytest.raises(TaplineError, match=r"it\.py:[23]: ran longer than 0\.25 s"):
        load_file(path, {}, Budget(WorkersSettings(load_seconds=0.25)))


def test_output_is_limited_and_what_is_left_out_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = script(
        tmp_path,
        """
        from tapline import SessionMonitor
        class Loud(SessionMonitor):
            def on_flush(self, flow): print("x" * 100_000)
        class Wordy(SessionMonitor):
            def on_flush(self, flow): self.log.warning("y" * 1000)
        class Quiet(SessionMonitor):
            def on_flush(self, flow): print("quiet", flow.source_port)
        """,
    )
    dropped = STANDING.dropped("Loud"), STANDING.dropped("Wordy")
    with caplog.at_level(logging.WARNING):
        feed(load_files([path], {}), WorkersSettings(scripts=[], script_output_kb=20))
    said = capsys.readouterr().out
    assert said.count("quiet ") == 2 * FLOWS
    assert "xxx" not in said
    assert STANDING.dropped("Loud") - dropped[0] == 2 * FLOWS * 100_001
    written = [record for record in caplog.records if record.name == "tapline.scripts.Wordy"]
    assert len(written) == 2 * 20, "20 KiB a window"
    assert STANDING.dropped("Wordy") - dropped[1] == 2 * (FLOWS - 20) * 1000
    told = [record.getMessage() for record in caplog.records if "printed more than" in record.getMessage()]
    assert len(told) == 2, "once a script"
    assert "print less, or raise workers.script_output_kb" in told[0]


def test_what_a_script_prints_logs_and_raises_commands_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = script(
        tmp_path,
        r"""
        import sys
        from tapline import SessionMonitor
        class Unprintable(Exception):
            def __str__(self): raise OSError("no")
        class Prints(SessionMonitor):
            n = 0
            def on_flush(self, flow):
                self.n += 1
                if self.n > 1: return
                print("a\x1b[2Jb\tc\rd", "\x9b1m", sep="\n")
                print("\u202eerr", file=sys.stderr)
                raise ValueError("\x1b]0;title\x07")
        class Speechless(SessionMonitor):
            def on_flush(self, flow): raise Unprintable
        """,
    )
    alerts = suspended(feed(load_files([path], {})))
    out, err = capsys.readouterr()
    assert out == "a\\x1b[2Jb\tc\\x0dd\n\\x9b1m\n"
    assert err == "\\u202eerr\n"
    told = [record.getMessage() for record in caplog.records if "script Prints failed" in record.getMessage()]
    assert len(told) == 1
    assert told[0].endswith(r"ValueError: \x1b]0;title\x07")
    assert [alert.entity for alert in alerts] == ["Speechless"]
    assert "Unprintable: its text cannot be had (OSError)" in alerts[0].message


def test_an_interrupt_strikes_inside_the_script_meant_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch wants to end every call of one script, a thousand times a second, at random places."""
    path = script(
        tmp_path,
        """
        from tapline import SessionMonitor
        class Victim(SessionMonitor):
            begun = ended = 0
            def on_new_flow(self, flow): self.work(flow)
            def on_flush(self, flow): self.work(flow)
            def work(self, flow):
                cls = type(self)
                cls.begun += 1
                self.count("Victim", flow.source_ip, flows=1)
                self.alert("seen", flow, "seen")
                sum(range(1000))
                cls.ended += 1
        class Good(SessionMonitor):
            begun = ended = 0
            def on_new_flow(self, flow): self.work(flow)
            def on_flush(self, flow): self.work(flow)
            def work(self, flow):
                cls = type(self)
                cls.begun += 1
                self.count("Good", flow.source_ip, flows=1)
                cls.ended += 1
        """,
    )
    draw = random.Random(1)

    def wants(call: Call) -> str:
        signal.setitimer(signal.ITIMER_REAL, draw.uniform(0.0002, 0.002), 0.001)
        return "struck" if call.tally.script == "Victim" else ""

    monkeypatch.setattr(WATCH, "_too_much", wants)
    monkeypatch.setattr(guard, "TICK", 0.0005)
    monkeypatch.setattr(hosted.HostedScript, "_suspend", lambda *_, **__: None)
    WATCH.disarm()
    windows, flows = 4, 2000
    scripts = load_files([path], {})
    pipeline = Pipeline(scripts, partitions=2)
    made = MadeStream(windows=windows, flows=flows, nodes=2, partitions=2, stream=NODE)
    limit = resource.getrlimit(resource.RLIMIT_DATA)
    logging.disable()
    try:
        with pipeline:
            pipeline.feed(made.messages())
    finally:
        logging.disable(logging.NOTSET)
        WATCH.disarm()
    assert resource.getrlimit(resource.RLIMIT_DATA) == limit
    struck = sum(isinstance(error.error, guard.Overrun) for error in pipeline.errors)
    assert struck > 50, "it was tried often enough to mean something"
    assert {error.script for error in pipeline.errors} == {"Victim"}
    assert len(pipeline.errors) == struck, "nothing was left broken that would raise later"
    assert not pipeline.published["dead"]
    victim, good = (each.monitor for each in scripts.scripts)
    calls = 2 * 2 * windows * flows
    assert good.begun == good.ended == calls  # type: ignore[attr-defined]
    assert 0 <= calls - victim.ended <= struck  # type: ignore[attr-defined]
    counted = [m for m in pipeline.published["counter"] if m.group == "Good"]
    assert sum(metric.meters["flows"] for metric in counted) == calls
    totals = [m for m in pipeline.published["counter"] if m.group == "Aggregates"]
    assert sum(metric.meters["flows"] for metric in totals) == 2 * windows * flows
    conserved = [m for m in pipeline.published["counter"] if m.group == "Conservation"]
    assert all(m.meters["announced"] == m.meters["received"] for m in conserved)


def test_where_hooks_cannot_be_ended_it_is_said_once_and_they_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WATCH, "_told", set())
    WATCH.disarm()
    scripts = load_files([bad_and_good(tmp_path, "on_flush", "pass")], {})
    WATCH.disarm()
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(feed(scripts)))
    thread.start()
    thread.join()
    assert result
    assert scripts.scripts[1].monitor.n == 2 * FLOWS  # type: ignore[attr-defined]
    told = [record.getMessage() for record in caplog.records if "are not ended here" in record.getMessage()]
    assert told == [
        "hooks that take too long or too much memory are not ended here: they do not run in the main thread"
    ]


def test_the_timer_handler_and_limit_are_given_back(tmp_path: Path) -> None:
    WATCH.disarm()
    before = signal.getsignal(signal.SIGALRM), resource.getrlimit(resource.RLIMIT_DATA)
    feed(load_files([bad_and_good(tmp_path, "on_flush", "pass")], {}))
    after = signal.getsignal(signal.SIGALRM), resource.getrlimit(resource.RLIMIT_DATA)
    assert after == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_limit_of_memory_holds_for_scripts_and_not_between_them(tmp_path: Path) -> None:
    """Programs that are started inherit it, and Tapline's own code must not fail for what a script has taken."""
    path = script(
        tmp_path,
        """
        import resource
        from tapline import SessionMonitor
        class Look(SessionMonitor):
            seen = set()
            def look(self): self.seen.add(resource.getrlimit(resource.RLIMIT_DATA)[0])
            def on_load(self): self.look()
            def on_new_flow(self, flow): self.look()
            def on_terminate(self, flow): self.look()
            def on_flush(self, flow): self.look()
        """,
    )
    before = resource.getrlimit(resource.RLIMIT_DATA)[0]
    between: set[int] = set()
    scripts = load_files([path], {})
    with Pipeline(
        scripts, partitions=1, observer=lambda *_: between.add(resource.getrlimit(resource.RLIMIT_DATA)[0])
    ) as pipeline:
        pipeline.feed(MadeStream(windows=2, flows=FLOWS, nodes=1, partitions=1, stream=NODE).messages())
    assert between == {before}
    assert before not in scripts.scripts[0].monitor.seen  # type: ignore[attr-defined]


def test_a_process_that_has_run_scripts_ends_in_order(tmp_path: Path) -> None:
    script = tmp_path / "quick.py"
    script.write_text("from tapline import SessionMonitor\nclass Quick(SessionMonitor):\n    pass\n")
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from workers.scripting.scripts import load_files\n"
        "class Slow:\n"
        "    def __del__(self, wait=time.monotonic):\n"
        "        end = wait() + 0.5\n"
        "        while wait() < end: pass\n"
        "slow = Slow()\n"
        "load_files([Path(sys.argv[1])], {})\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(script)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_metric_of_a_tracker_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "endless.py"
    path.write_text(
        dedent(
            """
            from tapline import FlowTracker
            class Endless(FlowTracker):
                bucket_seconds = 60
                def metric(self, flow):
                    while True:
                        pass
            """
        )
    )
    (alert,) = suspended(feed(load_files([path], {})))
    assert f"script Endless is suspended: metric at {path}:" in alert.message
