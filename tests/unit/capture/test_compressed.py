"""Capture files that were compressed: they are the same captures, also where they are damaged."""

from __future__ import annotations

import gzip
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.feed import CaptureFeed
from capture.netflow.opening import open_netflow
from capture.open import open_capture
from capture.packets.compressed import content_digest
from capture.packets.files import PacketFile
from capture.settings import CaptureSettings
from capture.source import CutShort
from capture.suricata.program import OLDEST, find_suricata
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture.wire import Frame, pcap, udp
from tests.unit.capture_netflow.made import FLOWS_OF_9, NOW, Taken
from topics.catalog import CAPTURED
from topics.errors import TaplineError

DEMO = Path(__file__).parents[3] / "tapline" / "demo" / "demo.pcap"
LIGHT = CaptureSettings(node="node", depth="light")
SURICATA = find_suricata()
FRAMES = [Frame(NOW + number, udp("192.0.2.1", "192.0.2.2", number, 53, bytes(200))) for number in range(1, 60)]


Compress = Callable[[bytes], bytes]


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


both = pytest.mark.parametrize("compress", [gzip.compress, zstd], ids=["gzip", "zstd"])


def compressed(path: Path, content: bytes, compress: Compress = gzip.compress, keep: int | None = None) -> Path:
    path.write_bytes(compress(content)[:keep])
    return path


def messages(path: Path, capture: CaptureSettings) -> list[tuple[str, int, bytes]]:
    """What is published of a capture file."""
    observation, sources = open_capture(str(path), capture)
    with CaptureFeed(observation, sources, {topic.kind: 2 for topic in CAPTURED}) as feed:
        return [(topic.kind, partition, body) for topic, partition, _, body in feed]


def packets(path: Path) -> tuple[int, str]:
    with PacketFile(str(path)) as file:
        return sum(1 for _ in file.packets()), file.problem


@pytest.mark.parametrize(
    "capture",
    [
        LIGHT,
        pytest.param(
            CaptureSettings(node="node", engine="tshark"),
            marks=pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
        ),
        pytest.param(
            CaptureSettings(node="node", flows="suricata"),
            marks=pytest.mark.skipif(SURICATA is None or SURICATA.major < OLDEST, reason="Suricata 7 is not installed"),
        ),
    ],
    ids=["nfstream", "tshark", "suricata"],
)
@both
def test_a_compressed_file_is_the_same_capture(tmp_path: Path, capture: CaptureSettings, compress: Compress) -> None:
    path = compressed(tmp_path / DEMO.name, DEMO.read_bytes(), compress)
    assert open_capture(str(path), LIGHT)[0].stream == open_capture(str(DEMO), LIGHT)[0].stream
    assert messages(path, capture) == messages(DEMO, capture)


@both
def test_progress_is_told_in_bytes_of_the_file(tmp_path: Path, compress: Compress) -> None:
    path = compressed(tmp_path / "a.pcap.gz", pcap(FRAMES), compress)
    told: list[int] = []
    with PacketFile(str(path), progress=told.append) as file:
        assert sum(1 for _ in file.packets()) == len(FRAMES)
    assert told[-1] == path.stat().st_size
    assert told == sorted(told)


@both
def test_parts_that_were_compressed_one_after_the_other(tmp_path: Path, compress: Compress) -> None:
    content = pcap(FRAMES)
    path = tmp_path / "a.pcap.gz"
    path.write_bytes(compress(content[:1000]) + compress(content[1000:]))
    assert packets(path) == (len(FRAMES), "")


@both
def test_one_that_is_cut_short_is_read_as_far_as_it_goes(tmp_path: Path, compress: Compress) -> None:
    content = pcap(FRAMES) + bytes(random.Random(1).randbytes(1 << 20))
    path = compressed(tmp_path / "a.pcap.gz", content, compress, keep=len(compress(content)) - 20)
    count, problem = packets(path)
    assert count == len(FRAMES)
    assert "after 59 packets" in problem
    observation, (source,) = open_capture(str(path), LIGHT)
    with pytest.raises(CutShort, match="after 59 packets"):
        source.run(KeepingSink())
    # Reading it again comes to the same stream.
    assert open_capture(str(path), LIGHT)[0].stream == observation.stream


@both
def test_what_was_compressed_and_is_no_capture(tmp_path: Path, compress: Compress) -> None:
    path = compressed(tmp_path / "a.pcap.gz", b"not a capture", compress)
    with pytest.raises(TaplineError, match="is neither pcap nor pcapng"):
        open_capture(str(path), LIGHT)


def test_datagrams_of_exporters(tmp_path: Path) -> None:
    content = pcap([Frame(NOW, udp("192.0.2.1", "192.0.2.2", 40_000, 2055, FLOWS_OF_9))])
    path = compressed(tmp_path / "exports.pcap.gz", content)
    (tmp_path / "exports.pcap").write_bytes(content)
    _, (source,) = open_netflow(f"netflow:{path}", CaptureSettings())
    sink = Taken()
    source.run(sink)
    assert len(sink.flows) == 1
    streams = {open_netflow(f"netflow:{each}", CaptureSettings())[0].stream for each in tmp_path.iterdir()}
    assert len(streams) == 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.sampled_from([gzip.compress, zstd]), st.integers(0, 10_000), st.binary(max_size=20))
def test_whatever_is_damaged_ends_the_reading(tmp_path: Path, compress: Compress, at: int, garbage: bytes) -> None:
    whole = bytearray(compress(pcap(FRAMES)))
    at = 10 + at % (len(whole) - 10)
    whole[at : at + len(garbage)] = garbage
    path = tmp_path / "a.pcap.gz"
    path.write_bytes(whole)
    assert len(content_digest(path)) == 64
    try:
        count, problem = packets(path)
    except TaplineError:
        return
    # zstd keeps no sum by which it would notice every damage.
    assert problem or count == len(FRAMES) or compress is zstd
