"""Both engines of this machine at once: what ``tapline up``, ``down`` and ``status`` do."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

from tapline.services import preflight
from tapline.services.cache import Progress
from tapline.services.elasticsearch import Elasticsearch
from tapline.services.engine import Engine, EngineStatus
from tapline.services.kafka import Kafka
from tapline.services.settings import ServicesSettings


def up(settings: ServicesSettings, on_progress: Progress) -> tuple[Kafka, Elasticsearch]:
    """Start both engines side by side and return them when both serve; those that run already stay.

    Everything is checked before anything is started. If one does not come up, or the caller is
    interrupted, those that this call started are stopped again. Raises ``TaplineError``.
    """
    kafka, elasticsearch = _engines(settings)
    engines: tuple[Engine, ...] = (kafka, elasticsearch)
    idle = [engine for engine in engines if engine.pid is None]
    preflight.check_memory(sum(engine.memory_needed for engine in idle))
    for engine in idle:
        engine.check()
    began = time.monotonic()
    started: list[Engine] = []
    try:
        # Elasticsearch takes longest, and nothing here waits for it before Kafka is started too.
        for engine in reversed(idle):
            started.append(engine)
            if engine.start(on_progress):
                on_progress(f"starting {engine.name}")
            else:
                started.remove(engine)
        for engine in engines:
            engine.wait_ready()
            on_progress(f"{engine.name} is ready at {engine.address} ({time.monotonic() - began:.0f} s)")
    except BaseException:
        for engine in started:
            engine.stop()
        raise
    return kafka, elasticsearch


def down(settings: ServicesSettings, on_progress: Progress) -> bool:
    """Stop both engines, keeping their data; true if any was running."""
    stopped = False
    for engine in _engines(settings):
        if engine.stop():
            stopped = True
            on_progress(f"stopped {engine.name}")
    return stopped


def forget(settings: ServicesSettings) -> None:
    """Stop both engines and remove all that is kept of them and of the demo."""
    for engine in _engines(settings):
        engine.forget()
    folder = Path(settings.folder).absolute()
    shutil.rmtree(folder / "demo", ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def status(settings: ServicesSettings) -> list[EngineStatus]:
    """How both engines are."""
    return [engine.status() for engine in _engines(settings)]


def _engines(settings: ServicesSettings) -> tuple[Kafka, Elasticsearch]:
    return Kafka(settings), Elasticsearch(settings)
