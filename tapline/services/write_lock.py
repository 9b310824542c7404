"""Write ``engines.lock``: ``python -m tapline.services.write_lock``.

To move an engine to another version, change ``SOURCES`` and run this; it resolves what the engine
depends on, fetches every file and writes the lock anew. Review the difference and commit it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tapline.services.artifacts import assemble, sha256, tree_digest
from tapline.services.lock import LOCK
from tapline.services.registry import fetch, maven


class Source(NamedTuple):
    """An engine's version and its artifacts: to begin resolving from, or complete as they are."""

    version: str
    artifacts: tuple[str, ...]
    with_dependencies: bool


# The exclamation mark keeps an artifact's managed versions to itself; log4j's would give Kafka another Kafka client.
SOURCES: Final = {
    "kafka": Source(
        "4.1.1",
        (
            "org.apache.kafka:kafka_2.13:4.1.1!",
            "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3!",
            "org.apache.logging.log4j:log4j-core:2.24.3!",
        ),
        with_dependencies=True,
    ),
    "elasticsearch": Source(
        "9.0.8",
        ("org.elasticsearch.distribution.integ-test-zip:elasticsearch:9.0.8:zip",),
        with_dependencies=False,
    ),
    # For the tests alone: the oldest line that is supported. It needs a Java of the system's.
    "elasticsearch-8": Source(
        "8.19.21",
        ("org.elasticsearch.distribution.integ-test-zip:elasticsearch:8.19.21:zip",),
        with_dependencies=False,
    ),
}


def _coordinates(source: Source, repository: Path) -> Iterator[str]:
    if not source.with_dependencies:
        yield from source.artifacts
        return
    context = maven(repository)
    roots, others = context.resolver.resolve([context.create_dependency(artifact) for artifact in source.artifacts])
    for one in [*roots, *(other for other in others if other.scope in {"compile", "runtime"})]:
        yield f"{one.groupId}:{one.artifactId}:{one.version}:{one.type}"


def _write_lock() -> None:
    lines = ["# Written by python -m tapline.services.write_lock; do not edit."]
    with tempfile.TemporaryDirectory() as scratch:
        for name, source in SOURCES.items():
            repository, engine = Path(scratch, "repository"), Path(scratch, name)
            files = {one: fetch(one, repository) for one in sorted(set(_coordinates(source, repository)))}
            assemble(files.values(), engine)
            size = sum(path.stat().st_size for path in files.values())
            lines += ["", f"[{name}]", f'version = "{source.version}"', f"size = {size}"]
            lines += [f'tree = "{tree_digest(engine)}"']
            lines += ["", f"[{name}.artifacts]"]
            lines += [f'"{one}" = "{sha256(path)}"' for one, path in files.items()]
    Path(__file__).with_name(LOCK).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write_lock()
    sys.stdout.write(f"wrote {LOCK}\n")
