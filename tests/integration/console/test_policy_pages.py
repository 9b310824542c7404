"""Scripts, rules and the configuration in a real browser, over workers that run: what is changed there has effect."""

from __future__ import annotations

import os
import re
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from console.parts import Console
from console.server import ConsoleServer
from console.settings import ConsoleSettings
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.kibana.settings import KibanaSettings
from tapline.commands.console_scripts import ScriptWorkshop
from tapline.process.health import Health
from tests.integration.console.seat import PASSWORD, Seat, Sitting, faults, live
from tests.integration.console.test_pages import PICTURES
from tests.integration.workers.cluster import Workers, make_topics, publish
from tests.integration.workers.stream import Message
from tests.waiting import wait_for
from topics.alert_log import read_notifications
from topics.catalog import CAPTURED, FLOW
from topics.codec import SNAPSHOT_SCHEMA, Envelope, encode
from topics.policy_log import read_entries
from topics.records import Flow, Snapshot
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings

HOST = "10.20.1.66"
NODE = "node/eth0#1"
PARTITIONS = 2
FIRST_WINDOW = 1_700_000_040
REACHED = re.compile(r"2 of 2 workers have it")

RAISING = """
from tapline import SessionMonitor


class Raising(SessionMonitor):
    \"\"\"Raises on every flow.\"\"\"

    def on_flush(self, flow):
        raise ValueError("always")
"""
TALKING = """
from tapline import Params, SessionMonitor


class Talking(SessionMonitor):
    \"\"\"Tells of flows that are large.\"\"\"

    name = "talking"

    class params(Params):
        most_bytes: int = 1_000_000_000_000

    def on_flush(self, flow):
        if flow.delta_source_bytes > self.params.most_bytes:
            self.alert("large_talk", flow, f"more than {self.params.most_bytes}")
"""
CHECK = """
from tapline.checks import Gui, HostCheck
from tapline.checks.gui import ThresholdInput


class LoudHost(HostCheck):
    \"\"\"A host sends more bytes in a minute than it should.\"\"\"

    name = "loud_host"
    gui = Gui(title="Loud host", inputs=(ThresholdInput(unit="bytes", minimum=1, fixed_operator="gt"),))
    meter = "bytes_out"
    unit = "bytes"
    min = HostCheck.compare
    default_value = "loud_host;gt;1000000000"
"""
TORN = "from tapline import SessionMonitor\n\n\nclass Torn(SessionMonitor:\n    pass\n"


class Desk(Sitting):
    """A console over workers, with the windows that a capture node sends them."""

    def __init__(self, url: str, console: Console, browser: Browser, kafka: KafkaSettings, scripts: Path) -> None:
        super().__init__(url, console, browser)
        self.kafka = kafka
        self.scripts = scripts
        self._window = FIRST_WINDOW

    def minute(self, sent: int) -> None:
        """A minute in which the host has sent so many bytes, which ends."""
        publish(self.kafka, minute(self._window, sent))
        self._window += 60


