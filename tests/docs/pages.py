"""The pages of the documentation and what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


class Block(Struct, frozen=True):
    """A fenced block: its language, its text and the line it begins at."""

    language: str
    text: str
    line: int


class Step(Struct, frozen=True):
    """A command and the output that the page shows; ``…`` in it stands for anything."""

    command: str
    output: str
    line: int

    def matches(self, output: str) -> bool:
        """True when this is what the page shows, apart from the amount of white space."""
        shown = re.sub(r"\s+", " ", self.output).strip()
        parts = [re.escape(part.strip()) for part in shown.split("…")]
        return re.fullmatch(r"\s*.*?\s*".join(parts), re.sub(r"\s+", " ", output).strip(), re.DOTALL) is not None


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    fenced = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(match[1], match[2], text[: match.start()].count("\n") + 1) for match in fenced]


def steps(block: Block) -> Iterator[Step]:
    """The commands of a ``console`` block."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Step(command, output, block.line)


def own_file(block: Block) -> tuple[str, str] | None:
    """Name and content of the file that a block shows: its first line is a comment with a path."""
    match = re.match(r"# (\S+\.(?:py|yaml))\n", block.text)
    return (match[1], block.text) if match and block.language in {"python", "yaml"} else None
