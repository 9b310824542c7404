"""The questions of docs/how-to/query-flows.md, read from the page."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "how-to" / "query-flows.md"


class Question(Struct):
    """A section of the page: the data view, both ways to ask, and the lines of the answer."""

    title: str
    view: str
    kql: str
    indices: str
    body: dict[str, Any]
    answer: list[str]


def questions() -> list[Question]:
    """All questions of the page, in its order; every section has to be one."""
    _, *sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [_question(section) for section in sections]


def lines(question: Question, answer: dict[str, Any]) -> list[str]:
    """An answer as the page shows it: a line for each hit or innermost bucket, its values two spaces apart."""
    if "aggs" not in question.body:
        names = question.body["fields"]
        return ["  ".join(_text(each["fields"].get(name)) for name in names) for each in answer["hits"]["hits"]]
    return ["  ".join(line) for line in _lines(answer["aggregations"])]


def _question(section: str) -> Question:
    title, _, text = section.partition("\n")
    view = re.search(r"^Data view \*\*(.+)\*\*", text, re.MULTILINE)
    kql = re.search(r"^```kql\n(.+?)\n```$", text, re.MULTILINE | re.DOTALL)
    search = re.search(r"^```http\nPOST /(\S+)/_search\n(.+?)\n```$", text, re.MULTILINE | re.DOTALL)
    answer = re.search(r"^```text\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    assert view, title
    assert kql, title
    assert search, title
    assert answer, title
    return Question(title, view[1], kql[1], search[1], msgspec.json.decode(search[2]), answer[1].splitlines())


def _lines(found: dict[str, Any]) -> list[list[str]]:
    measured, below = [], []
    for value in found.values():
        if "buckets" in value:
            for bucket in value["buckets"]:
                inner = {name: each for name, each in bucket.items() if isinstance(each, dict)}
                key = str(bucket.get("key_as_string", bucket["key"]))
                count = [] if inner else [_text(bucket["doc_count"])]
                below += [[key, *count, *line] for line in (_lines(inner) or [[]])]
        else:
            measured.append(_text(value.get("value_as_string", value["value"])))
    return below or ([measured] if measured else [])


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, bool) or value is None:
        return "-" if value is None else str(value).lower()
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)
