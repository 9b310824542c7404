"""Lists that flows are tagged by."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from capture.enrichment import blacklists as blacklists_module
from capture.enrichment.blacklists import Blacklist
from capture.enrichment.list_lines import entries_of
from capture.enrichment.settings import EnrichmentSettings
from capture.enrichment.source import enriched
from capture.source import Sink
from tests.unit.capture.sinks import KeepingSink, ScriptedSource
from tests.waiting import wait_for
from topics.catalog import FLOW
from topics.errors import TaplineError
from topics.records import Flow

JA3 = "e7d705a3286e19ea42f587b344ee6865"
JA4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"


def flow(**fields: object) -> Flow:
    given = {"id": "1", "time": 1, "source_ip": "10.1.2.3", "destination_ip": "192.0.2.1", "transport": "tcp"}
    return Flow(**(given | fields))  # type: ignore[arg-type]


def run(lists: dict[str, str], script: Callable[[Sink], None]) -> KeepingSink:
    (source,) = enriched([ScriptedSource("x", script)], EnrichmentSettings(blacklists=lists))
    sink = KeepingSink()
    source.run(sink)
    return sink


def tagged(lists: dict[str, str], *flows: Flow) -> KeepingSink:
    def script(sink: Sink) -> None:
        for each in flows:
            sink.put(FLOW, "", each, 60)

    return run(lists, script)


def written(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize(
    ("line", "entries"),
    [
        ("# comment", []),
        ("", []),
        ("192.0.2.7", ["192.0.2.7"]),
        ("192.0.2.0/24 ; SBL1", ["192.0.2.0/24"]),
        ("192.0.2.7\t8", ["192.0.2.7"]),
        ("2001:db8::/32 # a network", ["2001:db8::/32"]),
        ("create feodo hash:ip family inet hashsize 1024 maxelem 65536", []),
        ("add feodo 192.0.2.0/24 comment", ["192.0.2.0/24"]),
        ("0.0.0.0 bad.example.com worse.example.com # two", ["bad.example.com", "worse.example.com"]),
        ("192.168.1.2 bad.example.com", ["bad.example.com"]),
        ("127.0.0.1 localhost", []),
        ("0.0.0.0 0.0.0.0", []),
        ("::1 ip6-localhost localhost.localdomain", []),
        ("Bad.Example.COM.", ["bad.example.com"]),
        ("*.example.com", ["example.com"]),
        ("bücher.example", ["xn--bcher-kva.example"]),
        ("163.com", ["163.com"]),
        (f"{JA3},2018-01-01 00:00:00,2019-01-01 00:00:00,Gozi", [JA3]),
        (f'"{JA4}"', [JA4]),
    ],
)
def test_what_a_line_names(line: str, entries: list[str]) -> None:
    assert entries_of(line) == entries


@pytest.mark.parametrize(
    "line",
    ["<html>", "word", "0.0.0.0/0", "::/0", "a..b", "-.example.com", "x" * 300, "1.2.3"],
)
def test_what_is_no_entry(line: str) -> None:
    with pytest.raises(ValueError, match=r"is no address, network, domain name or fingerprint|is every address"):
        entries_of(line)


@pytest.mark.parametrize("line", ["192.0.2.1 192.0.2.255 24", "2001:db8::1\t2001:db8::ff"])
def test_a_range_is_not_taken_for_its_first_address(line: str) -> None:
    with pytest.raises(ValueError, match="ranges have to be networks"):
        entries_of(line)


def test_a_flow_is_tagged_by_every_list_that_has_something_of_it(tmp_path: Path) -> None:
    lists = {
        "hosts": written(tmp_path / "1", "192.0.2.1", "10.0.0.0/8"),
        "names": written(tmp_path / "2", "0.0.0.0 bad.example.com"),
        "tls": written(tmp_path / "3", JA3, JA4),
        "none": written(tmp_path / "4", "# nothing today"),
    }
    sink = tagged(
        lists,
        flow(),
        flow(source_ip="198.51.100.1", server_name="www.bad.example.com"),
        flow(source_ip="198.51.100.1", destination_ip="198.51.100.2", client_fingerprint=JA3.upper()),
        flow(source_ip="198.51.100.1", destination_ip="198.51.100.2", server_fingerprint=JA4),
        flow(source_ip="198.51.100.1", destination_ip="198.51.100.2", server_name="notbad.example.com"),
        flow(source_ip="bad.example.com", destination_ip=""),
    )
    assert [(each.source_blacklists, each.destination_blacklists) for each in sink.flows] == [
        (("hosts",), ("hosts",)),
        ((), ("hosts", "names")),
        (("tls",), ()),
        ((), ("tls",)),
        ((), ()),
        ((), ()),
    ]
    assert [each.tags for each in sink.flows] == [("hosts",), ("hosts", "names"), ("tls",), ("tls",), (), ()]
    assert sink.counts["blacklisted.hosts"] == 2
    assert sink.counts["blacklisted.names"] == 1


def test_whoever_is_asked_for_a_listed_name_is_not_listed_himself(tmp_path: Path) -> None:
    lists = {"names": written(tmp_path / "1", "bad.example.com")}
    (told,) = tagged(lists, flow(application="DNS.Example", server_name="bad.example.com")).flows
    assert told.tags == ("names",)
    assert told.destination_blacklists == ()


def test_a_name_that_an_address_was_looked_up_by_counts_as_well(tmp_path: Path) -> None:
    lists = {"names": written(tmp_path / "1", "bad.example.com")}
    first, second = tagged(
        lists, flow(destination_domain="bad.example.com"), flow(source_domain="a.bad.example.com")
    ).flows
    assert (first.destination_blacklists, second.source_blacklists) == (("names",), ("names",))


def test_a_bad_line_is_told_with_its_place_and_the_rest_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "list", "192.0.2.1", "no entry", "300.0.0.1", "192.0.2.9", "192.0.2.8")
    with caplog.at_level(logging.WARNING, "tapline.capture"):
        sink = tagged({"some": path}, flow(), flow(destination_ip="192.0.2.9"))
    assert [each.tags for each in sink.flows] == [("some",), ("some",)]
    assert sink.counts["list-lines-rejected"] == 2
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{path}:2: 'no' is no address, network, domain name or fingerprint: left out, as are 1 other lines"
    )
    assert REGISTRY.get_sample_value("tapline_capture_enrichment_entries", {"file": path}) == 3


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, r"cannot read .*list: No such file or directory: name a list"),
        (
            b"<html>\n<body>\nexample.com\n",
            r"list:1: '<html>' is no address, .*, as most of its lines are none: name a",
        ),
        (b"\xff\xfe\x00\n", r"list:1: it is not UTF-8 text, as most of its lines are none"),
        (b"x" * 10_000, r"list:1: 'x{60}' is no address"),
        (b"192.0.2.1\n192.0.2.2\n192.0.2.3\n", r"list:3: has more than 2 entries: divide the list"),
    ],
)
def test_a_file_that_is_no_list_is_told_in_one_line(
    tmp_path: Path, content: bytes | None, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blacklists_module, "MOST_ENTRIES", 2)
    if content is not None:
        (tmp_path / "list").write_bytes(content)
    with pytest.raises(TaplineError, match=problem) as told:
        tagged({"a": str(tmp_path / "list")})
    assert "\n" not in str(told.value)


def test_a_list_that_changes_is_read_beside_what_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "list"
    lists = {"a": written(path, "192.0.2.1"), "b": written(tmp_path / "other", "192.0.2.9")}

    def replaced(*lines: str) -> None:
        written(tmp_path / "new", *lines)
        (tmp_path / "new").replace(path)

    def script(sink: Sink) -> None:
        def tags(ip: str) -> tuple[str, ...]:
            sink.put(FLOW, "", flow(destination_ip=ip), 600)
            return kept.flows[-1].tags

        assert (tags("192.0.2.1"), tags("192.0.2.2"), tags("192.0.2.9")) == (("a",), (), ("b",))
        replaced("192.0.2.2", "192.0.2.3", "what?")
        sink.advance("x", 60)
        wait_for(lambda: tags("192.0.2.2") == ("a",), "the list to be read again")
        assert (tags("192.0.2.1"), tags("192.0.2.9")) == ((), ("b",))
        replaced("<html>")
        sink.advance("x", 120)
        wait_for(lambda: kept.counts["files-not-read"], "the broken list to be refused")
        assert tags("192.0.2.2") == ("a",)
        path.unlink()
        sink.advance("x", 180)

    (source,) = enriched([ScriptedSource("x", script)], EnrichmentSettings(blacklists=lists))
    kept = KeepingSink()
    with caplog.at_level(logging.WARNING, "tapline.capture"):
        source.run(kept)
    assert REGISTRY.get_sample_value("tapline_capture_enrichment_entries", {"file": str(path)}) == 2
    written_at = REGISTRY.get_sample_value("tapline_capture_enrichment_file_written_seconds", {"file": lists["b"]})
    assert written_at == pytest.approx(Path(lists["b"]).stat().st_mtime)
    assert kept.counts["files-read-again"] == 1
    assert kept.counts["list-lines-rejected"] == 1
    assert all(record.getMessage().count("\n") == 0 for record in caplog.records)


def test_roles_are_those_of_the_smallest_network(tmp_path: Path) -> None:
    settings = EnrichmentSettings(roles={"10.0.0.0/8": "client", "10.1.2.3": "resolver"})

    def script(sink: Sink) -> None:
        sink.put(FLOW, "", flow(destination_ip="10.9.9.9"), 60)

    (source,) = enriched([ScriptedSource("x", script)], settings)
    sink = KeepingSink()
    source.run(sink)
    assert [(each.source_role, each.destination_role) for each in sink.flows] == [("resolver", "client")]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=200)
@given(st.lists(st.one_of(st.text(max_size=40), st.ip_addresses().map(str)), max_size=10))
def test_any_lines_are_entries_or_left_out(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.mktemp("lists") / "list"
    text = "\n".join(line.replace("\r", "").replace("\n", "") for line in lines)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert Blacklist(str(path)).rejected <= len(lines)
    except TaplineError as error:
        told = str(error)
    else:
        told = ""
    assert "\n" not in told
