"""What all integration tests share."""

from tests.integration.engines import elasticsearch, kafka

__all__ = ["elasticsearch", "kafka"]
