"""What a program could ask of the API by its description (OpenAPI), and some of what it could not."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from console.security.roles import ROLES
from console.web.access import CSRF_HEADER, cookie_name
from tests.unit.console.hostile import hostile_documents
from tests.unit.console.lab import NOTHING, Lab
from tests.unit.dead_letter_lab import PARTITIONS, Kafka
from topics import dead_deeds, dead_log

NOBODY = "nobody"
EXAMPLES = 10
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
quick = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A console with an alert, and answers in which everything that traffic chooses is hostile."""
    kafka = Kafka()
    monkeypatch.setattr(dead_log, "_records", kafka.records)
    monkeypatch.setattr(dead_log, "Producer", lambda _: kafka)
    monkeypatch.setattr(dead_deeds, "partition_counts", lambda _: PARTITIONS)
    monkeypatch.setattr("console.data.alert_deeds.write_releases", lambda *_: 1)
    made = Lab(tmp_path)
    made.written(monkeypatch)
    made.store.answer = answer
    made.engage(type="t", message="m", entity="192.0.2.1")
    return made


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("role", [NOBODY, *ROLES])
def test_whatever_is_asked_is_answered_as_described(role: str, mode: GenerationMode, lab: Lab) -> None:
    schema = schemathesis.openapi.from_dict(lab.app.openapi())
    schema.app = lab.app
    statuses: set[int] = set()
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:

        @quick
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Case) -> None:
            answered = case.call(base_url="http://127.0.0.1", headers=headers(lab, role))
            statuses.add(answered.status_code)
            case.validate_response(answered, checks=CHECKS)

        # What takes no parameter cannot be asked wrongly.
        with suppress(Unsatisfiable):
            ask()
    if role == NOBODY:
        assert statuses >= {401}
    else:
        assert statuses >= ({200} if mode is GenerationMode.POSITIVE else {422}), "not all was refused alike"


def headers(lab: Lab, role: str) -> dict[str, str]:
    """Those of a session that was just begun: what was asked before may have ended the last one."""
    user = lab.console.users.find(role)
    if user is None:
        return {}
    token, session = lab.console.sessions.open(user)
    return {"cookie": f"{cookie_name(lab.console)}={token}", CSRF_HEADER: session.csrf}


def answer(_what: str, question: dict[str, Any]) -> dict[str, Any]:
    """What Elasticsearch answers: every list holds every document, on its first page."""
    hits = [{"_source": each, "sort": ["1", "2"]} for each in hostile_documents().values()]
    everything = {"hits": {"hits": hits, "total": {"value": 3, "relation": "eq"}}, "id": "1"}
    return NOTHING if {"aggs", "search_after"} & question.keys() else everything
