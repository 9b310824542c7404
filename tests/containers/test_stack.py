"""Real containers, with a secured Kafka: everything arrives, whatever is killed, stopped or cut off."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from itertools import count
from typing import Any

import msgspec
import pytest
import yaml
from docker.models.containers import Container

from tests.containers.demo import COMPLETE, arrived, capture_at, stream_of
from tests.containers.stack import Stack, holdings
from tests.waiting import wait_for
from topics.errors import TaplineError

pytestmark = pytest.mark.containers

SECONDS = 240.0
NET_RAW = 1 << 13
OURS = ("capture", "workers", "exporter-elasticsearch")
FAULT_SECONDS = 8.0
"""How long a fault lasts: longer than it takes to be noticed (workers.session_timeout)."""

HOURS = count(1)


def send(stack: Stack) -> str:
    """Leave the demo capture, at a time of its own, to be read; the stream it becomes."""
    hours = next(HOURS)
    capture = capture_at(hours)
    stack.put(f"demo-{hours:03}.pcap", capture)
    return stream_of(capture)


def assert_arrives(stack: Stack, stream: str) -> None:
    """Wait until all of a stream has arrived; more would never become equal again."""

    def complete() -> bool:
        try:
            with holdings() as held:
                assert arrived(held, stream) == COMPLETE
        except TaplineError as error:
            raise AssertionError(str(error)) from error
        return True

    wait_for(complete, "everything to arrive", seconds=SECONDS, every=0.5)


def test_nothing_of_ours_has_rights(running: Stack) -> None:
    for service in OURS:
        for container in running.containers(service):
            status = container.exec_run(["cat", "/proc/1/status"], user="10001").output.decode()
            told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            assert told["Uid"].split() == ["10001"] * 4
            # What the programs of captures carry they have from some engines on, in the network of their container.
            may = NET_RAW if service == "capture" else 0
            assert int(told["CapEff"], 16) & ~may == 0
            assert told["NoNewPrivs"] == "1"
            written = container.exec_run(["sh", "-c", "echo x > /etc/x || echo x > /opt/tapline/x"], user="0")
            assert written.exit_code != 0, "the root file system can be written to"
            assert container.attrs["HostConfig"]["Memory"] > 0
            assert container.attrs["HostConfig"]["NanoCpus"] > 0


def test_ports_are_on_loopback(running: Stack) -> None:
    published = {
        port["HostIp"]
        for container in running.client.containers.list()
        for ports in container.attrs["NetworkSettings"]["Ports"].values()
        for port in ports or ()
    }
    assert published == {"127.0.0.1"}


def test_prometheus_asks_every_component_and_has_the_rules(running: Stack) -> None:
    files = ("docker-compose.yml", "compose/secured.yml", "compose/watched.yml")
    watched = [*(part for name in files for part in ("-f", name)), "--profile", "console"]
    running.compose(*watched, "up", "--detach", "--wait", "--no-recreate", "--no-deps", "prometheus", "console")
    try:
        components = Counter(
            {"capture": 1, "workers": 2, "worker-process": 2, "exporter-elasticsearch": 1, "console": 1}
        )

        def all_up() -> bool:
            targets = asked("targets")["activeTargets"]
            assert {target["lastError"] for target in targets} <= {""}
            up = Counter(target["labels"]["component"] for target in targets if target["health"] == "up")
            assert up == components
            return True

        wait_for(all_up, "Prometheus to have asked all", seconds=120, every=1)
        (group,) = asked("rules")["groups"]
        kept = yaml.safe_load((running.folder / "deploy" / "monitoring" / "rules.yaml").read_text(encoding="utf-8"))
        assert [rule["name"] for rule in group["rules"]] == [rule["alert"] for rule in kept["groups"][0]["rules"]]
        wait_for(
            lambda: all(rule["health"] == "ok" for rule in asked("rules")["groups"][0]["rules"]),
            "the rules",
            seconds=60,
            every=1,
        )
        assert "token" in running.compose(*watched, "logs", "console")
        with urllib.request.urlopen("http://127.0.0.1:8470/", timeout=30) as answer:
            assert answer.status == HTTPStatus.OK
            assert 'type="password"' in answer.read().decode()
    finally:
        running.compose(*watched, "rm", "--stop", "--force", "prometheus", "console")
        for name in ("prometheus", "grafana"):
            running.client.volumes.get(f"tapline_{name}").remove()


def asked(path: str) -> Any:
    """What Prometheus answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:9090/api/v1/{path}", timeout=30) as answer:
        return msgspec.json.decode(answer.read())["data"]


def test_nothing_builds_in_an_image_and_none_is_too_large(running: Stack) -> None:
    for image, megabytes in (("tapline", 400), ("tapline-capture", 700)):
        size = running.client.images.get(image).attrs["Size"]
        assert size < megabytes * 1_000_000, f"{image} has {size / 1_000_000:.0f} MB"
        missing = "for each in gcc cc make pip pip3; do command -v $each; done; true"
        found = running.client.containers.run(image, ["sh", "-c", missing], remove=True, network_mode="none")
        assert not found.decode().split()


def kill(container: Container) -> None:
    """Kill it as the kernel would, and see that it is started again."""
    container.reload()
    before = container.attrs["State"]["Pid"]
    os.kill(before, signal.SIGKILL)

    def again() -> bool:
        container.reload()
        return bool(container.attrs["State"]["Running"]) and container.attrs["State"]["Pid"] != before

    wait_for(again, f"{container.name} to be started again", seconds=60, every=0.1)


def pause(container: Container) -> None:
    """Stop it for longer than a session lasts, and let it go on."""
    container.pause()
    try:
        time.sleep(FAULT_SECONDS)
    finally:
        container.unpause()


def cut_off(container: Container) -> None:
    """Take it off the network for as long, and put it back under its names."""
    (network,) = container.client.networks.list(names=["tapline_default"])
    service = container.labels["com.docker.compose.service"]
    network.disconnect(container)
    try:
        time.sleep(FAULT_SECONDS)
    finally:
        network.connect(container, aliases=[service])


@pytest.mark.parametrize("service", ["kafka", "elasticsearch", *OURS])
@pytest.mark.parametrize("fault", [kill, pause, cut_off], ids=lambda fault: fault.__name__)
def test_nothing_is_lost_when(running: Stack, fault: Callable[[Container], None], service: str) -> None:
    stream = send(running)
    fault(running.containers(service)[0])
    assert_arrives(running, stream)
