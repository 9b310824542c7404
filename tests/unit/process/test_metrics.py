import json
import socket
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter

from tapline.process.health import Health
from tapline.process.metrics import MetricsServer
from topics.errors import TaplineError


def get(server: MetricsServer, path: str) -> tuple[int, str]:
    host, port = server.address or ("", 0)
    try:
        with urlopen(f"http://{host}:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_metrics_are_served() -> None:
    registry = CollectorRegistry()
    Counter("drops", "Drops.", ["reason"], registry=registry).labels("queue full").inc(3)
    with MetricsServer(Health(), port=0, registry=registry) as server:
        status, text = get(server, "/metrics")
        assert status == 200
        assert 'drops_total{reason="queue full"} 3.0' in text
        assert get(server, "/other")[0] == 404


def test_a_process_is_alive_while_its_parts_make_progress_and_ready_when_all_are() -> None:
    now = [0.0]
    health = Health(clock=lambda: now[0])
    consumer = health.component("consumer", stall_seconds=10)
    with MetricsServer(health, port=0, registry=CollectorRegistry()) as server:
        assert get(server, "/healthz")[0] == 200
        assert get(server, "/readyz")[0] == 503, "nothing is ready before it says so"
        consumer.ready()
        assert get(server, "/readyz")[0] == 200
        consumer.problem("Elasticsearch does not answer")
        status, text = get(server, "/readyz")
        assert status == 503
        assert json.loads(text)["components"]["consumer"]["problem"] == "Elasticsearch does not answer"
        now[0] = 11.0
        assert get(server, "/healthz")[0] == 503, "silent for longer than it may be"
        consumer.progress()
        assert get(server, "/healthz")[0] == 200


def test_a_taken_port_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TaplineError, match=f"127.0.0.1:{port} .*in use.*--metrics-port"):
            MetricsServer(Health(), port=port).start()


def test_no_port_no_server() -> None:
    with MetricsServer(Health(), port=-1) as server:
        assert server.address is None
