"""Kafka and Elasticsearch themselves on this machine, without a container, a system Java or root.

``local.up`` starts both as child processes that outlive the command, on loopback; ``local.status``
and ``local.down`` find them again. ``kafka.Kafka`` and ``elasticsearch.Elasticsearch`` are the single
engines, for tests that restart or kill one; ``settings.ServicesSettings`` says where and how large.
The engines are fetched once for a user and checked against ``engines.lock``.

Nothing is imported here: reading the configuration loads this package for its settings alone.
"""
