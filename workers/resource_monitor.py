"""Resources: DNS names, URLs, TLS sessions, certificates, files."""

from __future__ import annotations

from tapline.groups import ResourceGroup
from tapline.monitors import ResourceMonitor
from workers.item_monitor import ItemCore


class ResourceCore(ItemCore):
    """The resource monitor of one partition."""

    base = ResourceMonitor
    new_hook = "on_new_resource"
    groups = ResourceGroup
