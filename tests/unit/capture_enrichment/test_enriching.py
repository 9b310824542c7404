"""What flows are given to know of their ends."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from capture.enrichment.geo import GeoFile
from capture.enrichment.services import read_services
from capture.enrichment.settings import EnrichmentSettings
from capture.enrichment.source import EnrichedSource, enriched
from capture.enrichment.vendors import Vendors
from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.source import Settling, Sink
from tests.unit.capture.sinks import KeepingSink, ScriptedSource
from topics.catalog import FLOW, RESOURCE
from topics.errors import TaplineError
from topics.records import Flow, Resource

GEO = Path(__file__).parents[4] / "shared" / "geoip"
with_geo = pytest.mark.skipif(not GEO.is_dir(), reason=f"MaxMind's test databases are not there: {GEO}")
CITY, COUNTRY, ASN = (str(GEO / f"GeoLite2-{name}-Test.mmdb") for name in ("City", "Country", "ASN"))

LONDON, TELSTRA = "81.2.69.142", "1.128.0.1"

MANUF = """\
# Wireshark's list
00:00:0C\tCisco\tCisco Systems, Inc
00:1B:C5\tIEEERegi\tIEEE Registration Authority
00:1B:C5:00:10:00/36\tOpenRBco\tOpenRB.com, Direct SIA
"""
OUI = """\
Registry,Assignment,Organization Name,Organization Address
MA-L,00000C,"Cisco Systems, Inc",Somewhere
MA-L,001BC5,IEEE Registration Authority,Somewhere
MA-S,001BC5001,"OpenRB.com, Direct SIA",Somewhere
"""


def flow(**fields: object) -> Flow:
    given = {"id": "1", "time": 1, "source_ip": "10.1.2.3", "destination_ip": LONDON, "transport": "tcp"}
    return Flow(**(given | {"destination_port": 443} | fields))  # type: ignore[arg-type]


def through(settings: EnrichmentSettings, *flows: Flow) -> list[Flow]:
    """What flows become on their way."""

    def run(sink: Sink) -> None:
        for each in flows:
            sink.put(FLOW, each.community_id, each, 60)

    (source,) = enriched([ScriptedSource("x", run)], settings)
    sink = KeepingSink()
    source.run(sink)
    return sink.flows


@with_geo
def test_countries_cities_and_autonomous_systems() -> None:
    settings = EnrichmentSettings(geo_files=[ASN, CITY])
    first, second = through(settings, flow(), flow(source_ip=TELSTRA, destination_ip="2001:220::1"))
    assert (first.source_country, first.destination_country, first.destination_city) == ("", "GB", "London")
    assert (second.source_as_number, second.source_as_organization) == (1221, "Telstra Pty Ltd")
    assert (second.destination_country, second.destination_as_number) == ("KR", 0)


@with_geo
def test_what_a_source_says_itself_stays() -> None:
    (told,) = through(EnrichmentSettings(geo_files=[COUNTRY]), flow(destination_country="NL"))
    assert told.destination_country == "NL"


@with_geo
def test_what_is_no_address_is_nowhere() -> None:
    (told,) = through(EnrichmentSettings(geo_files=[COUNTRY]), flow(source_ip="", destination_ip="fe80::1%eth0"))
    assert (told.source_country, told.destination_country) == ("", "")


@with_geo
@pytest.mark.parametrize("name", ["GeoIP2-City-Test-Broken-Double-Format", "GeoIP2-City-Test-Invalid-Node-Count"])
def test_a_broken_database_is_told_in_one_line(name: str) -> None:
    settings = EnrichmentSettings(geo_files=[str(GEO / f"{name}.mmdb")])
    with pytest.raises(
        TaplineError, match=r"\.mmdb is no database of MaxMind's format, or it is broken: get it"
    ) as told:
        open_capture("lo", CaptureSettings(depth="light", enrichment=settings))
    assert "\n" not in str(told.value)


def test_names_of_networks_and_the_direction() -> None:
    settings = EnrichmentSettings(
        sites={"10.0.0.0/8": "Berlin", "10.9.0.0/16": "Bern"},
        subnets={"10.1.0.0/16": "clients", "10.1.2.0/24": "first floor"},
        local_networks=["10.0.0.0/8", "2001:db8::/32"],
    )
    ends = [("10.1.2.3", LONDON), ("10.9.1.1", "2001:db8::1"), (LONDON, "10.1.9.9"), (LONDON, TELSTRA)]
    told = through(settings, *(flow(source_ip=source, destination_ip=destination) for source, destination in ends))
    assert [each.direction for each in told] == ["outbound", "internal", "inbound", "external"]
    assert (told[0].source_site, told[0].source_subnet, told[0].destination_site) == ("Berlin", "first floor", "")
    assert (told[1].source_site, told[1].source_subnet) == ("Bern", "")
    assert (told[2].destination_site, told[2].destination_subnet) == ("Berlin", "clients")


@pytest.mark.parametrize(("name", "text"), [("manuf", MANUF), ("oui.csv", OUI)])
def test_who_made_a_card(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    settings = EnrichmentSettings(vendors_file=str(tmp_path / name))
    first, second = through(
        settings,
        flow(source_mac="00:00:0c:11:22:33", destination_mac="00:1b:c5:00:1f:ff"),
        flow(source_mac="00:1b:c5:00:2f:ff", destination_mac="02:00:00:00:00:01"),
    )
    assert (first.source_vendor, first.destination_vendor) == ("Cisco Systems, Inc", "OpenRB.com, Direct SIA")
    assert (second.source_vendor, second.destination_vendor) == ("IEEE Registration Authority", "")


def test_the_list_that_comes_with_wireshark() -> None:
    path = Path("/usr/share/wireshark/manuf")
    if not path.is_file():
        pytest.skip("this machine has no list of Wireshark's")
    vendors = Vendors(str(path))
    assert len(vendors) > 10_000
    assert vendors.find("00:00:0c:01:02:03").startswith("Cisco")


def test_what_a_port_is_registered_for(tmp_path: Path) -> None:
    (tmp_path / "services").write_text("# comment\nhttps 443/tcp # web\nhttps\t443/udp\nwww 80/tcp http\n")
    settings = EnrichmentSettings(services_file=str(tmp_path / "services"))
    told = through(settings, flow(), flow(destination_port=80), flow(destination_port=81), flow(transport="sctp"))
    assert [each.service for each in told] == ["https", "www", "", ""]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"geo_files": ["{folder}/none.mmdb"]}, "cannot read .*none.mmdb: .*: name a file"),
        ({"geo_files": ["{folder}/text"]}, "text is no database of MaxMind's format"),
        ({"vendors_file": "{folder}/none"}, "cannot read .*none: No such file"),
        ({"vendors_file": "{folder}/text"}, "text:1: no vendor of a MAC address"),
        ({"vendors_file": "{folder}/empty"}, "empty names no vendor"),
        ({"services_file": "{folder}/text"}, "text:1: no service"),
        ({"services_file": "{folder}/empty"}, "empty names no service"),
        ({"subnets": {"10.0.0.0/33": "x"}}, "capture.enrichment.subnets: '10.0.0.0/33' is no address or network"),
        ({"local_networks": ["home"]}, "capture.enrichment.local_networks: 'home' is no address"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, settings: dict[str, object], problem: str) -> None:
    (tmp_path / "text").write_text("no list at all\n")
    (tmp_path / "empty").write_text("")
    filled = {
        key: [each.format(folder=tmp_path) for each in value]
        if isinstance(value, list)
        else value.format(folder=tmp_path)
        if isinstance(value, str)
        else value
        for key, value in settings.items()
    }
    with pytest.raises(TaplineError, match=problem):
        enriched([], EnrichmentSettings(**filled))  # type: ignore[arg-type]


def replaced(path: Path, text: str) -> None:
    """Put another file in a file's place, as whoever fetches a new one does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def test_files_that_change_are_read_again_and_broken_ones_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "services"
    path.write_text("one 443/tcp\n")

    def run(sink: Sink) -> None:
        for at, text in enumerate(("two 443/tcp\n", "broken", "three 443/tcp\n")):
            sink.put(FLOW, "", flow(), 60 * at)
            replaced(path, text)
            sink.put(FLOW, "", flow(), 60 * at)
            sink.advance("x", 60 * at)
        path.unlink()
        sink.put(FLOW, "", flow(), 180)
        sink.advance("x", 180)
        sink.put(FLOW, "", flow(), 240)
        sink.advance("x", 240)

    (source,) = enriched([ScriptedSource("x", run)], EnrichmentSettings(services_file=str(path)))
    sink = KeepingSink()
    with caplog.at_level(logging.INFO, "tapline.capture"):
        source.run(sink)
    assert [each.service for each in sink.flows] == ["one", "one", "two", "two", "two", "two", "three", "three"]
    assert sink.counts["files-read-again"] == 2
    assert sink.counts["files-not-read"] == 2
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told[0] == f"{path}:1: no service: write them as `https 443/tcp`; what was read of it before stays in force"
    assert len(told) == 2


