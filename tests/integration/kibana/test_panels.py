"""Every panel asks for something that the demo has."""

from __future__ import annotations

import pytest

from exporters.kibana.saved_objects import SavedObject, saved_objects
from tests.integration.kibana.demo import Demo
from tests.kibana.requests import rows, search

PANELS = [each for each in saved_objects() if each["type"] in {"lens", "search"}]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["id"])
def test_a_panel_has_rows(panel: SavedObject, demo: Demo) -> None:
    indices, body = search(panel, demo.namespace)
    found = rows(demo.ask(indices, body))
    assert found, f"{indices}: {body}"
    assert all(value is not None for row in found[:1] for value in row), found[:1]


def test_a_panel_of_nothing_has_no_rows(demo: Demo) -> None:
    """So that what is shown above can fail, whatever a panel is."""
    of_each_kind = {each["attributes"].get("visualizationType"): each for each in PANELS if each["type"] == "lens"}
    assert len(of_each_kind) == 4
    for panel in of_each_kind.values():
        state = panel["attributes"]["state"] | {"query": {"query": 'event.id: "none"', "language": "kuery"}}
        indices, body = search(panel | {"attributes": panel["attributes"] | {"state": state}}, demo.namespace)
        assert rows(demo.ask(indices, body)) == []


def test_numbers_are_those_of_the_demo(demo: Demo) -> None:
    """The readme of the demo says how much was captured, and what happens in it."""
    panels = {each["id"]: each for each in PANELS}

    def of(name: str) -> list[list[object]]:
        indices, body = search(panels[name], demo.namespace)
        return rows(demo.ask(indices, body))

    assert of("tapline-overview-traffic") == [[803_840.0]]
    assert of("tapline-overview-largest-destinations")[0] == ["198.51.100.20", 392_197.0]
    assert of("tapline-pipeline-capture") == [["demo.pcap", 2_941.0, 811_156.0, 174.0, 0.0, 0.0]]
    assert of("tapline-pipeline-dead-letters") == [[2]], "one of the workers, one of the exporter"
    assert of("tapline-pipeline-announced") == of("tapline-pipeline-received")
    assert of("tapline-pipeline-missing") == [[0.0]]
    assert of("tapline-tls-flows-with-an-expired-certificate") == [[2]]
    assert of("tapline-tls-self-signed") == [[1]]
