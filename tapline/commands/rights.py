"""What `tapline topics rights` shows: the rights of each component under a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from exporters.elasticsearch.documents import EXPORTED
from tapline.configuration import Configuration
from topics import rights
from topics.catalog import BY_KIND, Topic
from topics.errors import TaplineError
from topics.rights import Right

_USER: Final = "User:"


class Component(Struct, frozen=True):
    """A component, what it is for, and the least it has to be allowed."""

    name: str
    purpose: str
    rights: list[Right]


def components(configuration: Configuration) -> dict[str, Component]:
    """Every component by its name."""
    kafka, group = configuration.kafka, configuration.workers.group
    files, mirror = configuration.files, configuration.mirror
    mirrored = mirror.prefix or f"{kafka.prefix}.mirror"
    found = (
        Component("setup", "tapline topics create, verify", rights.of_setup(kafka)),
        Component("capture", "capture of files and live: may only write", rights.of_capture(kafka)),
        Component(
            "capture-reading-back",
            "capture that goes on exactly where it was: follows files, topics of collectors",
            rights.of_capture_reading_back(kafka),
        ),
        Component("worker", "tapline worker, scripts", rights.of_worker(kafka, group)),
        Component("elasticsearch", "tapline export elasticsearch", rights.of_elasticsearch(kafka, EXPORTED)),
        Component("files", "tapline export files", rights.of_files(kafka, _topics(files.kinds))),
        Component(
            "mirror",
            "tapline export mirror",
            rights.of_mirror(kafka, _topics(mirror.kinds), mirrored, mirror.instance),
        ),
        Component("prometheus", "tapline export prometheus", rights.of_prometheus(kafka)),
        Component("recipients", "tapline export recipients", rights.of_recipients(kafka)),
        Component("console", "tapline console", rights.of_console(kafka, group)),
        Component("reader", "people who look: topics, status, alerts list", rights.of_reader(kafka, group)),
        Component("operator", "people who also change: alerts, policy, dlq", rights.of_operator(kafka, group)),
    )
    return {component.name: component for component in found}


def given(known: Mapping[str, Component], grants: Sequence[str]) -> list[tuple[str, Right]]:
    """The rights that ``COMPONENT=User:NAME`` stands for, each with its user; :class:`TaplineError` for other words."""
    found = []
    for each in grants:
        name, _, user = each.partition("=")
        if not user.startswith(_USER) or user == _USER:
            raise TaplineError(f"{each!r} names no user of Kafka: write it as capture=User:name")
        found += [(user, right) for right in component_named(known, name).rights]
    return found


def component_named(known: Mapping[str, Component], name: str) -> Component:
    """The component of this name; :class:`TaplineError` naming those there are."""
    if name not in known:
        raise TaplineError(f"there is no component {name!r}; there are {', '.join(known)}")
    return known[name]


def rows(component: Component) -> list[tuple[str, str, str, str]]:
    """Lines of a table: component, kind, operations, names; what has the same operations is one line."""
    names: dict[tuple[str, str], list[str]] = {}
    for right in component.rights:
        names.setdefault((right.kind, ", ".join(right.operations)), []).append(right.name + "*" * right.prefixed)
    return [(component.name, kind, operations, " ".join(named)) for (kind, operations), named in names.items()]


def _topics(kinds: Sequence[str]) -> list[Topic]:
    return [BY_KIND[kind] for kind in dict.fromkeys(kinds)]
