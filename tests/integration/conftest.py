"""What all integration tests share."""

from tests.integration.engines import elasticsearch, kafka, shared_elasticsearch, shared_kafka

__all__ = ["elasticsearch", "kafka", "shared_elasticsearch", "shared_kafka"]
