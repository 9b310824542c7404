import uuid

import pytest

from tapline.services import kafka
from tapline.services.kafka import Kafka
from tests.integration.engines import engine_folder, engine_settings, running


def test_a_cluster_id_that_begins_with_a_hyphen_is_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka.uuid, "uuid4", lambda: uuid.UUID(bytes=b"\xfb" + b"\xff" * 15))
    with engine_folder() as folder, running(Kafka(engine_settings(folder))) as engine:
        properties = (folder / ".tapline/kafka/data/meta.properties").read_text(encoding="utf-8")
        assert "cluster.id=-" in properties
        assert engine.status().ready
