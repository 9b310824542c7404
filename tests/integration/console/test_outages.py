"""Elasticsearch or Kafka is stopped and comes back: the console says so in words, and goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from confluent_kafka import Producer

from console.parts import Console
from console.security.users import User
from console.server import ConsoleServer
from console.settings import ConsoleSettings
from console.web.access import CSRF_HEADER, cookie_name
from exporters.elasticsearch.connection import client
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.setup import setup
from exporters.kibana.settings import KibanaSettings
from tapline.commands.backlog import whole_backlog
from tapline.commands.console_scripts import ScriptWorkshop
from tapline.configuration import Configuration
from tapline.process.health import Health
from tapline.services.elasticsearch import Elasticsearch
from tapline.services.kafka import Kafka
from tests.integration.engines import engine_folder, engine_settings
from tests.waiting import wait_for
from topics.admin import create
from topics.catalog import ALERT_STATE
from topics.codec import Envelope, encode
from topics.records import Alert, AlertState
from topics.settings import KafkaSettings

PATIENCE_SECONDS = 600
"""However busy the machine is."""


class Desk:
    """A console on engines of its own, and an operator's client."""

    def __init__(self, console: Console, url: str, kafka: Kafka, elasticsearch: Elasticsearch) -> None:
        self.console = console
        self.kafka = kafka
        self.elasticsearch = elasticsearch
        token, session = console.sessions.open(User(name="ada", role="operator", password=""))
        headers = {"cookie": f"{cookie_name(console)}={token}", CSRF_HEADER: session.csrf}
        self.client = httpx2.Client(base_url=url, headers=headers, timeout=PATIENCE_SECONDS)

    def page(self, path: str) -> tuple[int, str]:
        """The status and the text of a page."""
        answer = self.client.get(path)
        return answer.status_code, answer.text


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with engine_folder() as folder, ExitStack() as stack:
        kafka, elasticsearch = Kafka(engine_settings(folder)), Elasticsearch(engine_settings(folder))
        for engine in (kafka, elasticsearch):
            stack.callback(engine.stop)
            engine.start()
            engine.wait_ready(PATIENCE_SECONDS)
        settings = Configuration(
            kafka=KafkaSettings(bootstrap=kafka.address, prefix="outage", partitions=1),
            elasticsearch=ElasticsearchSettings(hosts=[elasticsearch.address]),
            console=ConsoleSettings(port=0, folder=str(tmp_path / "console"), timeout=10),
        )
        create(settings.kafka)
        server = client(settings.elasticsearch)
        setup(server, settings.elasticsearch)
        server.close()
        console = Console(
            settings.console,
            settings.kafka,
            settings.elasticsearch,
            KibanaSettings(),
            lambda: whole_backlog(settings),
            ScriptWorkshop(settings.workers),
            settings.workers.policy,
        )
        with ConsoleServer(console, Health(), lambda _: None) as serving:
            thread = threading.Thread(target=serving.run, name="console")
            thread.start()
            made = Desk(console, serving.url, kafka, elasticsearch)
            try:
                wait_for(lambda: not console.standing.problem, "Kafka's topics to be read", seconds=PATIENCE_SECONDS)
                yield made
            finally:
                made.client.close()
                serving.leave()
                thread.join(60)
        assert not thread.is_alive()


def test_an_engine_that_is_away_is_told_and_comes_back(desk: Desk) -> None:
    engage(desk)
    wait_for(lambda: "port-scan" in desk.page("/alerts")[1], "the alert to be shown", seconds=PATIENCE_SECONDS)
    assert desk.page("/")[0] == 200

    desk.elasticsearch.stop()
    for path in ("/", "/flows", "/hosts", "/resources", "/pipeline"):
        # What was known a moment ago is still shown for that long.
        wait_for(lambda path=path: desk.page(path)[0] == 503, f"{path} to say so", seconds=PATIENCE_SECONDS)
        status, text = desk.page(path)
        assert status == 503, path
        assert "Elasticsearch cannot be reached" in text
        assert "Try this page again" in text
    status, text = desk.page("/api/overview")
    assert status == 503
    assert text.startswith('{"detail":"Elasticsearch cannot be reached')
    status, text = desk.page("/alerts")
    assert (status, "port-scan" in text) == (200, True), "what Kafka knows is shown all the same"
    desk.elasticsearch.start()
    desk.elasticsearch.wait_ready(PATIENCE_SECONDS)
    wait_for(lambda: desk.page("/")[0] == 200, "the pages to be back", seconds=PATIENCE_SECONDS)

    desk.kafka.stop()
    wait_for(
        lambda: "What is engaged may be out of date" in desk.page("/alerts")[1],
        "the console to notice",
        seconds=PATIENCE_SECONDS,
    )
    status, text = desk.page("/alerts")
    assert (status, "port-scan" in text) == (200, True), "what was known stays"
    assert desk.client.get("/api/alerts/engaged").json()["problem"]
    status, text = desk.page("/pipeline")
    assert status == 200
    assert "cannot reach Kafka" in text
    refused = desk.client.post("/api/exclusions", json={"alert": "port-scan"})
    assert refused.status_code == 503
    assert "Kafka" in refused.json()["detail"]
    desk.kafka.start()
    desk.kafka.wait_ready(PATIENCE_SECONDS)
    wait_for(
        lambda: "may be out of date" not in desk.page("/alerts")[1],
        "the console to be back",
        seconds=PATIENCE_SECONDS,
    )
    assert "port-scan" in desk.page("/alerts")[1]
    assert desk.client.post("/api/exclusions", json={"alert": "port-scan"}).json()["in_force"] is True


def engage(desk: Desk) -> None:
    """Have a condition engaged, as the alert engine does."""
    now = time.time_ns() // 1000
    alert = Alert(id="a", time=now, began=now, type="port-scan", message="many", event="raised", episode="e")
    state = AlertState(id="c", time=now, alert=alert, status="engaged")
    producer = Producer(desk.console.kafka.client())
    producer.produce(
        ALERT_STATE.name(desk.console.kafka.prefix),
        encode([state]),
        state.id.encode(),
        partition=0,
        headers=Envelope(ALERT_STATE.schema, "test", "live", 0, 0, 1).headers(),  # type: ignore[arg-type]
    )
    assert producer.flush(60) == 0
