"""A real Prometheus asks real processes on their way through the demo capture."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
import yaml

from docs.grafana import ROWS
from docs.metrics_page import metric_families, of_every_process
from tapline.demo import DEMO_CAPTURE
from tapline.services.ports import free_port
from tests.integration.commands.conftest import CommandLine
from tests.integration.commands.processes import beside, log_of, page, port_with_next, shown, wait_until_ready
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="this needs Prometheus (apt install prometheus)"
)

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "deploy" / "monitoring"

SCRIPT = """
from tapline import SessionMonitor


class Short(SessionMonitor):
    def on_terminate(self, flow):
        if flow.total_bytes < 200:
            self.alert("short", flow, "short")
"""

AGENT = """
def attach(app, topics):
    @app.agent(topics.flow)
    async def look(batches):
        async for flows in batches:
            pass
"""


class Watched(NamedTuple):
    """Prometheus' port, the ports of the processes that it asks, when that began, and what they showed at the end."""

    prometheus: int
    ports: dict[str, int]
    began: float
    families: dict[str, dict[str, tuple[str, set[str]]]]

    def asked(self, path: str, **query: object) -> Any:
        answer = json.loads(page(self.prometheus, f"api/v1/{path}?{urlencode(query)}"))
        assert answer["status"] == "success", answer
        return answer["data"]

    def series(self, expression: str) -> list[Any]:
        """What an expression came to since the processes run."""
        return self.asked("query_range", query=expression, start=self.began, end=time.time(), step=1)["result"]


@pytest.fixture(scope="module")
def watched(kafka: str, elasticsearch: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    tapline = commands(tmp_path_factory.mktemp("watched"), kafka, elasticsearch)
    assert tapline("topics", "create").returncode == 0
    workers, syslog = port_with_next(), free_port()
    ports = {"supervisor": workers, "worker": workers + 1}
    for name in ("capture", "live", "elasticsearch", "files", "mirror", "prometheus", "recipients", "agents"):
        ports[name] = free_port(list(ports.values()))
    with ExitStack() as running:

        def start(name: str, *command: str) -> None:
            port = str(ports[name])
            running.enter_context(beside(tapline, name, "tapline", *command, "--metrics-port", port))

        start("supervisor", "worker", "sg_monitor", "cg_monitor", "alert_monitor", "resource_monitor", "fts_monitor")
        start("agents", "worker", "--single", "agents")
        for name in ("elasticsearch", "files", "mirror", "prometheus", "recipients"):
            start(name, "export", name)
        start("capture", "capture", f"folder:{tapline.folder / 'captures'}")
        live = beside(tapline, "live", "tapline", "capture", "--metrics-port", str(ports["live"]), listening(syslog))
        with live as process:
            prometheus = start_prometheus(running, tapline, ports)
            began = time.time()
            for name, port in ports.items():
                if name != "worker":
                    wait_until_ready(port, tapline, name)
            wait_until_ready(ports["worker"], tapline, "supervisor")
            watched = Watched(prometheus, ports, began, {})
            wait_for(lambda: "listening on" in log_of(tapline, "live"), "the syslog source to listen")
            shutil.copy(DEMO_CAPTURE, tapline.folder / "captures" / "demo.pcap")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for line in (b"<13>app: a line", b"no priority"):
                    sender.sendto(line, ("127.0.0.1", syslog))
            wait_for(lambda: watched.series('tapline_capture_lines_total{source="syslog"} >= 2'), "the lines")
            watched.families["live"] = shown(ports["live"])
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        wait_for(lambda: watched.series("tapline_worker_live_window"), "live windows to close", seconds=90)
        written = 'tapline_exporter_documents_total{topic="flow",outcome="written"} >= 1003'
        wait_for(lambda: watched.series(written), "the flows to be exported", seconds=90)
        for name in ("lag_messages", "alerts_total", "conservation_records_total"):
            wait_for(lambda name=name: watched.series(f'{{__name__=~"tapline_(worker_)?{name}"}}'), name, seconds=90)
        # The workers look at their lag every ten seconds.
        wait_for(lambda: watched.series("tapline_worker_lag_messages"), "the workers' lag", seconds=60)
        wait_for(lambda: watched.series("tapline_alerts_engaged"), "the alerts", seconds=60)
        watched.families.update({name: shown(port) for name, port in ports.items() if name != "live"})
        yield watched


def commands(folder: Path, kafka: str, elasticsearch: str) -> CommandLine:
    own = f"t{uuid.uuid4().hex[:8]}"
    for name in ("captures", "scripts", "agents"):
        (folder / name).mkdir()
    (folder / "scripts" / "short.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "agents" / "look.py").write_text(AGENT, encoding="utf-8")
    (folder / "tapline.yaml").write_text(
        yaml.safe_dump(
            {
                "kafka": {"bootstrap": kafka, "prefix": own, "partitions": 2},
                "capture": {"node": "watched"},
                "workers": {"group": own, "processes": 1, "scripts": ["scripts"], "agents": ["agents"]},
                "elasticsearch": {"hosts": [elasticsearch], "namespace": own},
                "files": {"folder": "export", "rotate_seconds": 1, "format": "jsonl", "kinds": ["flow"]},
                "mirror": {"kinds": ["flow"]},
                "prometheus": {"stream": "*", "counters": [{"group": "Hosts"}]},
                "recipients": {"send_to": [{"name": "all", "kind": "script", "command": ["/bin/cat"]}]},
            }
        ),
        encoding="utf-8",
    )
    return CommandLine(folder, {})


def listening(port: int) -> str:
    return f"syslog:udp://127.0.0.1:{port}"


def start_prometheus(running: ExitStack, tapline: CommandLine, ports: dict[str, int]) -> int:
    """Prometheus with the rules that ship, asking every second; its port."""
    port = free_port(list(ports.values()))
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(MONITORING / "rules.yaml")],
        "scrape_configs": [
            {"job_name": f"tapline-{name}", "static_configs": [{"targets": [f"127.0.0.1:{each}"]}]}
            for name, each in ports.items()
        ],
    }
    (tapline.folder / "prometheus.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    running.enter_context(
        beside(
            tapline,
            "asking",
            "prometheus",
            f"--config.file={tapline.folder}/prometheus.yml",
            f"--storage.tsdb.path={tapline.folder}/series",
            f"--web.listen-address=127.0.0.1:{port}",
        )
    )
    wait_for(lambda: page(port, "-/ready"), "Prometheus to be ready", seconds=60)
    return port


