"""The questions of docs/how-to/query-flows.md answer what the page says, in both languages."""

from __future__ import annotations

from typing import Any

import pytest

from exporters.kibana.data_views import VIEWS
from tests.integration.kibana.demo import Demo
from tests.integration.kibana.queries import Question, lines, questions
from tests.kibana import kql

QUESTIONS = questions()


def here(question: Question, demo: Demo) -> str:
    """The indices of the test's own namespace."""
    everything = question.indices.endswith(".*")
    return f"{question.indices}-{demo.namespace}" if everything else f"{question.indices[:-1]}{demo.namespace}"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.title)
def test_the_answer_is_as_shown(question: Question, demo: Demo) -> None:
    assert lines(question, demo.ask(here(question, demo), question.body)) == question.answer


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.title)
def test_both_languages_mean_the_same_documents(question: Question, demo: Demo) -> None:
    def found(query: dict[str, Any]) -> set[str]:
        body = {"size": 10_000, "_source": False, "query": query}
        return {hit["_id"] for hit in demo.ask(here(question, demo), body)["hits"]["hits"]}

    assert found(kql.query(question.kql)) == found(question.body["query"])


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.title)
def test_the_data_view_is_of_these_indices_and_has_the_fields(question: Question) -> None:
    (view,) = [each for each in VIEWS if each.name == question.view]
    assert view.pattern == question.indices
    for name in kql.fields(question.kql):
        assert view.field_type(name)
