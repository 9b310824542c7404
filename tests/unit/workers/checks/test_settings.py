"""Parameters of checks: of their class, of the configuration, of the policy; and for which flows."""

from __future__ import annotations

import pytest

from tapline import Flow, FlowCheck, Items, Params, Threshold
from tapline.policy.model import CheckSettings, Override, Policy, Pool, Selector
from tests.unit.workers.checks.flows import CLIENT, SERVER, Checked, flow


class Large(FlowCheck):
    """Tells its threshold with each flow."""

    default_value = "large;gt;50"
    score = 40

    def flow_end(self, flow: Flow) -> None:
        print(flow.flow_id, self.params.operator, self.params.threshold)
        if self.params.crossed(flow.delta_source_packets):
            self.trigger_status(flow)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def settings(*overrides: Override, **given: object) -> Policy:
    return Policy(checks={"Large": CheckSettings(overrides=overrides, **given)})  # type: ignore[arg-type]


def test_a_default_value_is_a_text_or_a_mapping_and_makes_the_parameters() -> None:
    class Listed(FlowCheck):
        default_value = {"items": ["DE", "FR"]}  # noqa: RUF012 - as people write it

    class Own(FlowCheck):
        class params(Threshold):
            minutes: int = 5

        default_value = "own;lt;3"

    class Plain(FlowCheck):
        class params(Params):
            seconds: float = 1.0

        default_value = {"seconds": 2}  # noqa: RUF012

    assert Large.params == Threshold(operator="gt", threshold=50)
    assert Listed.params == Items(items=("DE", "FR"))
    assert (Own.params.operator, Own.params.threshold, Own.params.minutes) == ("lt", 3.0, 5)
    assert Plain.params.seconds == 2.0
    assert type(Large.params) is Large.params_type


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("large;gt", "key;operator;value"),
        ("large;gt;much", "key;operator;value"),
        ("large;ge;5", "ge"),
        ({"threshold": "much"}, "Expected `float`"),
        ({"items": 5}, "items"),
        ({"limit": 5}, "unknown field `limit`"),
        (7, "or a mapping"),
    ],
)
def test_a_default_value_that_is_none_says_so_where_the_class_is_made(value: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        type("Wrong", (FlowCheck,), {"default_value": value})


def test_the_configuration_sets_parameters_and_leaves_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    Checked(Large, [flow("one")], params={"Large": {"threshold": 7}})
    assert said(capsys) == ["one gt 7.0"]


def test_the_policy_stands_above_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    checked = Checked(
        Large,
        [flow("one", delta_source_packets=4)],
        settings(params={"threshold": 3}, score=200, severity=2),
        params={"Large": {"threshold": 7, "operator": "gt"}},
    )
    assert said(capsys) == ["one gt 3.0"]
    (alert,) = checked.alerts
    assert (alert.score, alert.severity, alert.configuration) == (200, 2, "checks/Large")


def test_a_check_that_is_off_sees_nothing_and_one_that_is_off_by_default_can_be_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Optional(Large):
        name = "Large"
        default_enabled = False

    Checked(Large, [flow("one")], settings(enabled=False))
    Checked(Optional, [flow("one")])
    assert said(capsys) == []
    Checked(Optional, [flow("one")], settings(enabled=True))
    assert said(capsys) == ["one gt 50.0"]


def test_what_is_set_for_an_address_holds_for_flows_from_it_and_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    policy = settings(Override(match=Selector(host=SERVER), params={"threshold": 1}, score=150))
    other = "198.51.100.7"
    flows = [
        flow("from", source_ip=SERVER, destination_ip=other),
        flow("to"),
        flow("neither", destination_ip=other, delta_source_packets=99),
    ]
    checked = Checked(Large, flows, policy)
    assert said(capsys) == ["from gt 1.0", "to gt 1.0", "neither gt 50.0"]
    assert {alert.flow_id: (alert.score, alert.configuration) for alert in checked.alerts} == {
        "from": (150, "checks/Large/overrides[0]"),
        "to": (150, "checks/Large/overrides[0]"),
        "neither": (40, "checks/Large"),
    }


def test_of_both_ends_the_more_specific_entry_holds(capsys: pytest.CaptureFixture[str]) -> None:
    policy = Policy(
        pools={"servers": Pool(members=("198.51.100.0/24",))},
        checks={
            "Large": CheckSettings(
                overrides=(
                    Override(match=Selector(pool="servers"), params={"threshold": 1}),
                    Override(match=Selector(network="10.0.0.0/8"), params={"threshold": 2}),
                    Override(match=Selector(host="198.51.100.9"), params={"threshold": 3}),
                    Override(match=Selector(network="10.9.0.0/16"), enabled=False),
                )
            )
        },
    )
    flows = [
        flow("network before pool", destination_ip="198.51.100.1"),
        flow("host before network", destination_ip="198.51.100.9"),
        flow("pool alone", source_ip="203.0.113.1", destination_ip="198.51.100.1"),
        flow("off", source_ip="10.9.0.1", destination_ip="198.51.100.1"),
        flow("on for the host", source_ip="10.9.0.1", destination_ip="198.51.100.9"),
        flow("none", source_ip="203.0.113.1", destination_ip="203.0.113.2"),
    ]
    Checked(Large, flows, policy)
    assert said(capsys) == [
        "network before pool gt 2.0",
        "host before network gt 3.0",
        "pool alone gt 1.0",
        "on for the host gt 3.0",
        "none gt 50.0",
    ]


def test_parameters_that_do_not_fit_are_told_once_and_leave_those_there_are(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    Checked(Large, [flow("one"), flow("two")], settings(params={"threshold": "much"}))
    assert said(capsys) == ["one gt 50.0", "two gt 50.0"]
    told = [record.getMessage() for record in caplog.records if "Large" in record.getMessage()]
    assert len(told) == 1
    assert "checks/Large: Expected `float`" in told[0]


def test_who_is_asked_first_is_the_client(capsys: pytest.CaptureFixture[str]) -> None:
    policy = settings(
        Override(match=Selector(host=SERVER), params={"threshold": 1}),
        Override(match=Selector(host=CLIENT), params={"threshold": 2}),
    )
    Checked(Large, [flow("one")], policy)
    assert said(capsys) == ["one gt 2.0"]
