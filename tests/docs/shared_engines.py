"""Engines that pages of the documentation share, each page finding them as if they had just been started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from tapline.services import local
from tapline.services.engine import Engine
from tests.integration.engines import engine_folder, engine_settings
from tests.waiting import wait_for

_TIMEOUT = 30.0


class SharedEngines:
    """Both engines below one folder, as `tapline up` starts them. Pages may write into Kafka alone."""

    def __init__(self, folder: Path, kafka: Engine, elasticsearch: Engine) -> None:
        self.environment = {
            "TAPLINE_SERVICES__FOLDER": str(folder / ".tapline"),
            "TAPLINE_SERVICES__KAFKA_PORT": str(kafka.port),
            "TAPLINE_SERVICES__ELASTICSEARCH_PORT": str(elasticsearch.port),
        }
        self.kafka_port, self.elasticsearch_port = kafka.port, elasticsearch.port
        self._admin = AdminClient({"bootstrap.servers": kafka.address})

    def clear(self) -> None:
        """Forget all topics and consumer groups."""
        wait_for(self._is_empty, "Kafka to forget what the page before has left", seconds=120, every=0.1)

    def _is_empty(self) -> bool:
        """True when there is nothing left; what is there is asked to go."""
        topics = [name for name in self._admin.list_topics(timeout=_TIMEOUT).topics if not name.startswith("__")]
        groups = self._admin.list_consumer_groups(request_timeout=_TIMEOUT).result().valid or []
        idle = [each.group_id for each in groups if each.state == ConsumerGroupState.EMPTY]
        for asked in (
            self._admin.delete_topics(topics, request_timeout=_TIMEOUT) if topics else {},
            self._admin.delete_consumer_groups(idle, request_timeout=_TIMEOUT) if idle else {},
        ):
            for future in asked.values():
                future.exception(_TIMEOUT)
        return not topics and not groups


@contextmanager
def shared_engines() -> Iterator[SharedEngines]:
    """The engines, for as long as pages need them."""
    with engine_folder() as folder:
        settings = engine_settings(folder)
        try:
            kafka, elasticsearch = local.up(settings, lambda _: None)
            yield SharedEngines(folder, kafka, elasticsearch)
        finally:
            local.down(settings, lambda _: None)
