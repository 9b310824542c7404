"""Elasticsearch: ECS documents in data streams."""

from exporters.elasticsearch.documents import DOCUMENTS, EXPORTED, document, encode_document

__all__ = ["DOCUMENTS", "EXPORTED", "document", "encode_document"]
