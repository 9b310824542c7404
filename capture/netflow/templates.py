"""Templates: what the records of a data set consist of (RFC 3954, 5.2 and 6.1; RFC 7011, 3.4)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from struct import Struct
from typing import Final, NamedTuple

from capture.netflow.elements import NTOP, NTOP_IN_VERSION_9, Element
from capture.netflow.errors import NetflowError
from capture.netflow.layout import VARIABLE, Layout

VERSION_5, VERSION_9, IPFIX = 5, 9, 10

MOST_FIELDS: Final = 256
"""How many fields a template may have: those of real exporters have about a hundred at most."""

SETS: Final = {VERSION_9: (0, 1), IPFIX: (2, 3)}
"""Which sets hold templates and options templates."""

FIRST_DATA_SET: Final = 256
_pair = Struct(">HH").unpack_from
_triple = Struct(">HHH").unpack_from
_packed = Struct(">qHH")
_ENTERPRISE: Final = 0x8000


class Field(NamedTuple):
    """One field: what it is, and its length in bytes, :data:`~capture.netflow.layout.VARIABLE` where that varies."""

    element: Element
    length: int


class Template:
    """The fields of a record, in order; the first ``scopes`` of an options record say what it is about.

    ``raw`` is the template as it was sent, without the set's header.
    """

    def __init__(self, version: int, number: int, fields: tuple[Field, ...], scopes: int, raw: bytes) -> None:
        self.version = version
        self.number = number
        self._fields = b"".join(_packed.pack(*field.element, field.length) for field in fields)
        self.scopes = scopes
        self.raw = raw

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields; they are kept packed, since there may be many templates."""
        return tuple(
            Field((enterprise, number), length) for enterprise, number, length in _packed.iter_unpack(self._fields)
        )

    @property
    def is_options(self) -> bool:
        """True for a template of options records."""
        return self.scopes > 0

    @cached_property
    def layout(self) -> Layout:
        """Where the fields stand in a record."""
        return Layout(self.fields)


class Withdrawal(NamedTuple):
    """The exporter takes a template back (RFC 7011, 8.1); ``number`` is that of a set for all of its kind."""

    number: int


def read_templates(version: int, data: bytes, *, options: bool = False) -> Iterator[Template | Withdrawal]:
    """The templates of a set without its header; :class:`NetflowError` at one that cannot be."""
    position, end = 0, len(data)
    # What is left may be padding.
    while end - position >= 4:
        start = position
        number, count = _pair(data, position)
        if number < FIRST_DATA_SET:
            if version == IPFIX and count == 0 and number in SETS[IPFIX]:
                yield Withdrawal(number)
                position += 4
                continue
            if not data[position:].strip(b"\0"):
                break
            raise NetflowError("template-number", f"a template is numbered {number}, less than {FIRST_DATA_SET}")
        scopes = 0
        position += 4
        if version == IPFIX and count == 0:
            yield Withdrawal(number)
            continue
        if options:
            if end - position < 2:
                raise NetflowError("template-length", "an options template ends before its fields")
            if version == IPFIX:
                (scopes,) = _pair(data, position - 2)[1:]
            else:
                _, scope_bytes, option_bytes = _triple(data, start)
                if scope_bytes % 4 or option_bytes % 4:
                    raise NetflowError("template-length", "the lengths of an options template are no multiples of 4")
                scopes, count = scope_bytes // 4, (scope_bytes + option_bytes) // 4
            position += 2
            if not 0 < scopes <= count:
                raise NetflowError("template-scopes", f"{scopes} of {count} fields are scopes")
        if count > MOST_FIELDS:
            raise NetflowError("template-fields", f"a template of {count} fields, more than {MOST_FIELDS}")
        fields, position = _fields(version, data, position, count, scopes)
        if not any(field.length for field in fields):
            raise NetflowError("template-empty", "a template whose records have no length")
        yield Template(version, number, fields, scopes, data[start:position])


def _fields(version: int, data: bytes, position: int, count: int, scopes: int) -> tuple[tuple[Field, ...], int]:
    """The fields at a position, and where they end."""
    fields = []
    end = len(data)
    for place in range(count):
        if end - position < 4:
            raise NetflowError("template-length", f"a template of {count} fields ends after {place}")
        number, length = _pair(data, position)
        position += 4
        element: Element = (0, number)
        if version == IPFIX:
            if number & _ENTERPRISE:
                if end - position < 4:
                    raise NetflowError("template-length", "an enterprise field ends before its enterprise")
                element = (int.from_bytes(data[position : position + 4], "big"), number & ~_ENTERPRISE)
                position += 4
        else:
            if place < scopes:
                element = (-1, number)
            elif number >= NTOP_IN_VERSION_9:
                element = (NTOP, number - NTOP_IN_VERSION_9)
            if length == VARIABLE:
                raise NetflowError("template-length", "a field of NetFlow v9 cannot vary in length")
        fields.append(Field(element, length))
    return tuple(fields), position
