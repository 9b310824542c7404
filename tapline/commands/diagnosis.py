"""What `tapline doctor` looks at."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from capture.open import deep_engine
from capture.suricata.program import OLDEST as OLDEST_SURICATA
from capture.suricata.program import find_suricata
from tapline.commands.broker_findings import kafka
from tapline.commands.capture_findings import buffers, interfaces, live_capture, own_addresses
from tapline.commands.finding import Finding, checked, problem
from tapline.configuration import Configuration
from topics.errors import TaplineError

PYTHON: Final = ((3, 11), (3, 12))
"""The oldest and newest version of Python that the engines inside run on."""

OLDEST_TSHARK: Final = (3, 6)
MOST_SKEW_SECONDS: Final = 2.0

_MEMORY_EACH: Final = 1 << 30
_FULL: Final = 0.9
"""Share of a disk at which Elasticsearch puts no more onto it, where nothing else is set."""


def diagnose(configuration: Configuration, captured: Sequence[str] = ()) -> list[Finding]:
    """Everything there is to find, in the order in which it matters; also of the interfaces that are ``captured``."""
    findings: list[Finding] = []
    for look in LOOKS:
        findings.extend(look(configuration))
    return [*findings, *interfaces(captured)]


def python(_configuration: Configuration) -> Iterator[Finding]:
    """The interpreter's version."""
    version = ".".join(map(str, sys.version_info[:3]))
    if PYTHON[0] <= sys.version_info[:2] <= PYTHON[1]:
        yield Finding("python", "ok", version)
    else:
        yield Finding("python", "problem", version, "use Python 3.11 or 3.12")


def tshark(configuration: Configuration) -> Iterator[Finding]:
    """Whether deep capture can be done."""
    path = shutil.which("tshark")
    if path is None:
        by_suricata = deep_engine(configuration.capture) == "suricata"
        lacking = "logins and what else Suricata omits" if by_suricata else "DNS, HTTP, TLS, certificates and files"
        yield Finding(
            "tshark",
            "warning",
            f"not installed: captures give flows, but no {lacking}",
            "install it, as with `apt install tshark`",
        )
        return
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding("tshark", "warning", f"{path} cannot be run ({error})", "install it again")
        return
    found = re.search(r"(\d+)\.(\d+)\.\d+", told)
    if found is None or tuple(map(int, found.groups())) < OLDEST_TSHARK:
        version = found.group() if found else "unknown"
        yield Finding("tshark", "warning", f"version {version}", "install 3.6 or later for all fields")
    else:
        yield Finding("tshark", "ok", found.group())


def suricata(configuration: Configuration) -> Iterator[Finding]:
    """Which Suricata there is, if any, and whether it is what makes resources and documents."""
    program = find_suricata()
    if program is None:
        return
    if program.major < OLDEST_SURICATA:
        yield Finding(
            "suricata",
            "warning",
            f"version {program.version} is not used",
            f"install {OLDEST_SURICATA} or later to have it make resources and documents",
        )
    else:
        makes = ", makes resources and documents" if deep_engine(configuration.capture) == "suricata" else ""
        yield Finding("suricata", "ok", f"{program.version}{makes}")


def engines(configuration: Configuration) -> Iterator[Finding]:
    """Whether the local engines run, or could be started."""
    from tapline.services import local, preflight

    settings = configuration.services
    running = {status.name: status for status in local.status(settings)}
    for name, status in running.items():
        if status.pid is not None and status.ready:
            yield Finding(name, "ok", f"runs here at {status.address}")
        elif status.pid is not None:
            yield Finding(name, "problem", f"process {status.pid} does not answer", f"see {status.log}")
    idle = [name for name, status in running.items() if status.pid is None]
    folder = Path(settings.folder).absolute()
    yield checked("folder", "can be written", partial(preflight.check_writable, folder))
    yield checked("disk", "enough", partial(preflight.check_disk, folder))
    if idle:
        yield checked("memory", "enough", partial(preflight.check_memory, len(idle) * _MEMORY_EACH))
    for name in idle:
        setting = f"{name}_port"
        port = getattr(settings, setting)
        if port:
            check = partial(preflight.check_port, port, name, f"services.{setting}")
            yield checked(f"port {port}", "free", check)


def elasticsearch(configuration: Configuration) -> Iterator[Finding]:
    """Whether Elasticsearch is there and has the templates."""
    from tapline.commands.holdings import Holdings

    settings = configuration.elasticsearch
    try:
        with Holdings(settings) as holdings:
            missing = holdings.missing_templates()
            other = [] if missing else holdings.other_templates()
            blocked = holdings.blocked()
            full = [f"{name} to {share:.0%}" for name, share in holdings.disks().items() if share >= _FULL]
            ahead = holdings.clock() - time.time()
    except TaplineError as error:
        yield problem("elasticsearch.hosts", error)
        return
    yield Finding("elasticsearch.hosts", "ok", "Elasticsearch answers")
    if missing:
        yield Finding(
            "templates",
            "warning",
            f"{len(missing)} are missing, as {missing[0]}",
            "start `tapline export elasticsearch`, which puts them first",
        )
    elif other:
        yield Finding(
            "templates",
            "warning",
            f"{len(other)} are not those of this program, as {other[0]}",
            "run `tapline export setup`; where a later version of Tapline has put them, use that one",
        )
    else:
        yield Finding("templates", "ok", "all there")
    if blocked:
        yield Finding(
            "indices",
            "problem",
            f"Elasticsearch takes no writes to {len(blocked)}, as {blocked[0]}: its disk was too full",
            "make room, then put `index.blocks.read_only_allow_delete: null` to their settings",
        )
    if full:
        yield Finding(
            "elasticsearch disks",
            "warning",
            f"{', '.join(full)} full: at 95 % Elasticsearch takes no more writes",
            "keep documents for less long (elasticsearch.lifecycle, or `tapline export prune`), or add disks",
        )
    if abs(ahead) > MOST_SKEW_SECONDS:
        way = "ahead of" if ahead > 0 else "behind"
        finding = f"Elasticsearch's is {abs(ahead):.0f} s {way} this machine's"
        yield Finding("clocks", "warning", finding, "set both by NTP")


def clock(_configuration: Configuration) -> Iterator[Finding]:
    """Whether the clock can be right: live capture takes its event time from it."""
    installed = Path(__file__).stat().st_mtime
    now = time.time()
    told = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    if now < installed - 86_400:
        yield Finding("clock", "problem", f"{told} is before this program was installed", "set the clock")
    else:
        yield Finding("clock", "ok", told)


def scripts(configuration: Configuration) -> Iterator[Finding]:
    """Whether the workers can use the scripts they are to run."""
    from tapline.commands.script_status import WorkerTold, statuses

    settings = configuration.workers
    found = statuses(settings.scripts, settings, WorkerTold())
    for script in found:
        if script.state == "broken":
            fix = "mend it, see `tapline scripts check`; where it is only not approved, `tapline scripts approve`"
            yield Finding(f"script {script.name}", "problem", script.why, fix)
    if found and all(script.state != "broken" for script in found):
        yield Finding("scripts", "ok", f"{len(found)} can be used")


LOOKS: Final = (
    python,
    tshark,
    suricata,
    live_capture,
    buffers,
    engines,
    kafka,
    elasticsearch,
    clock,
    own_addresses,
    scripts,
)
