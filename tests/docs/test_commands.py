"""Every command of the README and the documentation is run, and its output is as shown."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from capture.suricata.program import OLDEST, find_suricata
from tapline.services.ports import free_port
from tests.docs.pages import PAGES, ROOT, Step, blocks, own_file, steps
from tests.docs.shared_engines import SharedEngines, shared_engines
from tests.integration.engines import engine_folder

ELSEWHERE = {
    "make test": "this is it",
    "make .venv/.ready": "makes the environment in which this runs",
    ". .venv/bin/activate": "the environment is active here",
}
"""Commands that are not run, and why."""

SHARED = {"tapline down": "other pages go on with the engines; those that have their own are stopped by it"}
"""Commands that are not run where pages share the engines, and why."""

OF_ELASTICSEARCH = re.compile(r"127\.0\.0\.1:9200|tapline (export (elasticsearch|setup)|demo)|make demo|--forget")
"""What is in commands of pages that have engines of their own: they change what Elasticsearch holds, or forget it."""

INSTEAD = {"make demo": "tapline demo"}
"""What a command comes to where its environment is there already; `make -n` is asked whether that is so."""

WITH_HELM = "deploy-with-helm.md"
"""A page that needs a Kubernetes: tests/helm/test_cluster.py follows it."""

WITH_COMPOSE = ("deploy-with-docker-compose.md", "secure-docker-compose.md")
"""Pages that need a Docker engine: tests/containers follow them."""

WITH_COMMANDS = [
    page
    for page in PAGES
    if page.name not in {WITH_HELM, *WITH_COMPOSE} and any(block.language == "console" for block in blocks(page))
]


class Shell:
    """A shell that is given one command after the other.

    It is in ``folder``, unless the command that starts it takes it elsewhere.
    """

    def __init__(
        self, folder: Path, environment: dict[str, str], command: Sequence[str] = ("bash", "--noprofile", "--norc")
    ) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> tuple[str, int]:
        """What the command prints, on both streams, and its exit code."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f'{command}\necho "<<<$?>>>"\n')
        process.stdin.flush()
        lines = []
        for line in process.stdout:
            ended = re.fullmatch(r"(.*)<<<(\d+)>>>\n", line)
            if ended is not None:
                return "".join([*lines, ended[1]]), int(ended[2])
            lines.append(line)
        raise AssertionError(f"the shell left at {command!r}: {''.join(lines)}")

    def close(self) -> None:
        """End the shell and what runs in its background."""
        self.run("kill $(jobs -p) 2>/dev/null; wait")
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Reader:
    """Somebody who does what a page says, on a machine whose usual ports may be taken.

    ``engines`` are those that run there already.
    """

    def __init__(self, folder: Path, engines: SharedEngines | None) -> None:
        self.folder = folder
        self._engines = engines
        for name in ("tapline", "deploy"):
            (folder / name).symlink_to(ROOT / name)
        # What a page adds to scripts/ is the reader's own.
        (folder / "scripts").mkdir()
        for name in ("samples", "library", "skeletons", "rules"):
            (folder / "scripts" / name).symlink_to(ROOT / "scripts" / name)
        ports: list[int] = []
        names = ("9092", "9093", "9200", "9300", "9620", "5514", "2055", "6343", "16161", "5601", "8470")
        for _ in names:
            ports.append(free_port(ports))
        self._ports = dict(zip(names, map(str, ports), strict=True))
        if engines is not None:
            engines.clear()
            self._ports |= {"9092": str(engines.kafka_port), "9200": str(engines.elasticsearch_port)}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TAPLINE_")}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TAPLINE_KAFKA__BOOTSTRAP": f"127.0.0.1:{self._ports['9092']}",
            "TAPLINE_ELASTICSEARCH__HOSTS": f"['http://127.0.0.1:{self._ports['9200']}']",
            "TAPLINE_ELASTICSEARCH__METRICS_PORT": "-1",
            "TAPLINE_SERVICES__KAFKA_PORT": self._ports["9092"],
            "TAPLINE_SERVICES__KAFKA_CONTROLLER_PORT": self._ports["9093"],
            "TAPLINE_SERVICES__ELASTICSEARCH_PORT": self._ports["9200"],
            "TAPLINE_SERVICES__ELASTICSEARCH_TRANSPORT_PORT": self._ports["9300"],
            **(engines.environment if engines is not None else {}),
        }
        self._environment = environment
        self.shell = Shell(folder, environment)

    def without_engines(self) -> None:
        """Go on as somebody who has not been told where the engines are: for pages about the configuration."""
        self.shell.close()
        bare = {key: value for key, value in self._environment.items() if not key.startswith("TAPLINE_")}
        self.shell = Shell(self.folder, bare)

    def here(self, text: str) -> str:
        """A text of the page with this machine's ports."""
        return re.sub(
            r"(?<=127\.0\.0\.1[:/])(\d+)|(?<=--metrics-port )(9620)|(?<=--port )(5514|8470)|(?<=port: )(16161)",
            lambda port: self._ports.get(port[0], port[0]),
            text,
        )

    def do(self, step: Step) -> None:
        """Run a command until its output is as shown; what comes a little later is waited for."""
        if step.command in ELSEWHERE or (self._engines is not None and step.command in SHARED):
            return
        expected = Step(step.command, self.here(step.output), step.line)
        command = self.here(INSTEAD.get(step.command, step.command))
        deadline = time.monotonic() + 90
        while True:
            output, code = self.shell.run(command)
            # A command that fails is one whose error is shown.
            if (not expected.output or expected.matches(output)) and (not code or "tapline: " in expected.output):
                return
            if time.monotonic() > deadline or not looks_only(command):
                pytest.fail(
                    f"line {step.line}: {command}\nshown:\n{expected.output}\nprinted ({code}):\n{output}",
                    pytrace=False,
                )
            time.sleep(0.5)

    def close(self) -> None:
        """Leave nothing of one's own running."""
        if (self.folder / ".tapline" / "kafka").exists():
            self.shell.run("tapline down")
        self.shell.close()


