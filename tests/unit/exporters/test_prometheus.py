"""Counters for Prometheus, as Prometheus' own parser reads them."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from exporters.prometheus.metrics import DISPLACED, DROPPED, TAKEN
from exporters.prometheus.settings import Choice, PrometheusSettings
from exporters.prometheus.values import Values, metric_name
from topics.records import Metric

NOW = 1_800_000_000.0


def total(key: str, window: int = 60, group: str = "Hosts", stream: str = "live", **meters: float) -> Metric:
    return Metric(
        id=key, time=0, group=group, key=key, meters=meters or {"bytes": 1}, window=window, stream=stream, source="flow"
    )


def scraped(values: Values) -> dict[tuple[str, str], float]:
    """What a scrape shows, by metric and key."""
    registry = CollectorRegistry()
    registry.register(values)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(each.name, each.labels["key"]): each.value for family in families for each in family.samples}


def dropped(reason: str) -> float:
    return DROPPED.labels(reason)._value.get()


def test_the_newest_window_is_shown() -> None:
    values = Values(PrometheusSettings(counters=[Choice(group="Hosts")]))
    before, older = TAKEN._value.get(), dropped("older")
    values.take(total("a", 60, bytes=1), NOW, NOW)
    values.take(total("a", 120, bytes=7.5), NOW, NOW)
    values.take(total("a", 60, bytes=1), NOW, NOW)
    assert scraped(values) == {("tapline_counter_hosts_bytes", "a"): 7.5}
    assert (TAKEN._value.get() - before, dropped("older") - older) == (2, 1)


def test_only_what_was_chosen_is_shown_and_the_rest_is_counted() -> None:
    values = Values(
        PrometheusSettings(counters=[Choice(group="Hosts", keys=["10.*"], meters=["bytes*"]), Choice(group="App*")])
    )
    before, other_stream = dropped("not-chosen"), dropped("stream")
    values.take(total("10.0.0.1", bytes_in=1, flows=2), NOW, NOW)
    values.take(total("192.0.2.1", bytes_in=1), NOW, NOW)
    values.take(total("10.0.0.2", flows=1), NOW, NOW)
    values.take(total("DNS", group="Applications", flows=3), NOW, NOW)
    values.take(total("x", group="Other"), NOW, NOW)
    values.take(total("10.0.0.3", stream="a.pcap"), NOW, NOW)
    assert scraped(values) == {
        ("tapline_counter_hosts_bytes_in", "10.0.0.1"): 1,
        ("tapline_counter_applications_flows", "DNS"): 3,
    }
    assert (dropped("not-chosen") - before, dropped("stream") - other_stream) == (3, 1)


def test_the_largest_keys_of_a_group_are_shown_whatever_came_first() -> None:
    values = Values(PrometheusSettings(counters=[Choice(group="*", meters=["bytes_in", "*"], most_keys=3)]))
    for number in range(100):
        values.take(total(f"host-{number}", bytes=1000 - number, bytes_in=number * 37 % 100), NOW, NOW)
    largest = sorted(range(100), key=lambda number: number * 37 % 100)[-3:]
    assert {key for _, key in scraped(values)} == {f"host-{number}" for number in largest}
    values.take(total("host-0", window=120, bytes=1, bytes_in=500), NOW, NOW)
    assert scraped(values)[("tapline_counter_hosts_bytes_in", "host-0")] == 500


def test_a_key_that_was_small_for_a_window_comes_back_and_what_is_too_many_is_counted() -> None:
    values = Values(PrometheusSettings(counters=[Choice(group="*", most_keys=2)]))
    before = DISPLACED.labels("Hosts")._value.get()
    for key, size in (("a", 5), ("b", 4), ("c", 3)):
        values.take(total(key, bytes=size), NOW, NOW)
    assert {key for _, key in scraped(values)} == {"a", "b"}
    values.take(total("a", window=120, bytes=1), NOW, NOW)
    assert {key for _, key in scraped(values)} == {"b", "c"}
    for key, size in (("d", 9), ("e", 8)):
        values.take(total(key, bytes=size), NOW, NOW)
    assert {key for _, key in scraped(values)} == {"d", "e"}
    assert DISPLACED.labels("Hosts")._value.get() - before == 3


def test_each_choice_of_a_group_has_keys_of_its_own() -> None:
    values = Values(
        PrometheusSettings(counters=[Choice(group="Hosts", keys=["10.*"], most_keys=1), Choice(group="Hosts")])
    )
    for key in ("10.0.0.1", "10.0.0.2", "192.0.2.1", "192.0.2.2"):
        values.take(total(key, bytes=int(key[-1])), NOW, NOW)
    assert {key for _, key in scraped(values)} == {"10.0.0.2", "192.0.2.1", "192.0.2.2"}


def test_what_is_no_longer_counted_goes() -> None:
    values = Values(PrometheusSettings(counters=[Choice(group="*")], stale_seconds=300))
    values.take(total("a"), NOW, NOW)
    values.take(total("b"), NOW + 100, NOW + 100)
    values.expire(NOW + 299)
    assert {key for _, key in scraped(values)} == {"a", "b"}
    values.expire(NOW + 300)
    assert {key for _, key in scraped(values)} == {"b"}
    values.take(total("old"), NOW, NOW + 300)
    assert {key for _, key in scraped(values)} == {"b"}, "what was counted too long ago is not shown at all"


def test_names_keep_the_conventions_and_any_text_is_a_label() -> None:
    assert metric_name("TLS Versions!", "Bytes-In") == "tapline_counter_tls_versions_bytes_in"
    values = Values(PrometheusSettings(counters=[Choice(group="*")]))
    values.take(total('a"\\\nä', group="Group 1", bytes=1), NOW, NOW)
    values.take(total("b", group="group-1", bytes=2), NOW, NOW)
    assert scraped(values) == {
        ("tapline_counter_group_1_bytes", 'a"\\\nä'): 1,
        ("tapline_counter_group_1_bytes", "b"): 2,
    }
