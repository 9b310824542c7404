"""Records as the columns of Parquet: one schema for each kind, that follows from its Struct."""

from __future__ import annotations

import types
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pyarrow as pa
from msgspec import Struct

_PLAIN: Final[dict[Any, pa.DataType]] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
}


FOLDERS: Final = ("kind", "day")
"""What the folders of files are called: a reader takes these for columns."""


class Unfit(ValueError):
    """A record has a value that its column cannot hold."""


@lru_cache(maxsize=64)
def schema_of(kind: type[Struct]) -> pa.Schema:
    """The schema of a record: a column for each field, under the name that :func:`column_of` gives it.

    A Struct is a struct, a list or tuple a list, a dict a map; an integer has 64 bits, a number that may be
    a fraction is a double. Absent texts and numbers are there as ``""`` and 0, an absent Struct is null.
    """
    return pa.schema([pa.field(column_of(kind, name), _type(hint)) for name, hint in _fields(kind)])


def column_of(kind: type[Struct], name: str) -> str:
    """A field's column: its name, or one that none of the folders has, as ``annotation_kind``."""
    return f"{kind.__name__.lower()}_{name}" if name in FOLDERS else name


def batch_of(kind: type[Struct], records: Sequence[Struct]) -> pa.RecordBatch:
    """The records as columns; :class:`Unfit` when one of them does not fit."""
    schema = schema_of(kind)
    try:
        arrays = [
            pa.array([_value(getattr(record, name)) for record in records], column.type)
            for name, column in zip(kind.__struct_fields__, schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)
    except (pa.ArrowException, OverflowError, ValueError, TypeError) as error:
        raise Unfit(str(error)) from error


def _fields(kind: type[Struct]) -> list[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return [(info.name, hints[info.name]) for info in msgspec.structs.fields(kind)]


def _type(hint: Any) -> pa.DataType:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return pa.string()
    if origin in (Union, types.UnionType):
        held = {part for part in parts if part is not type(None)}
        return pa.float64() if held == {int, float} else _type(held.pop())
    if origin in (list, tuple):
        inner = {part for part in parts if part is not Ellipsis}
        if len(inner) == 1:
            return pa.list_(_type(inner.pop()))
    elif origin is dict:
        return pa.map_(_type(parts[0]), _type(parts[1]))
    elif hint in _PLAIN:
        return _PLAIN[hint]
    elif isinstance(hint, type) and issubclass(hint, Struct):
        return pa.struct([pa.field(name, _type(each)) for name, each in _fields(hint)])
    raise TypeError(f"no column for {hint}")


def _value(value: Any) -> Any:
    if isinstance(value, Struct):
        return {name: _value(each) for name, each in msgspec.structs.asdict(value).items()}
    if isinstance(value, dict):
        return [(name, _value(each)) for name, each in value.items()]
    if isinstance(value, (list, tuple)):
        return [_value(each) for each in value]
    return value
