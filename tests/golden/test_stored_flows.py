"""Flows that nfdump and Argus have stored, against those programs' own sums."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.source import CutShort
from tests.unit.capture_netflow.made import Taken
from topics.errors import TaplineError

SHARED = Path(__file__).parents[3] / "shared"
CAPTURES = SHARED / "captures"
OLD = SHARED / "telemetry" / "slips" / "test1-malicious.nfdump"
NAMES = ("many-protocols.pcap", "ipv6-http-streams.pcap", "scan-nmap-vsn.pcap", "tunnels-mix.pcap")

pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"the folder {CAPTURES} with captures is not there")
with_nfdump = pytest.mark.skipif(
    not all(map(shutil.which, ("nfdump", "nfpcapd"))), reason="nfdump is not installed (apt install nfdump)"
)
with_argus = pytest.mark.skipif(
    not all(shutil.which(each, path="/usr/bin:/usr/sbin") for each in ("ra", "argus")),
    reason="Argus is not installed (apt install argus-server argus-client)",
)


def printed(*command: str) -> str:
    path = {"PATH": "/usr/bin:/bin:/usr/sbin", "HOME": "/nowhere", "TZ": "UTC"}
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env=path).stdout


def taken(source: str) -> Taken:
    _, (reading,) = open_capture(source, CaptureSettings(node="node"))
    sink = Taken()
    reading.run(sink)
    return sink


def stored_by_nfdump(capture: str, folder: Path) -> Path:
    folder.mkdir()
    printed("nfpcapd", "-r", str(CAPTURES / capture), "-w", str(folder))
    return folder


def stored_by_argus(capture: str, folder: Path) -> Path:
    path = folder / "flows.argus"
    printed("argus", "-F", "/dev/null", "-r", str(CAPTURES / capture), "-m", "-J", "-w", str(path))
    return path


def sums_of_nfdump(files: list[Path]) -> dict[str, int]:
    """What ``nfdump -I`` says: flows, packets and bytes, in all and of some protocols."""
    sums: dict[str, int] = {}
    for file in files:
        for name, value in re.findall(
            r"^((?:Flows|Packets|Bytes)\w*): (\d+)$", printed("nfdump", "-I", "-r", str(file)), re.MULTILINE
        ):
            sums[name] = sums.get(name, 0) + int(value)
    return sums


def assert_sums(sink: Taken, sums: dict[str, int]) -> None:
    assert len(sink.flows) == sink.counts["flows"] == sums["Flows"]
    assert sum(flow.total_bytes for flow in sink.flows) == sums["Bytes"]
    assert sum(flow.total_packets for flow in sink.flows) == sums["Packets"]
    for kind in ("tcp", "udp", "icmp"):
        of_kind = [flow for flow in sink.flows if flow.transport == kind]
        assert len(of_kind) == sums[f"Flows_{kind}"]
        assert sum(flow.total_bytes for flow in of_kind) == sums[f"Bytes_{kind}"]
    assert not sink.family("rejected.")


@with_nfdump
@pytest.mark.parametrize("name", NAMES)
def test_sums_are_those_of_nfdump(name: str, tmp_path: Path) -> None:
    folder = stored_by_nfdump(name, tmp_path / "flows")
    files = sorted(folder.iterdir())
    assert_sums(taken(f"nfdump:{folder}"), sums_of_nfdump(files))
    assert_sums(taken(f"nfdump:{files[0]}"), sums_of_nfdump(files[:1]))


@with_nfdump
def test_files_of_nfdump_before_1_7_are_read() -> None:
    sink = taken(f"nfdump:{OLD}")
    assert_sums(sink, sums_of_nfdump([OLD]))
    assert {flow.exporter_ip for flow in sink.flows} >= {"147.32.82.62"}


@with_nfdump
def test_a_flow_of_nfdump_is_that_of_its_own_list(tmp_path: Path) -> None:
    """Ends, times to the millisecond, counters and TCP flags."""
    folder = stored_by_nfdump("scan-nmap-vsn.pcap", tmp_path / "flows")
    form = "fmt:%tsr|%sa|%da|%sp|%dp|%pr|%flg|%ipkt|%ibyt"
    lines = printed("nfdump", "-q", "-N", "-6", "-R", str(folder), "-o", form, "proto tcp").splitlines()
    wanted = [tuple(value.strip() for value in line.split("|")) for line in lines if line]
    letters = "CEUAPRSF"
    found = [
        (
            f"{flow.start // 1000 / 1000:.3f}",
            flow.source_ip,
            flow.destination_ip,
            str(flow.source_port),
            str(flow.destination_port),
            str(flow.protocol_number),
            "".join(letter if flow.tcp_flags_source >> 7 - place & 1 else "." for place, letter in enumerate(letters)),
            str(flow.total_source_packets),
            str(flow.total_source_bytes),
        )
        for flow in taken(f"nfdump:{folder}").flows
        if flow.transport == "tcp"
    ]
    assert sorted(found) == sorted(wanted)
    assert found


@with_nfdump
def test_a_folder_of_nfdump_is_known_by_its_content(tmp_path: Path) -> None:
    folder = stored_by_nfdump("many-protocols.pcap", tmp_path / "flows")
    first = open_capture(f"nfdump:{folder}", CaptureSettings())[0]
    before = [flow.id for flow in taken(f"nfdump:{folder}").flows]
    moved = folder.rename(tmp_path / "moved")
    (moved / "nfcapd.current.77").write_bytes(b"\x0c\xa5")
    (moved / "notes.txt").write_text("no flows")
    shutil.copy(min(moved.glob("nfcapd.2*")), moved / "zz-copy")
    assert open_capture(f"nfdump:{moved}", CaptureSettings())[0].stream == first.stream
    sink = taken(f"nfdump:{moved}")
    assert [flow.id for flow in sink.flows] == before
    assert sink.family("ignored-files.") == {"current": 1, "no-nfdump": 1, "twice": 1}
    assert len(set(before)) == len(before)


@with_nfdump
def test_a_file_of_nfdump_that_is_cut_short_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes(OLD.read_bytes()[:200_000])
    with pytest.raises(CutShort, match=r"cut is damaged or cut short.*nfdump: .*[Ss]hort read"):
        taken(f"nfdump:{path}")


@with_argus
@pytest.mark.parametrize("name", NAMES)
def test_sums_are_those_of_argus(name: str, tmp_path: Path) -> None:
    path = stored_by_argus(name, tmp_path)
    sink = taken(f"argus:{path}")
    of_ip = printed("racount", "-X", "-r", str(path), "-", "ip", "or", "ipv6").splitlines()[-1].split()
    records, packets, source_packets, destination_packets, octets, source_bytes, destination_bytes = map(int, of_ip[1:])
    # racount counts the file's first record as well, which tells of the probe.
    assert len(sink.flows) == records - 1
    assert sum(flow.total_packets for flow in sink.flows) == packets
    assert sum(flow.total_source_packets for flow in sink.flows) == source_packets
    assert sum(flow.total_destination_packets for flow in sink.flows) == destination_packets
    assert sum(flow.total_bytes for flow in sink.flows) == octets
    assert sum(flow.total_source_bytes for flow in sink.flows) == source_bytes
    assert sum(flow.total_destination_bytes for flow in sink.flows) == destination_bytes
    assert sink.counts["records"] == len(sink.flows) + sum(sink.family("ignored.").values())
    assert not sink.family("rejected.")


@pytest.mark.parametrize(("source", "package"), [("nfdump:x", "nfdump"), ("argus:x", "argus-client")])
def test_a_program_that_is_missing_is_named(source: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TaplineError, match=rf"is not installed: {source} needs it \(apt install {package}\)"):
        open_capture(source, CaptureSettings())


@with_nfdump
def test_what_is_no_file_of_flows_is_told(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("no flows")
    for source, wanted in (
        ("nfdump:", "names nothing to read: write nfdump:FILE or nfdump:FOLDER"),
        (f"nfdump:{other}", "is no file of nfdump"),
        (f"nfdump:{tmp_path}", "holds no file of nfdump"),
        (f"nfdump:{tmp_path}/nowhere", "No such file or directory"),
    ):
        with pytest.raises(TaplineError, match=wanted):
            open_capture(source, CaptureSettings())
