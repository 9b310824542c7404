"""What Kafka and Elasticsearch have in common as engines run by ``tapline up``."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from msgspec import Struct

from tapline.services import preflight
from tapline.services.cache import CACHE_VARIABLE, Progress, cache_folder, exclusive, install, installed
from tapline.services.lock import locked
from tapline.services.ports import free_port
from tapline.services.processes import Account, DetachedProcess
from tapline.services.settings import ServicesSettings
from topics.errors import TaplineError

_POLL_SECONDS: Final = 0.1
_CACHE_NEEDED: Final = 512 * preflight.MEBIBYTE
_TELLING: Final = re.compile(r"\b(ERROR|FATAL)\b|Exception|Error:")
_TAIL_BYTES: Final = 65536


class EngineStatus(Struct, frozen=True, kw_only=True):
    """One engine as ``tapline status`` shows it.

    ``address`` is what a client is given; ``resident_bytes`` counts the engine's children too. Of an
    engine that does not run, ``pid`` is ``None`` and ``address`` where it would be.
    """

    name: str
    version: str
    pid: int | None
    ready: bool
    address: str
    resident_bytes: int
    folder: str
    log: str


class Launch(NamedTuple):
    """How to start an engine: the command, its working folder and its whole environment."""

    command: list[str]
    folder: Path
    environment: Mapping[str, str]


class Engine(ABC):
    """One engine with its data below ``settings.folder``; several objects may stand for the same one.

    What runs is known from a record in that folder, so an engine that one command started is found,
    and stopped, by another.
    """

    name: ClassVar[str]
    memory_needed: ClassVar[int]
    """Bytes that have to be available before it starts."""
    port_settings: ClassVar[Mapping[str, str]]
    """The name in ``ServicesSettings`` of each port, by the port's use; the first is the clients'."""

    def __init__(self, settings: ServicesSettings) -> None:
        self.settings = settings
        self.folder = Path(settings.folder).absolute() / self.name
        self.log = self.folder / "logs" / f"{self.name}.log"
        self._output = self.folder / "logs" / f"{self.name}.out"
        self._process = DetachedProcess(self.folder / f"{self.name}.process.json")
        self._chosen: dict[str, int] = {}

    @property
    @abstractmethod
    def address(self) -> str:
        """What a client is given to reach it."""

    @abstractmethod
    def _prepare(self, installation: Path, ports: Mapping[str, int]) -> Launch:
        """Write the configuration; how to start the engine."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it serves clients now."""

    def _account(self) -> Account | None:
        """Whom it runs as, if not as the caller."""
        return None

    def _make_folder(self, on_progress: Progress) -> None:  # noqa: ARG002 - an engine may have something to say
        """Make the folder for its files, unless it is there."""
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def port(self) -> int:
        """The clients' port: of the running engine, else of the last start, else as set."""
        use, setting = next(iter(self.port_settings.items()))
        record = self._process.running()
        ports = record.ports if record else self._chosen
        return ports.get(use) or int(getattr(self.settings, setting))

    @property
    def pid(self) -> int | None:
        """The process id, or ``None`` when it does not run."""
        record = self._process.running()
        return record.pid if record else None

    def check(self) -> None:
        """Raise ``TaplineError`` if it cannot be started here, with what to do about it."""
        preflight.check_platform()
        preflight.check_writable(self.folder)
        preflight.check_disk(self.folder)
        if not installed(self.name):
            preflight.check_writable(cache_folder(), CACHE_VARIABLE)
            preflight.check_disk(cache_folder(), _CACHE_NEEDED, CACHE_VARIABLE)
        preflight.check_memory(self.memory_needed)
        for use, setting in self.port_settings.items():
            port = self._chosen.get(use) or getattr(self.settings, setting)
            if port:
                preflight.check_port(port, f"{self.name} ({use})", f"services.{setting}")

    def start(self, on_progress: Progress = lambda _: None) -> bool:
        """Start it unless it runs; true if this call started it. ``wait_ready`` comes next.

        Fetches the engine first where that has not been done. Started again, the same object keeps
        the ports that were chosen for it. Raises ``TaplineError``.
        """
        if self._process.running():
            return False
        self.check()
        self._make_folder(on_progress)
        with exclusive(self.folder / "lock"):
            if self._process.running():
                return False
            installation = install(self.name, on_progress)
            self._chosen = self._choose_ports()
            for part in ("data", "logs", "tmp"):
                (self.folder / part).mkdir(exist_ok=True)
            try:
                launch = self._prepare(installation, self._chosen)
                self._process.start(
                    launch.command,
                    output=self._output,
                    folder=launch.folder,
                    environment={"PATH": os.defpath, "LANG": "C.UTF-8", **launch.environment},
                    version=locked(self.name).version,
                    ports=self._chosen,
                    account=self._account(),
                )
            except OSError as error:
                raise TaplineError(f"cannot start {self.name}: {error}") from error
        return True

    def wait_ready(self, seconds: float | None = None) -> None:
        """Return when it serves clients; ``seconds`` is how long to wait, by default as set.

        Raises ``TaplineError``, with the reason from its log, when it ends or the time is over.
        """
        limit = self.settings.start_timeout if seconds is None else seconds
        deadline = time.monotonic() + limit
        while not self._answers():
            if not self._process.running():
                raise TaplineError(f"{self.name} ended while starting ({self._reason()}): see {self.log}")
            if time.monotonic() > deadline:
                raise TaplineError(f"{self.name} does not answer after {limit:g} s ({self._reason()}): see {self.log}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> bool:
        """Stop it and its children, by force after the set time; true if it was running."""
        try:
            return self._process.stop(self.settings.stop_timeout)
        except PermissionError as error:
            raise TaplineError(f"{self.name} was started by another user: stop it as that user") from error

    def forget(self) -> None:
        """Stop it and remove all its files."""
        self.stop()
        if self.folder.is_dir():
            shutil.rmtree(self.folder)

    def kill(self) -> bool:
        """End it as a power cut would, with no chance to tidy up; true if it was running."""
        return self._process.kill()

    def status(self) -> EngineStatus:
        """How it is now."""
        record = self._process.running()
        return EngineStatus(
            name=self.name,
            version=record.version if record else locked(self.name).version,
            pid=record.pid if record else None,
            ready=record is not None and self._answers(),
            address=self.address,
            resident_bytes=self._process.resident_bytes(),
            folder=str(self.folder.resolve()),
            log=str(self.log),
        )

    def _choose_ports(self) -> dict[str, int]:
        chosen: dict[str, int] = {}
        for use, setting in self.port_settings.items():
            chosen[use] = self._chosen.get(use) or getattr(self.settings, setting) or free_port(chosen.values())
        return chosen

    def _reason(self) -> str:
        """The last line of its output or log that tells of an error, else the last line of all."""
        lines = [line for path in (self.log, self._output) for line in _tail(path)]
        telling = [line for line in lines if _TELLING.search(line)]
        return (telling or lines or ["it wrote nothing"])[-1].strip()[:300]


def _tail(path: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return [line for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
    return []
