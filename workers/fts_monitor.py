"""Full text: HTTP headers, certificate chains, DNS dumps."""

from __future__ import annotations

from tapline.groups import DocumentGroup
from tapline.monitors import FullTextMonitor
from workers.item_monitor import ItemCore


class FullTextCore(ItemCore):
    """The fts monitor of one partition."""

    base = FullTextMonitor
    new_hook = "on_new_document"
    groups = DocumentGroup
