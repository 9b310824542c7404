"""Any record survives the codec, later fields are ignored, and broken messages are told apart."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from topics import records
from topics.catalog import BY_KIND, CATALOG, DEAD, FLOW, PARTIAL, RANKING, Topic
from topics.codec import SNAPSHOT_SCHEMA, BadMessage, Envelope, decode, encode, open_envelope, open_message

KINDS: list[type[Struct]] = [topic.record for topic in CATALOG] + [records.Snapshot]
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBER = st.integers(-(2**63), 2**63 - 1)


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Anything a field of this type can hold."""
    info = msgspec.inspect.type_info(annotation)
    return _values(info)


def _values(info: Any) -> st.SearchStrategy[Any]:
    match info:
        case msgspec.inspect.StrType():
            return TEXT
        case msgspec.inspect.IntType():
            return NUMBER
        case msgspec.inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.LiteralType():
            return st.sampled_from(info.values)
        case msgspec.inspect.ListType():
            return st.lists(_values(info.item_type), max_size=4)
        case msgspec.inspect.VarTupleType():
            return st.lists(_values(info.item_type), max_size=4).map(tuple)
        case msgspec.inspect.TupleType():
            return st.tuples(*(_values(item) for item in info.item_types))
        case msgspec.inspect.DictType():
            return st.dictionaries(TEXT, _values(info.value_type), max_size=4)
        case msgspec.inspect.UnionType():
            return st.one_of(*(_values(item) for item in info.types))
        case msgspec.inspect.StructType():
            fields = {field.name: _values(field.type) for field in info.fields}
            return st.builds(info.cls, **fields)
    raise AssertionError(f"the records have a new kind of field, {info}: say here how to make one")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_record_survives(kind: type[Struct], data: st.DataObject) -> None:
    some = data.draw(st.lists(values(kind), max_size=5))
    assert decode(kind, encode(some)) == some


BY_FIELD_NAME = [topic for topic in CATALOG if topic not in (PARTIAL, RANKING)]


@pytest.mark.parametrize("topic", BY_FIELD_NAME, ids=lambda topic: topic.kind)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_fields_of_a_later_version_are_ignored(topic: Topic, data: st.DataObject) -> None:
    record = data.draw(values(topic.record))
    later = msgspec.to_builtins(record) | {"from_a_later_version": {"deep": [1, 2, 3]}}
    envelope = Envelope(f"{topic.kind}/{topic.version}.7", "n", "live", 60, 0, 1)
    assert open_message(envelope.headers(), msgspec.json.encode([later]), topic) == (envelope, [record])


@given(st.text(), st.text(), NUMBER, st.integers(0, 2**40), st.integers(1, 10**6))
def test_an_envelope_survives_its_headers(node: str, stream: str, window: int, sequence: int, count: int) -> None:
    envelope = Envelope("flow/1", _printable(node), _printable(stream), window, sequence, count)
    assert open_envelope(envelope.headers(), FLOW) == envelope


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


GOOD = Envelope("flow/1", "n", "live", 60, 0, 1).headers()
BODY = encode([records.Flow(id="1", time=0)])


def changed(**headers: bytes | None) -> list[tuple[str, bytes | None]]:
    return [(name, headers.get(name, value)) for name, value in GOOD]


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        (None, BODY, "headers"),
        ([], BODY, "headers"),
        (GOOD[1:], BODY, "headers"),
        (changed(node=None), BODY, "headers"),
        (changed(node=b"\xff\xfe"), BODY, "headers"),
        (changed(window=b"soon"), BODY, "headers"),
        (changed(sequence=b"-1"), BODY, "headers"),
        (changed(count=b"0"), BODY, "headers"),
        (changed(schema=b"alert/1"), BODY, "schema"),
        (changed(schema=b"flow/2"), BODY, "schema"),
        (changed(schema=b"flow"), BODY, "schema"),
        (changed(count=b"2"), BODY, "count"),
        (GOOD, None, "empty"),
        (GOOD, b"", "undecodable"),
        (GOOD, b"{}", "undecodable"),
        (GOOD, BODY[:-3], "undecodable"),
        (GOOD, b"[" * 100_000, "undecodable"),
        (GOOD, b'[{"id": 1, "time": 0}]', "undecodable"),
        (GOOD, b'[{"id": "1"}]', "undecodable"),
        (GOOD, b"\xff\xfe\x00", "undecodable"),
        (changed(schema=SNAPSHOT_SCHEMA.encode()), BODY, "undecodable"),
    ],
)
def test_a_broken_message_is_refused_with_its_reason(
    headers: list[tuple[str, bytes | None]] | None, body: bytes | None, reason: str
) -> None:
    with pytest.raises(BadMessage) as refused:
        open_message(headers, body, FLOW)
    assert refused.value.reason == reason


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(CATALOG))
def test_any_bytes_are_read_or_refused(body: bytes, topic: Topic) -> None:
    try:
        found = decode(topic.record, body)
    except BadMessage:
        return
    assert encode(found)


def test_names_carry_the_version_and_kinds_are_unique() -> None:
    assert FLOW.name("tapline") == "tapline.flow.v1"
    assert len(BY_KIND) == len(CATALOG)
    assert DEAD.schema == "dead/1"
