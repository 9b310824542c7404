"""How the host is watched."""

from __future__ import annotations

from msgspec import Struct


class HostSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``capture.host:`` block.

    ``state_file`` keeps the counters as they were last read, so that what they count while the node is started again
    is not missing; empty for none.
    """

    state_file: str = ".tapline/capture-host.json"
