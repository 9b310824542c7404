"""Kibana's query language as queries of Elasticsearch, as far as our dashboards and pages use it.

Known are ``field: value``, ``field: "value"``, ``field: (one or other)``, ``field: *``, wildcards, the comparisons
``<``, ``<=``, ``>``, ``>=``, and ``not``, ``and``, ``or`` with parentheses. Anything else is an error, so that no
filter passes here that Kibana would read in another way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_TOKEN = re.compile(r'\s*(?:(?P<mark>[()]|<=|>=|<|>|:)|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>[^\s()<>:"]+))')
_COMPARISONS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}

Query = dict[str, Any]


def query(text: str) -> Query:
    """The query of a filter; an empty one matches everything."""
    if not text.strip():
        return {"match_all": {}}
    reader = _Reader(text)
    found = reader.alternatives(reader.condition)
    if reader.left:
        raise ValueError(f"{text!r}: not understood from {reader.left[0]} on")
    return found


def fields(text: str) -> set[str]:
    """The fields that a filter names."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, list):
            for each in node:
                walk(each)
        elif isinstance(node, dict):
            for name, value in node.items():
                if name == "exists":
                    found.add(value["field"])
                elif name in {"match", "match_phrase", "wildcard", "range"}:
                    found.update(value)
                else:
                    walk(value)

    walk(query(text))
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.left: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ValueError(f"{text!r}: not understood from character {position} on")
            kind = match.lastgroup or ""
            value = match[kind]
            if kind == "word" and value.lower() in {"and", "or", "not"}:
                kind, value = "mark", value.lower()
            self.left.append((kind, value))
            position = match.end()

    def alternatives(self, part: Callable[[], Query]) -> Query:
        found = [self._together(part)]
        while self._take("or"):
            found.append(self._together(part))
        return found[0] if len(found) == 1 else {"bool": {"should": found, "minimum_should_match": 1}}

    def condition(self) -> Query:
        if self._take("("):
            found = self.alternatives(self.condition)
            self._expect(")")
            return found
        kind, name = self._next()
        if kind != "word":
            raise ValueError(f"{self.text!r}: no field where {name!r} is")
        for sign, comparison in _COMPARISONS.items():
            if self._take(sign):
                return {"range": {name: {comparison: self._next()[1]}}}
        self._expect(":")
        if self._take("("):
            found = self.alternatives(lambda: self._value(name))
            self._expect(")")
            return found
        return self._value(name)

    def _together(self, part: Callable[[], Query]) -> Query:
        found = [self._negated(part)]
        while self._take("and"):
            found.append(self._negated(part))
        return found[0] if len(found) == 1 else {"bool": {"filter": found}}

    def _negated(self, part: Callable[[], Query]) -> Query:
        if self._take("not"):
            return {"bool": {"must_not": [self._negated(part)]}}
        return part()

    def _value(self, name: str) -> Query:
        kind, value = self._next()
        if kind == "quoted":
            return {"match_phrase": {name: re.sub(r"\\(.)", r"\1", value)}}
        if kind != "word":
            raise ValueError(f"{self.text!r}: no value of {name} where {value!r} is")
        if value == "*":
            return {"exists": {"field": name}}
        if "*" in value:
            return {"wildcard": {name: {"value": value}}}
        return {"match": {name: value}}

    def _next(self) -> tuple[str, str]:
        if not self.left:
            raise ValueError(f"{self.text!r}: ends too soon")
        return self.left.pop(0)

    def _take(self, mark: str) -> bool:
        if self.left and self.left[0] == ("mark", mark):
            del self.left[0]
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise ValueError(f"{self.text!r}: {mark!r} is missing")
