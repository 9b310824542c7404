"""Plain Faust agents of the user's own, beside the monitors and apart from them.

They run in a process and a consumer group of their own, whose offsets Faust commits as it always does,
so that nothing an agent does touches the exactness of the monitors or holds them up.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from msgspec import Struct

from tapline.agents import Topics
from tapline.process.health import Health
from topics.admin import verify
from topics.errors import TaplineError
from topics.partitions import digest
from topics.settings import KafkaSettings
from workers.scripting.approval import EVERYTHING, Approval
from workers.scripting.scripts import where
from workers.settings import WorkersSettings

NAME: Final = "agents"
"""What stands for them where monitors are named, and the end of their consumer group's name."""

_log = logging.getLogger(__name__)


class AgentFile(Struct, frozen=True):
    """A file with agents: its path, and the function that attaches them to the app."""

    path: Path
    attach: Callable[[Any, Topics], None]


def agent_files(folders: Iterable[str | Path]) -> list[Path]:
    """The files of these folders, by name; folders that do not exist hold none, names with ``_`` are left out."""
    return [path for folder in folders for path in sorted(Path(folder).glob("*.py")) if path.name[0] not in "_."]


def load_agents(paths: Sequence[Path], approval: Approval = EVERYTHING) -> list[AgentFile]:
    """Run these files and find what they define; :class:`TaplineError` with file and line when one is no good.

    What is not approved is not run: :class:`NotApproved`.
    """
    return [AgentFile(path, _attach_of(path, approval)) for path in paths]


def run(kafka: KafkaSettings, settings: WorkersSettings, health: Health | None = None) -> None:
    """Run the agents of ``workers.agents`` until SIGTERM or SIGINT.

    :class:`~topics.errors.TaplineError` when Kafka, its topics or a file cannot be used.
    """
    from workers.kafka.app import build_app, run_app  # noqa: PLC0415 - Faust is loaded only where agents run

    files = load_agents(agent_files(settings.agents), Approval.of(settings))
    verify(kafka)
    app = build_app(kafka, settings, (NAME,))
    # Agents may have tables; those keep their changes in topics that Faust makes.
    app.conf.topic_allow_declare = True
    topics = Topics(app, kafka.prefix)
    for file in files:
        before = set(app.agents)
        try:
            file.attach(app, topics)
        except Exception as error:
            raise TaplineError(f"{where(error, file.path)}: {type(error).__name__}: {error}") from error
        _log.info("agents of %s: %s", file.path, ", ".join(sorted(set(app.agents) - before)) or "none")
    component = (health or Health()).component(NAME, stall_seconds=settings.stall_timeout)

    async def beat() -> None:
        component.progress()
        component.ready(is_ready=bool(app.consumer.assignment()))

    app.timer(1.0, name="loop-beat")(beat)
    run_app(app)


def _attach_of(path: Path, approval: Approval) -> Callable[[Any, Topics], None]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TaplineError(f"{path}: cannot be read: {error.strerror or error}") from error
    approval.require(path, content)
    name = f"tapline_agent_{path.stem}_{digest(str(path.resolve()))[:8]}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        exec(compile(content, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - what it is for
    except SyntaxError as error:
        raise TaplineError(f"{path}:{error.lineno}: {error.msg}") from error
    except Exception as error:
        raise TaplineError(f"{where(error, path)}: {type(error).__name__}: {error}") from error
    attach: Any = getattr(module, "attach", None)
    if not callable(attach) or len(inspect.signature(attach).parameters) != 2:
        raise TaplineError(f"{path}: defines no `def attach(app, topics)`: it is called with the Faust app")
    return attach  # type: ignore[no-any-return]
