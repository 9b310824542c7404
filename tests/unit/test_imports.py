"""Imports go one way: what carries the data does not know what is built on it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

API = {
    "tapline",
    "tapline.agents",
    "tapline.arguments",
    "tapline.checks",
    "tapline.groups",
    "tapline.lists",
    "tapline.monitors",
    "tapline.policy",
    "tapline.script",
    "tapline.statistics",
}
"""What a script imports."""

LAYERS = {
    "topics": {"topics"},
    "tapline": {"topics", *API},
    **{part: {"topics", *API} for part in API - {"tapline"}},
    "tapline.process": {"topics", "tapline.process"},
    "capture": {"topics", *API, "tapline.process", "capture"},
    "workers": {"topics", *API, "tapline.process", "workers"},
    "exporters": {"topics", *API, "tapline.process", "exporters", "exporters.elasticsearch.own_index"},
    "console": {"topics", *API, "tapline.process", "exporters", "console"},
    # The one door by which a script that sends flows to Elasticsearch itself makes the exporter's documents.
    "exporters.elasticsearch.own_index": {"topics", "exporters"},
    "scripts": {"topics", *API, "scripts", "exporters.elasticsearch.own_index"},
}
"""What each part may import of ours."""

TOP = {
    "tapline.__main__",
    "tapline.commands",
    "tapline.configuration",
    "tapline.demo",
    "tapline.packets",
    "tapline.services",
    "tapline.testing",
    "tapline.trial",
}
"""The parts that may import everything."""

FILES = sorted(
    path
    for package in ("topics", "tapline", "capture", "workers", "exporters", "console", "scripts")
    for path in (ROOT / package).rglob("*.py")
)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def part_of(module: str) -> str:
    """The part a module belongs to; a new room under tapline/ has to be given its place above first."""
    known = LAYERS.keys() | TOP
    while module not in known:
        head, _, _ = module.rpartition(".")
        assert head, f"{module} is in no known part"
        assert head != "tapline", f"{module}: add it to LAYERS or TOP in this test"
        module = head
    return module


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            base = node.module or ""
            found.update(f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}") else base for alias in node.names)
    return {
        name
        for name in found
        if name.split(".")[0] in {"topics", "tapline", "capture", "workers", "exporters", "scripts", "console"}
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    part = part_of(module_of(path))
    if part in TOP:
        return
    wrong = sorted(name for name in imports(path) if part_of(name) not in LAYERS[part])
    assert not wrong, f"{path.relative_to(ROOT)} may not import {', '.join(wrong)}"


def test_the_layers_are_seen_through_all_forms_of_import(tmp_path: Path) -> None:
    module = tmp_path / "m.py"
    module.write_text(
        "def f():\n    import workers.windows.ledger\n    from tapline import process\n    from topics import codec\n"
    )
    assert imports(module) == {"workers.windows.ledger", "tapline.process", "topics.codec"}
    assert part_of("tapline.process.log") == "tapline.process"
    with pytest.raises(AssertionError, match="add it to LAYERS"):
        part_of("tapline.newroom")