def minute(window: int, sent: int) -> Iterator[Message]:
    """One flow, and the markers that end its window."""
    identity = f"flow-{window}"
    at = window * 1_000_000
    flow = Flow(
        id=identity,
        flow_id=identity,
        time=at,
        start=at,
        end=at + 1,
        node="node",
        observation_point="eth0",
        community_id=f"1:{identity}",
        source_ip=HOST,
        destination_ip="192.0.2.1",
        source_port=40000,
        destination_port=443,
        transport="tcp",
        protocol_number=6,
        application="TLS",
        record="final",
        delta_source_bytes=sent,
        delta_source_packets=max(1, sent // 1000),
        delta_destination_bytes=100,
        delta_destination_packets=1,
    )
    yield FLOW, 0, Envelope(FLOW.schema, NODE, "live", window, 0, 1), encode([flow])
    for topic in CAPTURED:
        for partition in range(PARTITIONS):
            count = 1 if topic is FLOW and partition == 0 else 0
            marker = Snapshot(node=NODE, stream="live", window=window, announced=count)
            yield topic, partition, Envelope(SNAPSHOT_SCHEMA, NODE, "live", window, 0, 1), encode([marker])


@pytest.fixture(scope="module")
def desk(kafka: str, elasticsearch: str, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("desk")
    scripts = folder / "scripts"
    scripts.mkdir()
    (scripts / "raising.py").write_text(RAISING)
    (scripts / "loud_host.py").write_text(CHECK)
    (scripts / "talking.py").write_text(TALKING)
    (folder / "policy.yaml").write_text(
        "pools: {clients: {members: [10.20.1.0/24]}}\nrules: {nightly: {metric: bytes_in, value: 1 TB, period: 1 h}}\n"
    )
    name = f"t{uuid.uuid4().hex[:12]}"
    settings = KafkaSettings(bootstrap=kafka, prefix=name, partitions=PARTITIONS)
    make_topics(settings)
    of_workers = WorkersSettings(
        group=name,
        scripts=[str(scripts)],
        agents=[],
        policy=[str(folder / "policy.yaml")],
        node_timeout=600.0,
        hook_seconds=600.0,
        load_seconds=600.0,
    )
    workers = Workers(settings, of_workers, folder)
    console = Console(
        ConsoleSettings(port=0, folder=str(folder)),
        settings,
        ElasticsearchSettings(hosts=[elasticsearch], namespace=name),
        KibanaSettings(),
        list,
        ScriptWorkshop(of_workers),
        of_workers.policy,
    )
    said: list[str] = []
    server = ConsoleServer(console, Health(), said.append)
    try:
        workers.start()
        workers.start()
        with server:
            thread = threading.Thread(target=server.run, name="console")
            thread.start()
            try:
                wait_for(lambda: len(said) == 2, "the console to say where it is")
                for role in ("viewer", "operator", "administrator"):
                    console.users.add(role, role, PASSWORD)
                wait_for(lambda: console.standing.reach.now().workers == 2, "both workers to report", seconds=240)
                yield Desk(server.url, console, browser, settings, scripts)
            finally:
                server.leave()
                thread.join(60)
    finally:
        workers.stop()


def reached(page: Page) -> None:
    """Wait until the page says that every worker has what was changed, without being loaded again."""
    page.locator("#reach", has_text=REACHED).wait_for()


def seconds_to_reach(desk: Desk) -> float:
    found = wait_for(lambda: desk.console.standing.reach.now().seconds, "the change to reach all", seconds=60)
    assert found is not None
    return found


def test_a_rule_whose_threshold_is_changed_fires_live_and_an_exclusion_silences_it(desk: Desk) -> None:
    took = []
    with desk.sitting("operator") as page, desk.sitting("operator") as watching:
        page.goto("/rules")
        live(page)
        page.get_by_role("link", name="New rule").click()
        page.get_by_label("Name", exact=True).fill("upload")
        page.get_by_label("Metric", exact=True).fill("bytes_out")
        page.get_by_label("Threshold", exact=True).fill("1 GB")
        page.get_by_label("Periods in a row until it is over").fill("1")
        page.get_by_role("button", name="Set").click()
        page.get_by_text("upload: set").wait_for()
        live(page)
        reached(page)
        took.append(seconds_to_reach(desk))
        desk.minute(5_000_000)
        watching.goto("/alerts")
        live(watching)
        watching.get_by_text("Nothing is engaged").wait_for()

        page.get_by_role("link", name="upload").click()
        page.get_by_label("Threshold", exact=True).fill("1 MB")
        page.get_by_role("button", name="Set").click()
        page.get_by_text("bytes_out in 1 min > 1,000,000").wait_for()
        live(page)
        reached(page)
        took.append(seconds_to_reach(desk))
        desk.minute(5_000_000)
        watching.get_by_role("row", name=re.compile(HOST)).get_by_role("link", name="threshold_cross").wait_for()
        assert told(desk) == ["raised"]

        watching.get_by_role("link", name="threshold_cross").click()
        form = watching.locator("form", has=watching.get_by_role("heading", name="Exclude"))
        form.get_by_role("button", name="Exclude").click()
        watching.get_by_text(f"entity {HOST}").first.wait_for()
        took.append(seconds_to_reach(desk))
        watching.goto("/alerts")
        live(watching)
        desk.minute(10)
        watching.get_by_text("Nothing is engaged").wait_for()
        desk.minute(5_000_000)
        watching.get_by_role("row", name=re.compile(HOST)).get_by_text("not told: excluded").wait_for()
        assert [event for event in told(desk) if event == "raised"] == ["raised"], "nobody heard of it again"
    assert min(took) < 5, "a change reaches every worker within five seconds"


def told(desk: Desk) -> list[str]:
    return [each.event for each in read_notifications(desk.kafka) if each.type == "threshold_cross"]


def test_a_check_is_set_in_a_form_for_a_pool(desk: Desk) -> None:
    with desk.sitting("operator", mistakes=True) as page:
        page.goto("/scripts/loud_host")
        form = page.locator("#layer-new")
        form.locator('[name="match.pool"]').select_option("clients")
        form.get_by_label("Threshold (greater than) (bytes)").fill("lots")
        form.get_by_role("button", name="Set").click()
        page.get_by_text("'lots' is no number").wait_for()
        assert faults(page) == []
        page.locator("#layer-new").get_by_label("Threshold (greater than) (bytes)").fill("2 MB")
        page.locator("#layer-new").get_by_role("button", name="Set").click()
        page.get_by_text("loud_host: set").wait_for()
        live(page)
        reached(page)
        page.get_by_label("For an address, a network or a name").fill(HOST)
        page.get_by_role("button", name="Show").click()
        page.locator("#effective", has_text="2000000").wait_for()
        assert "checks/loud_host/overrides[0]" in page.locator("#effective").inner_text()
        desk.minute(5_000_000)
        page.goto("/alerts")
        live(page)
        page.get_by_role("link", name="loud_host").wait_for()


def test_the_parameters_of_a_script_are_set_in_a_form_while_it_runs(desk: Desk) -> None:
    with desk.sitting("operator", mistakes=True) as page:
        page.goto("/scripts/talking")
        form = page.locator("#parameters")
        form.get_by_label("Most bytes").fill("lots")
        form.get_by_role("button", name="Set").click()
        page.get_by_text("'lots' is no number").wait_for()
        assert faults(page) == []
        form.get_by_label("Most bytes").fill("3 MB")
        form.get_by_role("button", name="Set").click()
        page.get_by_text("talking: set").wait_for()
        live(page)
        reached(page)
        page.locator("#own-effective", has_text="3000000").wait_for()
        assert faults(page) == []
        desk.minute(4_000_000)
        wait_for(
            lambda: any(each.type == "large_talk" for each in read_notifications(desk.kafka)),
            "the script to tell of it",
        )
        page.locator("#parameters").get_by_role("button", name="Forget what is set").click()
        page.get_by_text("talking: as its file and the configuration say").wait_for()
        reached(page)
        page.locator("#own-effective", has_text="1000000000000").wait_for()


def test_scripts_in_trouble_show_file_and_line(desk: Desk) -> None:
    desk.minute(10)
    (desk.scripts / "torn.py").write_text(TORN)
    with desk.sitting("administrator") as page:
        wait_for(lambda: broken(desk), "the workers to find the file broken", seconds=120)
        page.goto("/scripts")
        row = page.get_by_role("row", name=re.compile("^torn "))
        assert "torn.py:4: " in row.inner_text()
        page.get_by_role("link", name="Raising").click()
        page.get_by_role("row", name=re.compile("on_flush.*raising.py:9: ValueError: always")).wait_for()
        page.goto("/scripts/torn")
        page.get_by_text("its file cannot be used").wait_for()
        page.get_by_role("button", name="Disable the file").click()
        page.get_by_text("kept as").wait_for()
        page.goto("/scripts?state=set+aside")
        page.get_by_role("link", name="torn").wait_for()
        assert faults(page) == []
    assert (desk.scripts / "_torn.py").is_file()


def broken(desk: Desk) -> bool:
    reports = desk.console.standing.reach.reports()
    return all(any(each.state == "broken" for each in report.instances) for report in reports) and any(
        hook.errors for report in reports for hook in report.hooks
    )


def test_a_policy_is_exported_compared_and_imported(desk: Desk) -> None:
    with desk.sitting("administrator", mistakes=True) as page:
        page.goto("/configuration")
        with page.expect_download() as download:
            page.get_by_role("link", name="Export as YAML").click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert "clients:" in text
        changed = desk.scripts.parent / "changed.yaml"
        changed.write_text(text + "alerting: {per_identity_hour: 7}\n", encoding="utf-8")
        page.get_by_label("A file").set_input_files(changed)
        expect(page.locator("#import-text")).to_have_value(re.compile("per_identity_hour"), timeout=30_000)
        page.get_by_role("button", name="Show the difference").click()
        page.locator("#difference", has_text="per_identity_hour: 7").wait_for()
        assert faults(page) == []
        assert "alerting" not in read_entries(desk.kafka)
        page.get_by_role("button", name="Apply").click()
        page.get_by_text(re.compile("ent(ry has|ries have) changed")).wait_for()
        live(page)
        reached(page)
        assert '"per_identity_hour":7' in read_entries(desk.kafka)["alerting"].value
        page.locator("#import-text").fill("rules:\n  r:\n    valu: 1\n")
        page.get_by_role("button", name="Show the difference").click()
        page.get_by_text("Line 3:").wait_for()
        page.get_by_text("did you mean value?").wait_for()


def test_a_viewer_looks_and_changes_nothing(desk: Desk) -> None:
    with desk.sitting("viewer") as page:
        for path in (
            "/scripts",
            "/scripts/loud_host",
            "/rules",
            "/rules/form?key=nightly",
            "/rules/yaml",
            "/configuration",
        ):
            page.goto(path)
            page.get_by_role("heading", level=1).wait_for()
            forms = page.locator("form[method=post]").evaluate_all("forms => forms.map(form => form.action)")
            assert [form for form in forms if not form.endswith("/logout")] == [], path
        before = read_entries(desk.kafka)
        assert page.request.post("/rules/remove", form={"key": "nightly"}).status == 403
    assert read_entries(desk.kafka) == before


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_pages_with_something_in_them_are_for_everybody(theme: str, width: int, desk: Desk, tmp_path: Path) -> None:
    pictures = PICTURES if os.environ.get("TAPLINE_PICTURES") and width > 1000 else tmp_path
    with desk.sitting("administrator", theme=theme, width=width) as page:  # type: ignore[arg-type]
        for name, path in (
            ("scripts", "/scripts"),
            ("check", "/scripts/loud_host"),
            ("rules", "/rules"),
            ("rule", "/rules/form?key=nightly"),
            ("configuration", "/configuration"),
        ):
            page.goto(path)
            page.get_by_role("heading", level=1).wait_for()
            live(page)
            assert faults(page) == [], name
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{name} is wider than the window"
            if name in ("check", "rule"):
                # What stands above says where the files of this test are.
                page.locator("main .columns").screenshot(path=pictures / f"console-{name}-{theme}.png")


def test_a_rehearsal_says_what_the_demo_would_have_fired(seat: Seat) -> None:
    with seat.sitting("operator") as page:
        page.goto("/rules/form")
        page.get_by_label("Name", exact=True).fill("large")
        page.get_by_label("Threshold", exact=True).fill("100 kB")
        page.get_by_role("button", name="How often over the last day?").click()
        said = page.locator("#rehearsal .summary").inner_text()
        fired = int(re.findall(r"(\d+) alerts? about", said)[0])
        assert fired > 0, said
        page.get_by_label("Threshold", exact=True).fill("100 GB")
        page.get_by_role("button", name="How often over the last day?").click()
        page.locator("#rehearsal", has_text="0 alerts").wait_for()
        assert faults(page) == []
    assert not any(path.startswith("rules/") for path in read_entries(seat.console.kafka))
