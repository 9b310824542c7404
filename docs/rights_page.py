"""The reference page of what each component has to be allowed in Kafka."""

from __future__ import annotations

from typing import Final

from docs.monitor_pages import NOTE
from tapline.commands.rights import components, rows
from tapline.configuration import Configuration

_INTRODUCTION: Final = """\
The least that each component has to be allowed, with the names of the default configuration; `tapline topics rights`
prints them for yours, and gives them to users ([Use a secured Kafka](../how-to/secure-kafka.md)). A name that ends with
`*` is the beginning of names. Who may read or write a topic may describe it too, and who may read as a group may
describe that.
"""


def rights_page() -> str:
    """Every component with its rights."""
    lines = [NOTE, "# Rights in Kafka\n", _INTRODUCTION]
    for component in components(Configuration()).values():
        lines += [f"## {component.name}\n", f"For {component.purpose}.\n", "| on | may | names |", "|---|---|---|"]
        for _, kind, operations, names in rows(component):
            lines.append(f"| {kind} | {operations} | {', '.join(f'`{name}`' for name in names.split())} |")
        lines.append("")
    return "\n".join(lines)
