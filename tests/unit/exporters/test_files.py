"""Files of records: what DuckDB reads is what was given, and nothing half is ever there."""

from datetime import date
from pathlib import Path

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.files.batch import MOST_OPEN, Batch, first_unwritten
from exporters.files.columns import Unfit, batch_of, column_of, schema_of
from exporters.files.exporter import expire
from exporters.files.metrics import RECORDS, REJECTIONS, WRITTEN
from exporters.files.parts import Origin, day_of, topic_id
from exporters.files.settings import FilesSettings
from tests.unit.exporters.samples import SAMPLES, TIME, flow
from topics.catalog import ALERT_STATE, ANNOTATION, CATALOG
from topics.records import Flow, Record

ORIGIN = Origin("flow", "abc-_1", 0)
DAY = 86_400_000_000
quick = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


def refuse(index: int, record: Record, why: str) -> None:
    raise AssertionError(why)


def plain(value: object) -> object:
    """A record's value as it should come out of a file."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(each) for name, each in msgspec.structs.asdict(value).items()}
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def read(pattern: str) -> list[dict[str, object]]:
    with duckdb.connect() as database:
        found = database.sql(f"SELECT * EXCLUDE (kind, day) FROM read_parquet('{pattern}', hive_partitioning = true)")
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


@pytest.mark.parametrize(
    ("topic", "record"),
    [each for each in SAMPLES if each[0] is not ALERT_STATE],
    ids=lambda each: getattr(each, "kind", ""),
)
def test_every_field_of_every_sample_comes_out_of_parquet_as_it_went_in(topic, record, tmp_path: Path) -> None:
    batch = Batch(Origin(topic.kind, "t", 3), FilesSettings(folder=str(tmp_path)), 10)
    batch.add(10, 100, [record], refuse)
    batch.finish()
    expected = plain(record)
    assert isinstance(expected, dict)
    assert read(f"{tmp_path}/kind=*/day=*/*.parquet") == [
        {column_of(topic.record, name): value for name, value in expected.items()}
    ]


def test_every_kind_has_a_schema_of_the_same_columns_as_its_record() -> None:
    for topic in CATALOG:
        if topic.kind not in {"partial", "ranking", "store", "policy"}:
            fields = [each.name for each in msgspec.structs.fields(topic.record)]
            assert schema_of(topic.record).names == [column_of(topic.record, name) for name in fields]
            assert not {"kind", "day"} & set(schema_of(topic.record).names), "what folders are called"


def test_json_lines_hold_the_records(tmp_path: Path) -> None:
    batch = Batch(ORIGIN, FilesSettings(folder=str(tmp_path), format="jsonl"), 0)
    flows = [flow(number) for number in range(500)]
    batch.add(0, 1, flows, refuse)
    batch.finish()
    with duckdb.connect() as database:
        found = database.sql(
            f"SELECT count(*), count(DISTINCT id), sum(total_source_bytes), min(day) "
            f"FROM read_json('{tmp_path}/kind=flow/*/*.jsonl.zst', format = 'newline_delimited', compression = 'zstd', "
            f"hive_partitioning = true, hive_types_autocast = false)"
        ).fetchone()
    assert found == (500, 500, sum(each.total_source_bytes for each in flows), day_of(TIME))


def test_the_kind_of_annotations_stands_beside_that_of_the_folder(tmp_path: Path) -> None:
    (annotation,) = [record for topic, record in SAMPLES if topic is ANNOTATION][:1]
    batch = Batch(Origin("annotation", "t", 0), FilesSettings(folder=str(tmp_path), format="jsonl"), 0)
    batch.add(0, 1, [annotation], refuse)
    batch.finish()
    with duckdb.connect() as database:
        found = database.sql(
            f"SELECT kind, annotation_kind FROM read_json('{tmp_path}/*/*/*.jsonl.zst', compression = 'zstd', "
            f"format = 'newline_delimited', hive_partitioning = true)"
        ).fetchall()
    assert found == [("annotation", annotation.kind)]


def test_what_was_read_is_written_or_rejected(tmp_path: Path) -> None:
    def counted() -> tuple[float, float, float]:
        rejected = sum(
            sample.value for sample in next(iter(REJECTIONS.collect())).samples if sample.name.endswith("_total")
        )
        return RECORDS.labels("flow")._value.get(), WRITTEN.labels("flow")._value.get(), rejected

    before = counted()
    batch = Batch(ORIGIN, FilesSettings(folder=str(tmp_path)), 0)
    batch.add(0, 1, [flow(0), flow(1, total_source_bytes=2**63), flow(2)], lambda *_: None)
    batch.pass_over(1, "undecodable")
    assert counted() == before, "what is in hand may be read again by others"
    batch.finish()
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [4, 2, 2]


def test_records_are_in_the_folder_of_their_day(tmp_path: Path) -> None:
    batch = Batch(ORIGIN, FilesSettings(folder=str(tmp_path)), 0)
    batch.add(0, 1, [flow(number, time=TIME + number % 2 * DAY) for number in range(10)], refuse)
    assert not list(tmp_path.glob("*/*/part*")), "nothing is there before it is whole"
    batch.finish()
    assert {path.parent.name for path in tmp_path.glob("*/*/part*")} == {
        f"day={day_of(TIME)}",
        f"day={day_of(TIME + DAY)}",
    }
    assert not list(tmp_path.glob("*/*/.*"))
    assert len(read(f"{tmp_path}/kind=flow/day={day_of(TIME)}/*.parquet")) == 5


def test_what_does_not_fit_is_rejected_and_the_rest_is_written(tmp_path: Path) -> None:
    rejected: list[tuple[int, str]] = []
    batch = Batch(ORIGIN, FilesSettings(folder=str(tmp_path)), 0)
    records = [flow(0), flow(1, total_source_bytes=2**63), flow(2, time=10**18), flow(3)]
    batch.add(0, 1, records, lambda index, _record, why: rejected.append((index, why)))
    batch.finish()
    assert [index for index, _ in rejected] == [2, 1]
    assert all(why for _, why in rejected)
    assert [each["id"] for each in read(f"{tmp_path}/*/*/*.parquet")] == [records[0].id, records[3].id]


def test_a_broken_clock_does_not_open_a_file_for_each_record(tmp_path: Path) -> None:
    rejected: list[int] = []
    batch = Batch(ORIGIN, FilesSettings(folder=str(tmp_path)), 0)
    records = [flow(number, time=TIME + number * DAY) for number in range(MOST_OPEN + 20)]
    batch.add(0, 1, records, lambda index, _record, _why: rejected.append(index))
    assert batch.is_due
    batch.finish()
    assert rejected == list(range(MOST_OPEN, MOST_OPEN + 20))
    assert len(list(tmp_path.glob("*/*/part*"))) == MOST_OPEN


def test_files_of_what_was_not_committed_are_removed(tmp_path: Path) -> None:
    batch = Batch(ORIGIN, FilesSettings(folder=str(tmp_path)), 0)
    other = Batch(Origin("flow", "another", 0), FilesSettings(folder=str(tmp_path)), 0)
    for first, each in ((0, batch), (0, other)):
        each.add(first, 1, [flow(first)], refuse)
        each.finish()
    second = Batch(ORIGIN, FilesSettings(folder=str(tmp_path)), 1)
    second.add(1, 1, [flow(1)], refuse)
    second.add(2, 1, [flow(2)], refuse)
    second.finish()
    third = Batch(ORIGIN, FilesSettings(folder=str(tmp_path)), 3)
    third.add(3, 1, [flow(3)], refuse)
    assert first_unwritten(tmp_path, ORIGIN, 3) == 3
    assert len(list(tmp_path.glob("*/*/part*"))) == 3
    assert not list(tmp_path.glob("*/*/.*")), "what was begun is removed"
    third.discard()
    assert first_unwritten(tmp_path, ORIGIN, 2) == 3, "what is in a file needs not be read again"
    assert first_unwritten(tmp_path, ORIGIN, 0) == 0
    assert [path.name.split(".")[1] for path in tmp_path.glob("*/*/part*")] == ["another"]


def test_any_id_of_a_topic_makes_a_name() -> None:
    assert topic_id("vvcH5LWhTXKPSeBR5Ws/C+") == "vvcH5LWhTXKPSeBR5Ws_C-"


def test_old_days_are_removed_and_what_others_put_there_stays(tmp_path: Path) -> None:
    batch = Batch(ORIGIN, FilesSettings(folder=str(tmp_path)), 0)
    batch.add(0, 1, [flow(0), flow(1, time=TIME + DAY), flow(2, time=TIME + 2 * DAY)], refuse)
    batch.finish()
    days = sorted(tmp_path.glob("kind=flow/day=*"))
    (days[0] / "notes.txt").write_text("mine", encoding="utf-8")
    assert expire(tmp_path, oldest=_date(TIME + 2 * DAY)) == 2
    assert sorted(path.name for path in tmp_path.glob("*/*/*") if path.name.startswith("part")) == [
        path.name for path in days[2].iterdir()
    ]
    assert (days[0] / "notes.txt").exists()
    assert not days[1].exists()


@quick
@given(st.lists(st.tuples(st.text(), st.integers(-(2**65), 2**65)), max_size=20))
def test_any_value_is_kept_or_refused(values: list[tuple[str, int]]) -> None:
    for text, number in values:
        record = flow(0, server_name=text, total_source_bytes=number)
        fits = -(2**63) <= number < 2**63 and not any("\ud800" <= each <= "\udfff" for each in text)
        if fits:
            row = batch_of(Flow, [record]).to_pylist()[0]
            assert (row["server_name"], row["total_source_bytes"]) == (text, number)
        else:
            with pytest.raises(Unfit):
                batch_of(Flow, [record])


def _date(microseconds: int) -> date:
    return date.fromisoformat(day_of(microseconds))
