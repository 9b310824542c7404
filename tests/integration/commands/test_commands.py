import json
import os
import re
import signal
import subprocess
from urllib.request import urlopen

import psutil
import pytest

from tapline.demo import DEMO_CAPTURE
from tapline.services.ports import free_port
from tests.integration.commands.conftest import CommandLine
from tests.waiting import wait_for
from topics.catalog import CATALOG

DEMO = str(DEMO_CAPTURE)


def good(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_topics_are_created_once_listed_and_verified(tapline: CommandLine) -> None:
    prefix = tapline.environment["TAPLINE_KAFKA__PREFIX"]
    before = tapline("topics", "verify")
    assert before.returncode == 1
    assert before.stderr.count("missing: run `tapline topics create`") == len(CATALOG)
    assert json.loads(good(tapline("topics", "create", "--json"))) == [topic.name(prefix) for topic in CATALOG]
    assert json.loads(good(tapline("topics", "create", "--json"))) == []
    assert good(tapline("topics", "verify")) == f"{len(CATALOG)} topics, all as they should be\n"
    listed = {topic["name"]: topic["partitions"] for topic in json.loads(good(tapline("topics", "list", "--json")))}
    assert listed[f"{prefix}.flow.v1"] == 2
    tapline.environment["TAPLINE_KAFKA__PARTITIONS"] = "3"
    other = tapline("topics", "verify")
    assert other.returncode == 1
    assert f"{prefix}.flow.v1 is of 2 partitions, not 3" in other.stderr


def test_what_is_captured_can_be_read_from_the_topic(tapline: CommandLine) -> None:
    missing = tapline("capture", DEMO)
    assert missing.returncode == 1
    assert "run `tapline topics create`" in missing.stderr
    good(tapline("topics", "create"))
    summary = json.loads(good(tapline("capture", "--depth", "light", "--json", DEMO)))
    assert summary["packets"] == 2941
    assert summary["ignored"] == {"arp": 174}
    assert summary["dropped"] == {}
    records = good(tapline("topics", "tail", "flow", "--beginning", "--json")).splitlines()
    flows = [json.loads(record) for record in records]
    flows = [flow for flow in flows if "flow_id" in flow]
    assert len(flows) == summary["records"]["flow"]
    sums = sum(flow.get("delta_source_bytes", 0) + flow.get("delta_destination_bytes", 0) for flow in flows)
    assert sums == summary["flow_bytes"]
    text = good(tapline("capture", "--depth", "light", DEMO))
    assert re.search(r"announced +flow +1,003", text)


def test_a_capture_cut_short_is_published_as_far_as_it_goes_and_the_next_one_too(tapline: CommandLine) -> None:
    good(tapline("topics", "create"))
    (tapline.folder / "cut.pcap").write_bytes(DEMO_CAPTURE.read_bytes()[:200_000])
    result = tapline("capture", "--depth", "light", "--json", "cut.pcap", DEMO)
    assert result.returncode == 1
    assert "tapline: cut.pcap is cut short after" in result.stderr
    cut, whole = map(json.loads, result.stdout.splitlines())
    assert 0 < cut["records"]["flow"] < whole["records"]["flow"] == 1003
    assert "cut short" in cut["problem"]
    assert whole["problem"] == ""


def test_a_capture_that_is_interrupted_leaves_with_130_and_leaves_nothing_running(tapline: CommandLine) -> None:
    good(tapline("topics", "create"))
    fifo = tapline.folder / "fifo"
    os.mkfifo(fifo)
    with (
        tapline.running("capture", "--engine", "tshark", "--metrics-port", "0", str(fifo)) as process,
        fifo.open("wb") as writer,
    ):
        writer.write(DEMO_CAPTURE.read_bytes()[:300_000])
        writer.flush()
        wait_for(lambda: psutil.Process(process.pid).children(), "tshark to be started")
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    wait_for(lambda: not any(child.is_running() for child in children), "tshark to be gone")


@pytest.mark.skipif(os.geteuid() != 0, reason="an interface can be opened by root alone")
def test_an_interface_is_captured_until_sigterm(tapline: CommandLine) -> None:
    good(tapline("topics", "create"))
    with tapline.running("capture", "--depth", "light", "--json", "lo") as process:
        wait_for(lambda: "lo: 0 records" in process.stderr.readline(), "the capture to begin")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert json.loads(output)["stream"] == "live"


def test_workers_are_started_again_and_all_stop_on_sigterm(tapline: CommandLine) -> None:
    good(tapline("topics", "create"))
    with tapline.running("worker", "--processes", "2") as process:
        supervisor = psutil.Process(process.pid)
        first = wait_for(lambda: found if len(found := supervisor.children()) == 2 else None, "two workers")
        first[0].kill()
        second = wait_for(
            lambda: found if len(found := set(supervisor.children())) == 2 and first[0] not in found else None,
            "the killed one to be started again",
        )
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert not any(child.is_running() for child in second)
    left = [json.loads(line) for line in errors.splitlines() if '"worker left' in line]
    assert [event["cause"] for event in left] == ["signal 9"]


def test_workers_leave_when_their_supervisor_is_killed(tapline: CommandLine) -> None:
    good(tapline("topics", "create"))
    with tapline.running("worker", "--processes", "1") as process:
        (child,) = wait_for(lambda: psutil.Process(process.pid).children(), "a worker")
        wait_for(lambda: "workers.main" in process.stderr.readline(), "the worker to run")
        process.kill()
        wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the worker to leave")


def test_the_exporter_shows_its_health_and_what_it_wrote(tapline: CommandLine) -> None:
    good(tapline("topics", "create"))
    summary = json.loads(good(tapline("capture", "--depth", "light", "--json", DEMO)))
    port = free_port()
    with tapline.running("export", "elasticsearch", "--metrics-port", str(port)) as process:
        process.stdin.close()

        def written() -> bool:
            return (
                f'tapline_exporter_documents_total{{outcome="written",topic="flow"}} {summary["records"]["flow"]}.0'
                in (page(port, "metrics"))
            )

        wait_for(written, "the flows to be written")
        assert json.loads(page(port, "readyz"))["ok"]
        assert json.loads(page(port, "healthz"))["ok"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    namespace = tapline.environment["TAPLINE_ELASTICSEARCH__NAMESPACE"]

    def shown() -> bool:
        status = json.loads(good(tapline("status", "--json")))
        return status["documents"].get(f"logs-tapline.flow-{namespace}") == summary["records"]["flow"]

    wait_for(shown, "the flows in the status")
    templates = [it for it in json.loads(tapline("doctor", "--json").stdout) if it["subject"] == "templates"]
    assert [it["finding"] for it in templates] == ["all there"]


def page(port: int, name: str) -> str:
    try:
        with urlopen(f"http://127.0.0.1:{port}/{name}", timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""
