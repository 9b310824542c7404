"""What the programs print, and what is made of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.exports.collected import record_of
from capture.source import CutShort, observe_file
from capture.stored.argus import ArgusFiles
from capture.stored.format import Format, Ignored, Stored, StoredError
from capture.stored.nfdump import LONGEST, NfdumpFiles
from capture.stored.source import StoredFile, StoredFlows
from tests.unit.capture_netflow.made import Taken
from topics.records import Flow

quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
FILE = observe_file("node", "nfdump:flows", "ab" * 32)
END = 1_600_000_001_250_000
RECORD: dict[str, Any] = {
    "type": "FLOW", "sampled": 0, "first": "2020-09-13T12:26:40.500", "last": "2020-09-13T12:26:41.250",
    "received": "2020-09-13T12:26:50.000", "in_packets": 5, "in_bytes": 342, "out_packets": 4, "out_bytes": 1116,
    "proto": 6, "tcp_flags": "...AP.SF", "src_port": 40000, "dst_port": 443, "src4_addr": "192.0.2.1",
    "dst4_addr": "198.51.100.2", "input_snmp": 3, "output_snmp": 7, "src_vlan": 12, "src_as": 64500, "dst_as": 64501,
    "in_src_mac": "02:00:00:00:00:0a", "out_dst_mac": "00:00:00:00:00:00", "ip4_router": "192.0.2.254",
    "label": "<none>",
}  # fmt: skip
LINE = (
    "1600000000.500000|1600000001.250000|6|192.0.2.1|198.51.100.2|40000|443|342|1116|5|4|70|900|FSPA_SPA|"
    "02:00:00:00:00:0A|02:00:00:00:00:0b|0x000c|64500||192.0.2.254|"
)


def nfdump(**changed: Any) -> Stored | Ignored:
    given = {name: value for name, value in (RECORD | changed).items() if value is not None}
    return NfdumpFiles().decode(json.dumps(given).encode())


def argus(**changed: str) -> Stored | Ignored:
    names = ("start", "end", "proto", "saddr", "daddr", "sport", "dport")
    values = dict(zip(names, LINE.split("|"), strict=False)) | changed
    return ArgusFiles().decode("|".join([*values.values(), *LINE.split("|")[len(names) :]]).encode())


def flow_of(stored: Stored | Ignored) -> Flow:
    assert isinstance(stored, Stored)
    return record_of(stored.flow, FILE, "id", stored.flow.end)


def test_a_record_of_nfdump_becomes_a_flow() -> None:
    flow = flow_of(nfdump())
    assert (flow.start, flow.end) == (END - 750_000, END)
    assert (flow.source_ip, flow.source_port, flow.destination_ip, flow.destination_port) == (
        "192.0.2.1", 40000, "198.51.100.2", 443,
    )  # fmt: skip
    assert (flow.total_source_bytes, flow.total_destination_bytes) == (342, 1116)
    assert (flow.delta_source_packets, flow.delta_destination_packets) == (5, 4)
    assert (flow.transport, flow.tcp_flags_source, flow.record) == ("tcp", 0x1B, "final")
    assert (flow.exporter_ip, flow.input_interface, flow.output_interface) == ("192.0.2.254", 3, 7)
    assert (flow.source_as_number, flow.destination_as_number, flow.vlan_id) == (64500, 64501, 12)
    assert (flow.source_mac, flow.destination_mac, flow.sampling_rate) == ("02:00:00:00:00:0a", "", 1)
    assert flow.community_id == flow_of(argus()).community_id


def test_what_nfdump_says_otherwise() -> None:
    assert flow_of(nfdump(sampled=1)).sampling_rate == 0
    six = flow_of(nfdump(src4_addr=None, dst4_addr=None, src6_addr="2001:db8::1", dst6_addr="2001:db8::2"))
    assert (six.ip_version, six.source_ip) == (6, "2001:db8::1")
    echo = flow_of(nfdump(proto=1, icmp_type=8, icmp_code=0, src_port=None, dst_port=None, tcp_flags=None))
    answer = flow_of(
        nfdump(proto=1, icmp_type=0, icmp_code=0, src4_addr="198.51.100.2", dst4_addr="192.0.2.1", tcp_flags=None)
    )
    assert (echo.transport, echo.source_port) == ("icmp", 0)
    assert echo.community_id == answer.community_id
    assert nfdump(in_packets=0, in_bytes=0, out_packets=0, out_bytes=0) == Ignored("no-counters")
    assert nfdump(src4_addr=None) == Ignored("no-addresses")


def test_a_line_of_argus_becomes_a_flow() -> None:
    flow = flow_of(argus())
    assert (flow.start, flow.end) == (END - 750_000, END)
    assert (flow.total_source_bytes, flow.total_destination_bytes) == (342, 1116)
    assert (flow.total_source_packets, flow.total_destination_packets) == (5, 4)
    assert (flow.total_source_payload_bytes, flow.total_destination_payload_bytes) == (70, 900)
    assert (flow.tcp_flags_source, flow.tcp_flags_destination, flow.state) == (0x1B, 0x1A, "closing")
    assert (flow.source_mac, flow.vlan_id, flow.source_as_number) == ("02:00:00:00:00:0a", 12, 64500)
    assert (flow.exporter_ip, flow.source_ip, flow.destination_port) == ("192.0.2.254", "192.0.2.1", 443)


def test_what_argus_says_otherwise() -> None:
    assert argus(proto="man", saddr="0", daddr="0") == Ignored("management")
    assert argus(proto="2054") == Ignored("not-ip")
    assert argus(proto="0", saddr="00:13:c3:df:ae:18", daddr="01:00:0c:cd:cd:d0") == Ignored("not-ip")
    echo = flow_of(argus(proto="1", sport="0x0008", dport="0x0300"))
    assert (echo.source_port, echo.destination_port, echo.state) == (0, 0, "")
    reached = flow_of(nfdump(proto=1, icmp_type=3, icmp_code=2))
    assert flow_of(argus(proto="1", sport="0x0203", dport="0x8400")).community_id == reached.community_id
    assert argus(saddr="2001:618:400::5199:cc70", daddr="::1") != Ignored("not-ip")
    assert flow_of(argus(end="1600000000.000000")).end == END - 750_000


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"in_bytes": 1 << 60}, "type"),
        ({"in_bytes": -1}, "type"),
        ({"src_port": "x"}, "type"),
        ({"first": None}, "type"),
        ({"last": "2020-09-13 12:26"}, "time"),
        ({"last": "+58520-01-01T00:00:00.000"}, "time"),
        ({"src4_addr": "192.0.2"}, "address"),
        ({"dst4_addr": None, "dst6_addr": "2001:db8::1"}, "address"),
    ],
)
def test_records_of_nfdump_that_cannot_be_used(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(StoredError) as raised:
        nfdump(**changed)
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"saddr": "2001:db8::1"}, "address"),
        ({"saddr": "somebody"}, "address"),
        ({"sport": "http"}, "number"),
        ({"sport": "70000"}, "number"),
        ({"start": "12:26:40"}, "time"),
        ({"daddr": "198.51.100.2|1"}, "number"),
    ],
)
def test_lines_of_argus_that_cannot_be_used(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(StoredError) as raised:
        argus(**changed)
    assert raised.value.reason == reason


@quick
@given(st.lists(st.integers(0, 400), max_size=20), st.integers(1, 97))
def test_records_are_found_however_the_output_comes(numbers: list[int], size: int) -> None:
    body = ",\n".join(json.dumps(RECORD | {"src_port": number}, indent="\t") for number in numbers)
    printed = f"[\n{body}\n]\n".encode() if numbers else b"[\nNo matching flows\n]\n"
    chunks = [printed[at : at + size] for at in range(0, len(printed), size)]
    kind = NfdumpFiles()
    found = [kind.decode(record) for record in kind.records(chunks)]
    assert [each.flow.ports[0] for each in found if isinstance(each, Stored)] == numbers
    lines = "".join(f"{LINE}{number}\n" for number in numbers).encode()
    cut = [lines[at : at + size] for at in range(0, len(lines), size)]
    assert b"".join(record + b"\n" for record in ArgusFiles().records(cut)) == lines


@quick
@given(st.sampled_from([NfdumpFiles(), ArgusFiles()]), st.lists(st.binary(max_size=200), max_size=5))
def test_whatever_a_program_prints_is_a_flow_is_ignored_or_is_rejected(kind: Format, chunks: list[bytes]) -> None:
    for record in kind.records(chunks):
        with contextlib.suppress(StoredError):
            assert isinstance(kind.decode(record), Stored | Ignored)


@pytest.mark.parametrize("kind", [NfdumpFiles(), ArgusFiles()], ids=lambda kind: kind.name)
def test_output_without_an_end_is_cut(kind: Format) -> None:
    longest = max(map(len, kind.records(b"{" * 100_000 for _ in range(100))))
    assert longest <= 2 * LONGEST
    with pytest.raises(StoredError):
        kind.decode(b"{" * (LONGEST + 1))


class Printing:
    """A format whose program prints what it is told to."""

    name = "nfdump"
    program = "sh"
    package = "dash"

    def __init__(self, script: str) -> None:
        self._script = script
        self._kind = NfdumpFiles()

    def is_one(self, head: bytes) -> bool:
        return self._kind.is_one(head)

    def command(self, path: Path) -> list[str]:
        return ["sh", "-c", self._script, "sh", str(path)]

    def records(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        return self._kind.records(chunks)

    def decode(self, record: bytes) -> Stored | Ignored:
        return self._kind.decode(record)


def run(path: Path, script: str = 'cat "$1"') -> tuple[Taken, StoredFlows]:
    files = [StoredFile(path, "ab" * 32, path.stat().st_size, END + 60_000_000)]
    source, sink = StoredFlows(FILE, Printing(script), files), Taken()  # type: ignore[arg-type]
    source.run(sink)
    return sink, source


def printed(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text(",\n".join(json.dumps(record, indent="\t") for record in records), encoding="utf-8")
    return path


def test_every_record_is_counted_and_what_is_rejected_first_has_the_time_of_the_first_flow(tmp_path: Path) -> None:
    late = RECORD | {"last": "2030-01-01T00:00:00.000"}
    sink, _ = run(
        printed(
            tmp_path / "flows",
            RECORD | {"src_port": -1},
            RECORD,
            RECORD | {"in_packets": 0, "in_bytes": 0, "out_packets": 0, "out_bytes": 0},
            late,
            late | {"received": "2030-01-01T00:00:00.000"},
        )
    )
    assert sink.counts == {
        "records": 5, "flows": 2, "ignored.no-counters": 1, "rejected.type": 1, "rejected.time": 1,
        "time-not-believed": 1, "files": 1, "bytes": (tmp_path / "flows").stat().st_size,
    }  # fmt: skip
    assert [letter.time for letter in sink.letters] == [END, END + 8_750_000]
    assert sink.letters[0].error.startswith("flows:1: ")
    # Where the exporter's clock is wrong, the collector's is believed.
    assert [flow.end for flow in sink.flows] == [END, END + 8_750_000]


def test_ids_are_of_the_content_and_the_place(tmp_path: Path) -> None:
    path = printed(tmp_path / "flows", RECORD, RECORD)
    first, again = run(path)[0], run(path)[0]
    assert [flow.id for flow in first.flows] == [flow.id for flow in again.flows]
    assert len({flow.id for flow in first.flows}) == 2


@pytest.mark.parametrize("script", ['cat "$1"; echo Short read >&2', 'cat "$1"; exit 3'])
def test_a_program_that_complains_has_read_a_damaged_file(tmp_path: Path, script: str) -> None:
    path = printed(tmp_path / "flows", RECORD)
    with pytest.raises(CutShort, match=r"flows is damaged or cut short.*: sh: (Short read|it ended with code 3)"):
        run(path, script)


def test_a_source_that_is_stopped_leaves_its_program_and_returns(tmp_path: Path) -> None:
    path = printed(tmp_path / "flows", RECORD)
    files = [StoredFile(path, "ab" * 32, 1, END + 1)]
    source = StoredFlows(FILE, Printing("exec sleep 3600"), files)  # type: ignore[arg-type]
    source.stop()
    source.run(Taken())
