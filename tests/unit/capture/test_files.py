"""Reading capture files: every format, and every way in which one can be bad."""

from __future__ import annotations

import os
import struct
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.packets import files
from capture.packets.files import PacketFile, check_readable
from tests.unit.capture.privileges import unprivileged
from tests.unit.capture.wire import ETHERNET, Frame, pcap, pcapng
from topics.errors import TaplineError

FRAMES = st.lists(
    st.builds(
        Frame,
        time=st.integers(0, 4_000_000_000_000_000),
        data=st.binary(max_size=200),
        length=st.integers(200, 70_000),
        interface=st.integers(0, 1),
    ),
    max_size=30,
)


def read(path):
    with PacketFile(str(path)) as file:
        packets = [(time, length, link, buffer[start:end]) for time, length, link, buffer, start, end in file.packets()]
    return packets, file.problem


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=FRAMES, order=st.sampled_from("<>"), nanoseconds=st.booleans(), chunk=st.integers(1, 300))
def test_pcap_gives_back_what_was_written(tmp_path, monkeypatch, frames, order, nanoseconds, chunk):
    monkeypatch.setattr(files, "_CHUNK", chunk)
    path = tmp_path / "made.pcap"
    path.write_bytes(pcap(frames, order=order, nanoseconds=nanoseconds))
    assert read(path) == ([(f.time, f.length, ETHERNET, f.data) for f in frames], "")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=FRAMES, order=st.sampled_from("<>"), chunk=st.integers(1, 300))
def test_pcapng_gives_back_what_was_written(tmp_path, monkeypatch, frames, order, chunk):
    monkeypatch.setattr(files, "_CHUNK", chunk)
    path = tmp_path / "made.pcapng"
    links = (1, 113)
    path.write_bytes(pcapng(frames, interfaces=((1, 6), (113, 9)), order=order))
    assert read(path) == ([(f.time, f.length, links[f.interface], f.data) for f in frames], "")


def test_pcapng_of_several_sections(tmp_path):
    frame = Frame(5, b"one")
    path = tmp_path / "two.pcapng"
    path.write_bytes(pcapng([frame], order="<") + pcapng([frame], interfaces=((12, 6),), order=">"))
    assert [link for _, _, link, _ in read(path)[0]] == [1, 12]


def test_pcapng_packets_without_time_count_when_the_one_before_came(tmp_path):
    simple = struct.pack("<III", 3, 20, 4) + b"late" + struct.pack("<I", 20)
    path = tmp_path / "simple.pcapng"
    path.write_bytes(pcapng([Frame(7_000_000, b"early")]) + simple)
    assert read(path)[0] == [(7_000_000, 5, 1, b"early"), (7_000_000, 4, 1, b"late")]


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_a_file_cut_short_is_read_as_far_as_it_goes(tmp_path, make):
    path = tmp_path / "cut.pcap"
    whole = make([Frame(1, b"a" * 40), Frame(2, b"b" * 40)])
    path.write_bytes(whole[:-10])
    packets, problem = read(path)
    assert [data for *_, data in packets] == [b"a" * 40]
    assert problem.startswith(f"{path} is cut short after 1 packet: ")


def test_a_damaged_file_is_read_as_far_as_it_makes_sense(tmp_path):
    path = tmp_path / "damaged.pcap"
    path.write_bytes(pcap([Frame(1, b"a" * 40)]) + struct.pack("<IIII", 2, 0, 0xFFFFFFF0, 60) + b"x" * 100)
    packets, problem = read(path)
    assert len(packets) == 1
    assert "is damaged after 1 packet" in problem


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=FRAMES.filter(bool), place=st.integers(28, 10_000), byte=st.integers(0, 255))
def test_whatever_is_damaged_only_ends_the_reading(tmp_path, frames, place, byte):
    path = tmp_path / "any.pcapng"
    content = bytearray(pcapng(frames, interfaces=((1, 6), (113, 9))))
    content[place % (len(content) - 28) + 28] = byte
    path.write_bytes(content)
    packets, _ = read(path)
    assert len(packets) <= len(frames)


def test_a_file_without_packets_is_no_error(tmp_path):
    path = tmp_path / "none.pcap"
    path.write_bytes(pcap([]))
    assert read(path) == ([], "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"just some text\n", "is neither pcap nor pcapng"),
        (b"\x1f\x8b\x08\x00rest", "is compressed: unpack it with gunzip"),
        (b"\x28\xb5\x2f\xfdrest", "is compressed: unpack it with unzstd"),
    ],
)
def test_what_is_no_capture_is_refused_with_advice(tmp_path, content, expected):
    path = tmp_path / "input"
    path.write_bytes(content)
    with pytest.raises(TaplineError, match=expected):
        check_readable(str(path))


def test_directories_and_missing_files_are_refused(tmp_path):
    with pytest.raises(TaplineError, match="is a directory: name a capture file in it"):
        check_readable(str(tmp_path))
    with pytest.raises(TaplineError, match="does not exist"):
        check_readable(str(tmp_path / "nothing.pcap"))


def test_a_file_without_permission_is_refused(tmp_path):
    path = tmp_path / "secret.pcap"
    path.write_bytes(pcap([]))
    path.chmod(0)
    with unprivileged(), pytest.raises(TaplineError, match=r"cannot be read \(permission denied\): allow it"):
        check_readable(str(path))


def test_a_fifo_is_read_as_it_comes(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = pcap([Frame(number, b"x" * 50) for number in range(10)])

    def write():
        with path.open("wb", buffering=0) as pipe:
            for byte in range(0, len(content), 7):
                pipe.write(content[byte : byte + 7])

    writer = threading.Thread(target=write)
    writer.start()
    packets, problem = read(path)
    writer.join()
    assert (len(packets), problem) == (10, "")


def test_waiting_for_a_stream_can_be_stopped(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    holder = os.open(path, os.O_RDWR)
    try:
        os.write(holder, pcap([Frame(1, b"x" * 50)]))
        stopped = threading.Event()
        with PacketFile(str(path), stopped=stopped.is_set) as file:
            packets = file.packets()
            assert next(packets)[0] == 1
            stopped.set()
            assert list(packets) == []
            assert file.problem == ""
    finally:
        os.close(holder)


def test_progress_reaches_the_file_size(tmp_path):
    path = tmp_path / "made.pcap"
    path.write_bytes(pcap([Frame(number, b"x" * 500) for number in range(5000)]))
    seen = []
    with PacketFile(str(path), progress=seen.append) as file:
        for _ in file.packets():
            pass
    assert seen == sorted(seen)
    assert seen[-1] == path.stat().st_size