def looks_only(command: str) -> bool:
    """True for a command that can be asked again without changing anything."""
    return re.search(r"(^|\s)(tapline status|tapline doctor|curl|grep)\s", f"{command} ") is not None


def commands_of(page: Path) -> list[str]:
    """The commands of a page, in their order."""
    return [step.command for block in blocks(page) if block.language == "console" for step in steps(block)]


def shares_engines(page: Path) -> bool:
    """True for a page that starts the engines and uses Kafka alone."""
    commands = commands_of(page)
    return "tapline up" in commands and not any(OF_ELASTICSEARCH.search(command) for command in commands)


@pytest.fixture(scope="module")
def engines() -> Iterator[SharedEngines]:
    with shared_engines() as found:
        yield found


@pytest.fixture
def reader(page: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    shared = request.getfixturevalue("engines") if shares_engines(page) else None
    with engine_folder() as folder:
        made = Reader(folder, shared)
        try:
            yield made
        finally:
            made.close()


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_can_be_followed(page: Path, reader: Reader) -> None:
    if page.name in {"README.md", "write-a-packet-script.md"} and shutil.which("tshark") is None:
        pytest.skip("what this page shows needs tshark (apt install tshark)")
    if page.name == "use-suricata.md" and ((suricata := find_suricata()) is None or suricata.major < OLDEST):
        pytest.skip("this page needs Suricata 7 (apt install -t bookworm-backports suricata)")
    if shutil.which("curl") is None and "$ curl" in page.read_text(encoding="utf-8"):
        pytest.skip("this page needs curl (apt install curl)")
    if shutil.which("promtool") is None and "$ promtool" in page.read_text(encoding="utf-8"):
        pytest.skip("this page needs promtool (apt install prometheus)")
    if shutil.which("snmpd") is None and "$ snmpd" in page.read_text(encoding="utf-8"):
        pytest.skip("this page needs snmpd (apt install snmpd snmp)")
    if shutil.which("nfpcapd") is None and "$ nfpcapd" in page.read_text(encoding="utf-8"):
        pytest.skip("this page needs nfdump (apt install nfdump)")
    if page.name in {"configure.md", "secure-elasticsearch.md", "secure-kafka.md"}:
        reader.without_engines()
    for block in blocks(page):
        shown = own_file(block)
        if shown is not None:
            path = reader.folder / shown[0]
            path.parent.mkdir(exist_ok=True)
            path.write_text(reader.here(shown[1]), encoding="utf-8")
        if block.language == "console":
            for step in steps(block):
                reader.do(step)


def test_engines_are_stopped_by_the_pages_that_have_their_own() -> None:
    own = [page for page in WITH_COMMANDS if "tapline down" in commands_of(page) and not shares_engines(page)]
    assert own, "nobody would run it"


def test_make_demo_is_the_demo() -> None:
    recipe = subprocess.run(
        ["make", "--no-print-directory", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert recipe.rstrip().endswith("/tapline demo")


def test_no_command_hides_in_another_kind_of_block() -> None:
    for page in PAGES:
        if page.name == "command-line.md":
            continue
        for block in blocks(page):
            if block.language != "console":
                assert not re.search(r"^(\$ |tapline |make )", block.text, re.MULTILINE), f"{page.name}:{block.line}"
