"""What a name stands for, and what is said when it stands for nothing."""

from __future__ import annotations

import hashlib
import os

import pytest

from capture import open as opening
from capture.open import missing_tshark, open_capture
from capture.settings import CaptureSettings
from tests.unit.capture.wire import Frame, pcap, udp
from topics.errors import TaplineError

LIGHT = CaptureSettings(node="here", depth="light")


def names(sources):
    return [source.name for source in sources]


def test_a_file_is_known_by_its_content(tmp_path):
    path, copy = tmp_path / "monday.pcap", tmp_path / "copy.pcap"
    for each in (path, copy):
        each.write_bytes(pcap([Frame(1, udp("192.0.2.1", "192.0.2.2", 1, 2))]))
    observation, sources = open_capture(str(path), LIGHT)
    assert observation.stream == f"file-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    assert (observation.node, observation.observation_point, observation.is_file) == ("here", "monday.pcap", True)
    assert names(sources) == ["nfstream"]
    other, _ = open_capture(str(copy), CaptureSettings(node="there", depth="light"))
    assert (other.identity, other.producer, other.stream) == (
        observation.identity,
        observation.producer,
        observation.stream,
    )


def test_an_interface_is_known_by_node_name_and_start():
    first, sources = open_capture("lo", LIGHT)
    second, _ = open_capture("lo", LIGHT)
    assert (first.stream, first.observation_point, first.is_file) == ("live", "lo", False)
    assert first.identity != second.identity
    assert names(sources) == ["nfstream"]


def test_streams_are_new_each_time(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, name in (("-", "standard input"), (str(pipe), str(pipe))):
        observation, sources = open_capture(path, LIGHT)
        assert observation.stream.startswith("stdin-")
        assert observation.observation_point == name
        assert names(sources) == ["nfstream"]


def test_two_engines_read_a_stream_through_a_spread(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "missing_tshark", lambda _settings: False)
    observation, sources = open_capture("-", CaptureSettings(depth="deep", engine="tshark"))
    try:
        assert names(sources) == ["spread", "nfstream", "tshark"]
        assert not observation.is_file
    finally:
        sources[0].close()


def test_without_tshark_deep_is_light(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = CaptureSettings(depth="deep", engine="tshark")
    assert missing_tshark(settings)
    assert names(open_capture("lo", settings)[1]) == ["nfstream"]
    assert not missing_tshark(LIGHT)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-such-interface0", "interface no-such-interface0 does not exist: choose .*lo"),
        ("nothing.pcap", "nothing.pcap does not exist: check the path"),
        ("./nothing", "./nothing does not exist: check the path"),
        (".", "is a directory: name a capture file in it"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TaplineError, match=message) as raised:
        open_capture(name, LIGHT)
    assert "\n" not in str(raised.value)
