"""Checks of what flows carry: DNS messages, URLs, TLS hellos, certificates, files, log-ins."""

from __future__ import annotations

from typing import ClassVar

from tapline.checks.base import Check
from tapline.checks.entities import Entity
from topics.records import Resource


class ResourceCheck(Check):
    """Sees the resources of one group: ``dns``, ``url``, ``tls``, ``x509``, ``file``, ``ssh``, ``smb``, ``login``.

    Without a group it sees all. ``local_only`` wants a local end. What it finds is told once for each client, server
    and ``subtype``, however often it is seen again.
    """

    group: ClassVar[str] = ""

    local_only: ClassVar[bool] = False

    def on_new_resource(self, resource: Resource) -> None:
        """A resource, as it comes."""

    def found(self, resource: Resource, message: str, *, subtype: str = "", on_server: bool = False) -> None:
        """Raise an alert about a resource, on its client, or on its server with ``on_server``."""
        entity, peer = resource.source_ip, resource.destination_ip
        if on_server:
            entity, peer = peer, entity
        about = Entity(kind="host", name=entity, is_local=self.is_local(entity))
        attributes = {"resource": resource.uri} if resource.uri else {}
        info = self.type_info(message, subtype=subtype or resource.uri[:200], peer=peer, attributes=attributes)
        self.runtime.store_alert(self, about, info, resource)