@with_geo
def test_a_database_that_is_replaced_by_a_broken_one_stays_in_force(tmp_path: Path) -> None:
    path = tmp_path / "geo.mmdb"
    shutil.copy(COUNTRY, path)

    def run(sink: Sink) -> None:
        shutil.copy(GEO / "GeoIP2-City-Test-Broken-Double-Format.mmdb", tmp_path / "new")
        (tmp_path / "new").replace(path)
        sink.advance("x", 0)
        sink.put(FLOW, "", flow(), 60)
        shutil.copy(ASN, tmp_path / "new")
        (tmp_path / "new").replace(path)
        sink.advance("x", 60)
        sink.put(FLOW, "", flow(source_ip=TELSTRA), 120)

    (source,) = enriched([ScriptedSource("x", run)], EnrichmentSettings(geo_files=[str(path)]))
    sink = KeepingSink()
    source.run(sink)
    first, second = sink.flows
    assert first.destination_country == "GB"
    assert (second.destination_country, second.source_as_number) == ("", 1221)


@with_geo
def test_a_record_that_is_broken_is_counted_and_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capture.enrichment.geo._TRIED", 0)
    broken = GeoFile(str(GEO / "GeoIP2-City-Test-Broken-Double-Format.mmdb"))
    assert broken.find(LONDON).country == ""
    assert broken.broken == 1
    assert broken.find("no address").country == ""
    assert broken.broken == 1


