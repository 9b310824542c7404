"""Checks of flows: statuses and scores."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import ClassVar, Final, Literal

from msgspec import Struct

from tapline.checks.base import Check
from topics.records import Flow

MOST_SCORE: Final = 1024
"""Largest score that one status gives to a flow, its client or its server."""

Direction = Literal["", "inbound", "outbound", "internal", "external"]
"""From where to where a flow goes, seen from one's own networks (ECS ``network.direction``)."""


class FlowStatus(Struct, frozen=True, kw_only=True):
    """Something that can be said of a flow: ``number`` orders statuses of the same score, the lower first.

    ``score`` is what it counts for, of which the client gets ``client_share`` percent and the server the rest.
    """

    name: str
    number: int = 1000
    title: str = ""
    score: int = 100
    client_share: int = 50

    @property
    def client_score(self) -> int:
        """What it counts for the client."""
        return self.score * self.client_share // 100

    @property
    def server_score(self) -> int:
        """What it counts for the server."""
        return self.score - self.client_score


def is_unicast(flow: Flow) -> bool:
    """True when the flow goes to one host: neither to a multicast address nor to one that looks like a broadcast."""
    return is_unicast_address(flow.destination_ip)


@lru_cache(maxsize=16_384)
def is_unicast_address(ip: str) -> bool:
    """True for the address of one host."""
    if ":" in ip:
        return not ip.lower().startswith("ff")
    first = ip.partition(".")[0]
    return not ip.endswith(".255") and not (first.isdigit() and 224 <= int(first) < 240)


class FlowCheck(Check):
    """Sees flows.

    ``l4_proto`` (``TCP``) and ``l7_proto`` (``SSH``) select them; ``three_way_handshake_ok`` leaves out TCP flows
    whose handshake was not seen whole; ``local_only`` wants a local end, ``direction`` says which of both are local:
    ``outbound`` (the client alone), ``inbound`` (the server alone), ``internal`` (both), ``external`` (none);
    ``risks`` selects flows that the engine says have one of these.

    ``status`` is what its findings are called; without one it is made from its name and score.
    """

    l4_proto: ClassVar[str] = ""
    l7_proto: ClassVar[str] = ""
    three_way_handshake_ok: ClassVar[bool] = False
    local_only: ClassVar[bool] = False
    direction: ClassVar[Direction] = ""
    risks: ClassVar[tuple[str, ...]] = ()
    status: ClassVar[FlowStatus | None] = None
    client_share: ClassVar[int] = 50

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        """Which of some flows that the attributes select the hooks are called with, in the same order: all of them.

        A check of which most flows are none of its business writes this: to look through a list costs a fraction of
        a call for each. It sees the flows of a message at once, and may not change anything.
        """
        return flows

    def protocol_detected(self, flow: Flow) -> None:
        """Once a flow: when its application is known, or at its end when it never was."""

    def status_changed(self, flow: Flow) -> None:
        """After a record in which another check has set a status that the flow did not have."""

    def periodic_update(self, flow: Flow) -> None:
        """Once a window for a flow that goes on."""

    def flow_end(self, flow: Flow) -> None:
        """A flow's last record."""

    def all(self, flow: Flow) -> None:
        """In the place of each hook that is not written."""

    @cached_property
    def default_status(self) -> FlowStatus:
        """The status of this check's findings."""
        return self.status or FlowStatus(
            name=self.script_name, title=self.gui.title, score=self.score, client_share=self.client_share
        )

    def set_status(
        self,
        flow: Flow,
        status: FlowStatus | None = None,
        info: str = "",
        *,
        score: int | None = None,
        client_score: int | None = None,
        server_score: int | None = None,
    ) -> None:
        """Say that something is so of a flow; scores are clamped to 0 to 1024, and a status counts once.

        What is found again with a higher score counts for that. Later hooks see the sum of all statuses in
        ``flow.score`` and their names in ``flow.reasons``. The client and the server get their shares in each window in
        which the flow has packets (counter group ``Scores``).
        """
        self.runtime.flow_status(
            self,
            flow,
            status or self.default_status,
            info,
            score,
            client_score,
            server_score,
            alerted=False,
            severity=0,
        )

    def trigger_status(
        self,
        flow: Flow,
        status: FlowStatus | None = None,
        info: str = "",
        *,
        score: int | None = None,
        client_score: int | None = None,
        server_score: int | None = None,
        severity: int = 0,
    ) -> None:
        """Set a status that is worth an alert; the shares of its client and server are 250 together at most.

        After all checks have seen the record, the one of the highest score is told (of those the one of the lowest
        number), if nothing as bad was told of this flow before. The alert is on the client, or on the server where
        that is blamed more, and names every reason of the flow's score with its part. ``severity`` (1 to 8) stands
        above the score's.
        """
        self.runtime.flow_status(
            self,
            flow,
            status or self.default_status,
            info,
            score,
            client_score,
            server_score,
            alerted=True,
            severity=severity,
        )
