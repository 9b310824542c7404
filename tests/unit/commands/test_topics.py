import pytest


@pytest.mark.parametrize("arguments", [["list"], ["create"], ["verify"], ["tail", "flow"]])
def test_without_kafka_one_line_says_what_to_do(tapline, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setattr("topics.admin._TIMEOUT", 0.3)
    result = tapline("topics", *arguments)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("tapline: cannot reach Kafka at 127.0.0.1:1")
    assert "`tapline up`" in result.err
    assert result.err.count("\n") == 1


def test_an_unknown_kind_is_wrong_usage(tapline) -> None:
    result = tapline("topics", "tail", "flows")
    assert result.code == 2
    assert "'flows' is none of flow, metric" in result.err