def test_everything_but_flows_passes_as_it_is() -> None:
    resource = Resource(id="r", time=1, group="dns", source_ip="10.0.0.1")

    def run(sink: Sink) -> None:
        sink.put(RESOURCE, "k", resource, 60)
        sink.count("x", "lines", 3)

    inner = ScriptedSource("x", run)
    (source,) = enriched([inner], EnrichmentSettings(local_networks=["10.0.0.0/8"]))
    assert isinstance(source, EnrichedSource)
    sink = KeepingSink()
    source.run(sink)
    assert sink.put_all[0].record is resource
    assert sink.counts["lines"] == 3
    assert source.name == "x"
    source.stop()
    assert inner.stopped


def test_whether_what_was_put_is_safe_is_asked_of_who_knows() -> None:
    class Knowing(KeepingSink):
        def send_all(self) -> int:
            return 7

        def is_safe(self, number: int) -> bool:
            return number != 7

    told: list[bool] = []

    def run(sink: Sink) -> None:
        assert isinstance(sink, Settling)
        told.append(sink.is_safe(sink.send_all()))

    (source,) = enriched([ScriptedSource("x", run)], EnrichmentSettings(local_networks=["10.0.0.0/8"]))
    source.run(Knowing())
    source.run(KeepingSink())
    assert told == [False, True]


def test_without_settings_nothing_stands_between() -> None:
    source = ScriptedSource("x", lambda _: None)
    assert enriched([source], EnrichmentSettings()) == [source]


def test_the_services_of_this_machine() -> None:
    path = Path("/etc/services")
    if not path.is_file():
        pytest.skip("this machine has no /etc/services")
    assert read_services(str(path))["tcp", 443] == "https"
