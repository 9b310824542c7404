"""Exporters over UDP and in capture files: several processes on one port, what the kernel drops, windows."""

from __future__ import annotations

import re
import socket
from collections import Counter
from pathlib import Path

import pytest

from capture.exports.source import ExportFile, ExportListener
from capture.exports.windows import Windows
from capture.netflow.opening import open_netflow
from capture.network.addresses import Address
from capture.network.datagrams import DatagramSocket
from capture.open import open_capture
from capture.settings import CaptureSettings, FlowExportSettings
from capture.source import CutShort
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture.wire import Frame, pcap, tcp, udp
from tests.unit.capture_netflow.made import (
    FLOW_FIELDS,
    FLOWS_OF_9,
    NOW,
    UPTIME,
    Taken,
    a_set,
    flow,
    listening,
    running,
    template,
    version_9,
)
from tests.waiting import wait_for
from topics.errors import TaplineError

SETTINGS = CaptureSettings(node="node", flow_exports=FlowExportSettings(receive_buffer=65_536))


def test_a_listener():
    with listening() as (port, sink), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in (FLOWS_OF_9, b"\0\7", version_9(a_set(256, flow(octets=7)), sequence=1)):
            sender.sendto(datagram, ("127.0.0.1", port))
        wait_for(lambda: sink.counts["packets"] == 3, "three datagrams")
    assert [each.delta_source_bytes for each in sink.flows] == [1500, 7]
    assert {each.exporter_ip for each in sink.flows} == {"127.0.0.1"}
    assert all(each.observation_point.startswith("netflow:udp://127.0.0.1") for each in sink.flows)
    assert sink.family("rejected.") == {"version": 1}
    sums: Counter[str] = Counter()
    # A minute may end meanwhile, and then there are two.
    for sample in sink.samples:
        assert (sample.group, sample.key) == ("Flow Exporters", "127.0.0.1")
        sums.update(sample.meters)
    assert sums == {"datagrams": 3, "flows": 2, "rejected": 1}


def test_templates_outlast_the_listener(tmp_path):
    settings = FlowExportSettings(receive_buffer=65_536, templates_folder=str(tmp_path))
    for datagram, flows in ((version_9(a_set(0, template(256, FLOW_FIELDS))), 0), (version_9(a_set(256, flow())), 1)):
        with listening(settings) as (port, sink), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(datagram, ("127.0.0.1", port))
            wait_for(lambda sink=sink: sink.counts["packets"], "the datagram")
        assert len(sink.flows) == flows


def test_several_listen_on_one_port():
    with listening() as (port, first):
        second = Taken()
        _, (source,) = open_netflow(f"netflow:udp://127.0.0.1:{port}", SETTINGS)
        assert isinstance(source, ExportListener)
        with running(source, second):
            assert source.port == port
            senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(64)]
            for sender in senders:
                with sender:
                    sender.sendto(FLOWS_OF_9, ("127.0.0.1", port))
            wait_for(lambda: first.counts["packets"] + second.counts["packets"] == 64, "all datagrams")
    assert len(first.flows) + len(second.flows) == 64
    assert first.flows
    assert second.flows


def test_a_port_that_another_program_has():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        _, (source,) = open_netflow(f"netflow:udp://127.0.0.1:{other.getsockname()[1]}", SETTINGS)
        with pytest.raises(TaplineError, match="another program listens there"):
            source.run(KeepingSink())


def test_what_the_kernel_drops_is_counted():
    receiver = DatagramSocket(Address("udp", "127.0.0.1", 0), 4096, shared=True)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(200):
                sender.sendto(FLOWS_OF_9, ("127.0.0.1", receiver.port))
        taken = receiver.burst(1000)
        assert receiver.lost() == 200 - len(taken) > 0
        assert receiver.burst(1000) == []
    finally:
        receiver.close()


def test_a_kernel_that_drops_is_told_of():
    sink = Taken()
    _, (source,) = open_netflow("netflow:udp://127.0.0.1:0", SETTINGS)
    intake = source._opening(source._observation, sink, NOW)
    intake.drop(5)
    intake.drop(0)
    intake.finish()
    assert sink.counts["dropped.kernel"] == 5
    assert [(each.key, each.meters) for each in sink.samples] == [("netflow:udp://127.0.0.1:0", {"dropped": 5})]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("netflow:", "names nothing to read"),
        ("netflow:tcp://127.0.0.1:2055", "netflow:tcp://127.0.0.1:2055 is no address to listen on"),
        ("netflow:udp://127.0.0.1:70000", "there is no port 70000"),
        ("netflow:nothing.pcap", "nothing.pcap does not exist"),
        ("sflow:", "names nothing to read: write sflow:udp://HOST:PORT or sflow:FILE"),
    ],
)
def test_names_that_are_no_source(name, message):
    with pytest.raises(TaplineError, match=re.escape(message)):
        open_capture(name, SETTINGS)


