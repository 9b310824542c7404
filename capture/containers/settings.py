"""Which Docker daemon is asked."""

from __future__ import annotations

from msgspec import Struct


class DockerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``capture.docker:`` block: ``socket`` is where the daemon listens, ``unix://PATH`` or ``tcp://HOST:PORT``."""

    socket: str = "unix:///var/run/docker.sock"