@pytest.mark.parametrize(
    "expression", [query.expression for row in ROWS.values() for panel in row for query in panel.queries]
)
def test_a_query_of_the_dashboard_gives_series(watched: Watched, expression: str) -> None:
    assert watched.series(expression.replace("$__rate_interval", "10s"))


def test_prometheus_evaluates_the_rules_and_nothing_is_wrong_but_what_is(watched: Watched) -> None:
    def evaluated() -> list[dict[str, Any]]:
        rules = [rule for group in watched.asked("rules")["groups"] for rule in group["rules"]]
        assert all(rule["health"] == "ok" for rule in rules), rules
        return rules

    rules = wait_for(evaluated, "the rules to be evaluated")
    assert len(rules) == len(yaml.safe_load((MONITORING / "rules.yaml").read_text("utf-8"))["groups"][0]["rules"])
    critical = [rule["name"] for rule in rules if rule["alerts"] and rule["labels"]["severity"] == "critical"]
    # The live capture has been stopped.
    assert critical == ["TaplineProcessDown"]


def test_every_process_shows_what_the_page_of_metrics_says(watched: Watched) -> None:
    documented = [*metric_families(), *of_every_process()]
    known = {family.name: (family.kind, set(family.labels)) for family in documented}
    for name, families in watched.families.items():
        for family, (kind, labels) in families.items():
            if family.endswith("_created") or (name == "prometheus" and family.startswith("tapline_counter_")):
                continue
            assert family in known, f"{name} shows {family}, which docs/reference/metrics.md has not"
            assert (kind, labels) == known[family] or not labels, f"{name}: {family}"
    for family in documented:
        if family.process:
            assert family.name in watched.families[family.process], f"{family.process} does not show {family.name}"


def test_rules_and_dashboard_ask_for_metrics_that_there_are() -> None:
    series = {"up"}
    for family in [*metric_families(), *of_every_process()]:
        series |= {family.name} if family.kind == "gauge" else {f"{family.name}_total"}
        series |= {f"{family.name}_bucket"} if family.kind == "histogram" else set()
    asked = [query.expression for row in ROWS.values() for panel in row for query in panel.queries]
    rules = yaml.safe_load((MONITORING / "rules.yaml").read_text("utf-8"))["groups"][0]["rules"]
    asked += [re.sub(r'"[^"]*"', "", rule["expr"]) for rule in rules]
    named = {name for expression in asked for name in re.findall(r"\b(?:tapline|process)_\w+", expression)}
    assert len(named) > 30
    assert named - series == set()