def test_ports_when_none_is_named():
    for name, port in (("netflow", 2055), ("sflow", 6343)):
        observation, _ = open_capture(f"{name}:udp://[::1]", SETTINGS)
        assert observation.observation_point == f"{name}:udp://[::1]:{port}"


def of_file(path: Path, frames: list[Frame], settings: CaptureSettings = SETTINGS) -> tuple[Taken, str]:
    path.write_bytes(pcap(frames))
    observation, (source,) = open_capture(f"netflow:{path}", settings)
    assert isinstance(source, ExportFile)
    sink = Taken()
    source.run(sink)
    return sink, observation.stream


def at(seconds: int, payload: bytes) -> Frame:
    return Frame(NOW + seconds * 1_000_000, udp("192.0.2.1", "192.0.2.2", 40_000, 2055, payload))


def sent(seconds: int, *, octets: int, ago: int = 1) -> bytes:
    """A datagram that is sent so many seconds after now, of a flow that ended a while before."""
    record = flow(octets=octets, first=UPTIME - 1000 * ago, last=UPTIME - 1000 * ago)
    sets = (a_set(0, template(256, FLOW_FIELDS)), a_set(256, record))
    return version_9(*sets, seconds=NOW // 1_000_000 + seconds)


def test_a_capture_file(tmp_path):
    frames = [
        at(0, sent(0, octets=1)),
        Frame(NOW, tcp("192.0.2.1", "192.0.2.2", 1, 2)),
        at(1, b"\0\7"),
        at(130, sent(130, octets=2)),
    ]
    sink, stream = of_file(tmp_path / "one.pcap", frames)
    assert [(each.delta_source_bytes, each.exporter_ip) for each in sink.flows] == [(1, "192.0.2.1"), (2, "192.0.2.1")]
    assert (sink.counts["packets"], sink.counts["ignored.not-udp"], sink.counts["rejected.version"]) == (3, 1, 1)
    again, same = of_file(tmp_path / "two.pcap", frames)
    assert same == stream
    assert [each.id for each in again.flows] == [each.id for each in sink.flows]
    # The packets of the file are another stream.
    assert open_capture(str(tmp_path / "one.pcap"), CaptureSettings(depth="light"))[0].stream != stream


def test_a_flow_counts_in_the_window_in_which_it_ended(tmp_path):
    """The first minute begins 50 seconds before now, and is open for 60 seconds after its end."""
    begin = NOW // 1_000_000 - 50
    frames = [
        at(0, sent(0, octets=1)),
        at(20, sent(20, octets=2, ago=15)),
        at(20, sent(20, octets=3, ago=1)),
        at(60, sent(60, octets=4, ago=55)),
        at(75, sent(75, octets=5, ago=70)),
        at(76, sent(76, octets=6, ago=1)),
    ]
    sink, _ = of_file(tmp_path / "windows.pcap", frames)
    placed = {put.record.delta_source_bytes: put.window - begin for put in sink.put_all if put.record in sink.flows}
    assert placed == {1: 0, 2: 0, 3: 60, 4: 0, 5: 60, 6: 120}
    assert sink.counts["late"] == 1
    assert [window - begin for window in sink.advanced] == [-60, 0]


def test_sums_of_each_window(tmp_path):
    frames = [at(0, sent(0, octets=1)), at(1, sent(1, octets=1)), at(61, sent(61, octets=1))]
    sink, _ = of_file(tmp_path / "sums.pcap", frames)
    assert [(each.time - NOW, each.meters["datagrams"]) for each in sink.samples] == [(9_999_999, 2), (69_999_999, 1)]
    assert len({each.id for each in sink.samples}) == 2


def test_a_file_that_is_cut_short_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "short.pcap"
    content = pcap([at(0, sent(0, octets=1)), at(1, sent(1, octets=2))])
    path.write_bytes(content[:-5])
    _, (source,) = open_capture(f"netflow:{path}", SETTINGS)
    sink = Taken()
    with pytest.raises(CutShort, match="cut short after 1 packet"):
        source.run(sink)
    assert len(sink.flows) == 1
    assert len(sink.samples) == 1


def test_no_clock_opens_a_window_before_its_time():
    sink = KeepingSink()
    windows = Windows(sink, "netflow", 0, NOW)
    assert windows.place(NOW + 200_000_000) == windows.place(NOW)
    assert windows.reach(NOW + 60_000_000)
    assert not windows.reach(NOW)
    assert windows.place(NOW) == windows.place(NOW + 60_000_000)
