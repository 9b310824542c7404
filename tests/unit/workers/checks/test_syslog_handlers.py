"""Which handler gets which message of a log, and what it can do."""

from __future__ import annotations

from typing import Any

import pytest

from tapline import Document, Entity, FullTextMonitor, SyslogHandler
from tapline.policy.effective import PolicyView
from tapline.policy.model import CheckSettings, Override, Policy, Selector
from tapline.script import Script
from tapline.testing import Result, run
from tests.unit.workers.made import FIRST_WINDOW, scripts
from topics.catalog import DOCUMENT
from topics.codec import Envelope, encode
from topics.records import Syslog
from workers.environment import Environment
from workers.settings import WorkersSettings
from workers.stages import build

HOST = "192.0.2.20"


def message(number: int, producer: str, **changes: Any) -> Document:
    """A message of this producer."""
    values: dict[str, Any] = {
        "id": str(number),
        "time": (FIRST_WINDOW + number) * 1_000_000,
        "group": "syslog",
        "key": producer,
        "text": f"text {number}",
        "source_ip": HOST,
        "syslog": Syslog(producer=producer, severity=3, hostname="router"),
    }
    return Document(**{**values, **changes})


class Teller(SyslogHandler):
    """Tells what it gets."""

    def handle_event(self, message: str, host: str, priority: int, event: Document) -> None:
        print(type(self).__name__, message, host, priority, event.id)


class Sshd(Teller):
    """Named as its producer is."""


class Named(Teller):
    producer = "SSHD"
    priority = 5


class Every(Teller):
    producer = "*"
    priority = -5


def handled(*checks: type[Script], records: list[Document]) -> Result:
    result = run(list(checks), records=records)
    assert not result.errors
    return result


def test_a_message_goes_to_the_handlers_of_its_producer_in_their_order() -> None:
    told = handled(Every, Sshd, Named, records=[message(1, "sshd"), message(2, "cron")]).printed
    assert told == [
        f"Named text 1 {HOST} 3 1",
        f"Sshd text 1 {HOST} 3 1",
        f"Every text 1 {HOST} 3 1",
        f"Every text 2 {HOST} 3 2",
    ]


def test_other_documents_go_to_no_handler() -> None:
    other = message(1, "sshd", group="http-headers", syslog=None)
    assert handled(Every, records=[other, message(2, "x")]).printed == [f"Every text 2 {HOST} 3 2"]


def test_a_message_without_an_address_is_of_the_host_it_names_and_one_without_a_head_is_informational() -> None:
    records = [message(1, "sshd", source_ip=""), message(2, "sshd", syslog=None)]
    assert handled(Sshd, records=records).printed == ["Sshd text 1 router 3 1", f"Sshd text 2 {HOST} 6 2"]


def test_a_handler_raises_alerts_counts_and_makes_records() -> None:
    class Failed(SyslogHandler):
        producer = "sshd"
        score = 60
        category = "security"

        def handle_event(self, message: str, host: str, priority: int, event: Document) -> None:
            if priority > 4:
                return
            self.store_alert(Entity(kind="host", name=host), self.type_info(message, peer="198.51.100.1"))
            self.store_alert(Entity(kind="log", name="sshd"), self.type_info("log", score=5))
            self.count("Logins", host, failed=1)
            self.resource(event, "login", "root")
            self.document(event, "syslog", "sshd", "made of another")

    result = handled(Failed, records=[message(1, "sshd"), message(2, "sshd", syslog=Syslog(severity=6), key="sshd")])
    host, log = result.alerts
    assert (host.type, host.entity_kind, host.entity, host.source_ip) == ("Failed", "host", HOST, HOST)
    assert (host.score, host.severity, host.category, host.peer, host.action) == (
        60,
        4,
        "security",
        "198.51.100.1",
        "store",
    )
    assert (log.entity_kind, log.entity, log.score, log.source_ip) == ("log", "sshd", 5, "")
    assert [counter.meters for counter in result.counters] == [{"failed": 1}]
    assert [resource.uri for resource in result.resources] == ["root"]
    assert [document.text for document in result.documents] == ["made of another"], "and it does not get that itself"


def test_what_a_handler_makes_others_handle_and_full_text_monitors_see_all() -> None:
    class Makes(SyslogHandler):
        producer = "sshd"

        def handle_event(self, message: str, host: str, priority: int, event: Document) -> None:
            self.document(event, "syslog", "made", f"{message} {host} {priority}")

    class Monitor(FullTextMonitor):
        group = "syslog"

        def on_new_document(self, document: Document) -> None:
            print("Monitor", document.text)

    class Made(Teller):
        pass

    told = handled(Makes, Monitor, Made, records=[message(1, "sshd")]).printed
    made = f"text 1 {HOST} 3"
    assert [line.rpartition(" ")[0] for line in told if "Made" in line] == [f"Made {made} {HOST} 6"]
    assert [line for line in told if "Monitor" in line] == ["Monitor text 1", f"Monitor {made}"]


def test_a_condition_is_nothing_a_log_has() -> None:
    class Conditions(SyslogHandler):
        producer = "*"

        def handle_event(self, message: str, host: str, priority: int, event: Document) -> None:
            self.trigger(Entity(kind="host", name=host), self.type_info(f"{message} {priority} {event.id}"))

    (error,) = run(Conditions, records=[message(1, "sshd")]).errors
    assert "store_alert" in str(error.error)
    assert error.hook == "handle_event"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (CheckSettings(), ["1", "2"]),
        (CheckSettings(enabled=False), []),
        (CheckSettings(overrides=(Override(match=Selector(host=HOST), enabled=False),)), ["2"]),
        (CheckSettings(enabled=False, overrides=(Override(match=Selector(host=HOST), enabled=True),)), ["1"]),
    ],
)
def test_the_policy_says_for_which_hosts_a_handler_is_on(
    settings: CheckSettings, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    partitions = {"document": 1, "store": 1, "alert": 1, "partial": 1, "ranking": 1, "dead": 1}
    environment = Environment(WorkersSettings(scripts=[]), scripts(Sshd), partitions)
    environment.policy = PolicyView(Policy(checks={"Sshd": settings}))
    stage = build(DOCUMENT, 0, environment)
    stage.start("")
    records = [message(1, "sshd"), message(2, "sshd", source_ip="192.0.2.21")]
    stage.message(0, Envelope(DOCUMENT.schema, "node", "live", FIRST_WINDOW, 0, 2).headers(), encode(records))
    stage.stop()
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == told
