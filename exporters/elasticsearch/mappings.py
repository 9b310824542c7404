"""The mapping of each kind of document, derived from the Structs the documents are made of."""

from __future__ import annotations

from typing import Any, Final

from msgspec import inspect

from exporters.elasticsearch.fields import Common

IGNORE_ABOVE: Final = 1024
"""Longest keyword, in characters, that can be searched; a longer one is kept and shown."""

_METERS: Final = "tapline.counter.meter"


def properties(document: type[Common]) -> dict[str, Any]:
    """The ``properties`` of a document's mapping."""
    described = inspect.type_info(document)
    if not isinstance(described, inspect.StructType):
        raise TypeError(f"{document.__name__} is no Struct")
    return _properties(described)


def dynamic_templates() -> list[dict[str, Any]]:
    """How the meters of counters are mapped, the only fields that scripts may name.

    All are ``double``, since the first value seen must not decide for those that follow.
    """
    return [
        {
            "meters": {
                "path_match": f"{_METERS}.*",
                "match_mapping_type": ["long", "double"],
                "mapping": {"type": "double"},
            }
        }
    ]


def _properties(described: inspect.StructType) -> dict[str, Any]:
    return {each.encode_name: _field(each.type) for each in described.fields}


def _field(described: inspect.Type) -> dict[str, Any]:
    if isinstance(described, inspect.Metadata):
        extra = dict(described.extra or {})
        if extra.get("type") == "flattened":
            extra.setdefault("ignore_above", IGNORE_ABOVE)
        return extra
    if isinstance(described, inspect.UnionType):
        return _union(described)
    if isinstance(described, inspect.ListType | inspect.VarTupleType):
        return _field(described.item_type)
    if isinstance(described, inspect.StructType):
        return {"properties": _properties(described)}
    if isinstance(described, inspect.DateTimeType):
        return {"type": "date_nanos"}
    if isinstance(described, inspect.BoolType):
        return {"type": "boolean"}
    if isinstance(described, inspect.IntType):
        return {"type": "long"}
    if isinstance(described, inspect.StrType | inspect.LiteralType):
        return {"type": "keyword", "ignore_above": IGNORE_ABOVE}
    raise TypeError(f"no mapping for {described}")


def _union(described: inspect.UnionType) -> dict[str, Any]:
    found = [_field(each) for each in described.types if not isinstance(each, inspect.NoneType | inspect.IntType)]
    return found[0] if found else {"type": "long"}
