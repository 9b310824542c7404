"""What holds for an entity: the most specific, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapline.checks import HostCheck, Patience
from tapline.policy import CheckSettings, Override, Policy, Pool, Rule, Selector
from tapline.policy.effective import PolicyView
from tapline.policy.model import PatienceChange


class Watched(HostCheck):
    """Made for this test."""

    patience = Patience(for_runs=1, clear_runs=5)


def view(*overrides: Override, **settings: object) -> PolicyView:
    pools = {"lab": Pool(members=("10.1.0.0/16", "eth*", "AA:BB:CC:00:11:22"), tags=("noisy",))}
    return PolicyView(Policy(pools=pools, checks={"Watched": CheckSettings(overrides=overrides, **settings)}))  # type: ignore[arg-type]


def test_without_a_word_the_check_decides() -> None:
    found = PolicyView().effective(Watched, "min", "host", "10.0.0.1")
    assert (found.enabled, found.params, found.configuration, found.layers) == (True, {}, "default", ("default",))
    assert found.patience == Watched.patience
    assert PolicyView().is_uniform(Watched)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("10.1.2.3", "host"),
        ("10.1.2.9", "long prefix"),
        ("10.1.9.9", "pool"),
        ("10.9.9.9", "short prefix"),
        ("192.0.2.1", "all"),
        ("2001:db8::1", "all"),
    ],
)
def test_the_most_specific_wins_wherever_it_stands(name: str, expected: str) -> None:
    found = view(
        Override(match=Selector(host="10.1.2.3"), params={"who": "host"}),
        Override(match=Selector(network="10.1.2.0/24"), params={"who": "long prefix"}),
        Override(match=Selector(pool="lab"), params={"who": "pool"}),
        Override(match=Selector(tag="noisy"), params={"who": "tag"}),
        params={"who": "all"},
    )
    if expected == "short prefix":
        found = view(
            Override(match=Selector(network="10.0.0.0/8"), params={"who": "short prefix"}),
            Override(match=Selector(network="10.1.2.0/24"), params={"who": "long prefix"}),
            params={"who": "all"},
        )
    assert found.effective(Watched, "min", "host", name).params["who"] == expected


def test_layers_add_up_and_are_named() -> None:
    found = view(
        Override(match=Selector(tag="noisy"), patience=PatienceChange(for_runs=9), score=7),
        Override(match=Selector(host="10.1.2.3"), enabled=False, severity=3),
        Override(match=Selector(host="10.1.2.3"), hook="hour", params={"b": 2}),
        params={"a": 1},
    ).effective(Watched, "min", "host", "10.1.2.3")
    assert (found.enabled, found.params, found.score, found.severity) == (False, {"a": 1}, 7, 3)
    assert found.patience == Patience(for_runs=9, clear_runs=5)
    assert found.configuration == "checks/Watched/overrides[1]"
    assert found.layers == ("default", "checks/Watched", "checks/Watched/overrides[0]", "checks/Watched/overrides[1]")


def test_pools_hold_networks_patterns_and_addresses() -> None:
    found = view()
    assert found.pools_of("host", "10.1.255.255") == ("lab",)
    assert found.pools_of("interface", "eth3") == ("lab",)
    assert found.pools_of("host", "aa:bb:cc:00:11:22") == ("lab",)
    assert found.pools_of("host", "10.2.0.0") == ()
    assert found.selects(Selector(network="10.1.0.0/16"), "network", "10.1.3.0/24") > 0


def test_of_rules_that_share_a_question_the_most_specific_is_asked() -> None:
    rules = {
        "upload": Rule(name="upload", value=1),
        "upload/lab": Rule(name="upload/lab", value=2, select=Selector(network="10.1.0.0/16")),
        "off": Rule(name="off", enabled=False),
        "other": Rule(name="other", group="Apps"),
    }
    found = PolicyView(Policy(rules=rules))
    of_hosts = found.rules_for("Hosts")
    assert [key for key, _ in found.most_specific(of_hosts, "host", "10.1.2.3")] == ["upload/lab"]
    assert [key for key, _ in found.most_specific(of_hosts, "host", "10.2.2.3")] == ["upload"]
    assert found.rule_groups() == {"Hosts", "Apps"}


@given(st.lists(st.sampled_from(["10.1.2.0/24", "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0"]), min_size=1, unique=True))
def test_the_order_of_networks_does_not_matter(networks: list[str]) -> None:
    found = view(*(Override(match=Selector(network=network), params={"who": network}) for network in networks))
    longest = max(networks, key=lambda network: int(network.partition("/")[2]))
    assert found.effective(Watched, "min", "host", "10.1.2.3").params["who"] == longest
