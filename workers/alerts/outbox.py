"""What the alert engine has to publish: the states of conditions, and what people are told."""

from __future__ import annotations

from topics.catalog import ALERT, ALERT_STATE, NOTIFICATION
from topics.codec import Envelope, encode
from topics.partitions import partition_of
from topics.records import Alert, AlertState
from workers.environment import Environment
from workers.windows.lineage import stage_name
from workers.windows.outbox import Outgoing


class AlertOutbox:
    """The messages of one partition of the alert topic, until they are drained."""

    def __init__(self, environment: Environment, partition: int) -> None:
        self._environment = environment
        self._partition = partition
        self._node = stage_name(ALERT, partition, "")
        self._states: list[Outgoing] = []
        self._notifications: list[Outgoing] = []

    def put(self, identity: str, stream: str, window: int, record: AlertState | None) -> None:
        """A condition stands so from now on; ``None`` where it is forgotten."""
        envelope = Envelope(ALERT_STATE.schema, self._node, stream, window, 0, 1)
        partition = self._partition % self._environment.partitions[ALERT_STATE.kind]
        body = None if record is None else encode([record])
        self._states.append(Outgoing(ALERT_STATE, partition, envelope, body, identity.encode()))

    def notify(self, notification: Alert) -> None:
        """People are told of this."""
        partitions = self._environment.partitions[NOTIFICATION.kind]
        partition = partition_of(f"{notification.type}\x00{notification.entity}", partitions)
        envelope = Envelope(NOTIFICATION.schema, self._node, notification.stream, notification.window, 0, 1)
        self._notifications.append(Outgoing(NOTIFICATION, partition, envelope, encode([notification])))

    def drain(self) -> list[Outgoing]:
        """All of it, states before the notifications that follow from them."""
        if not self._states and not self._notifications:
            return []
        drained = self._states + self._notifications
        self._states, self._notifications = [], []
        return drained
