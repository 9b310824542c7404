"""A mirror: topics of one record a message, for other consumers of Kafka."""
