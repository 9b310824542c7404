"""What a recipient was told, as far back as is remembered."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeVar

from exporters.recipients.notification import Notification
from exporters.recipients.routing import Routes
from topics.records import Alert

T = TypeVar("T")

MOST_IDS: Final = 50_000
"""Most notifications that are known again."""

MOST_EPISODES: Final = 5_000
"""Most alerts that began and have not ended: what follows of others is decided on by itself."""


class Told:
    """The notifications a recipient got, by their ids, and the alerts it was told of that are not over."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._conditions: OrderedDict[str, frozenset[int]] = OrderedDict()
        self._alerts: OrderedDict[str, Alert] = OrderedDict()

    def __contains__(self, identity: str) -> bool:
        return identity in self._ids

    def alert_of(self, episode: str) -> Alert | None:
        """The alert of an episode that the recipient was told of and that is not over."""
        return self._alerts.get(episode)

    def wants(self, notification: Notification) -> bool:
        """True when this is for the recipient; an alert it wants is one whose end it will be told of."""
        conditions = self._routes.fitting(notification) if notification.event != "acknowledged" else frozenset()
        episode = notification.alert.episode
        before = self._conditions.get(episode)
        if before is not None and notification.event != "raised" and self._routes.following(notification, before):
            conditions |= before
        if not conditions:
            return False
        if notification.event in ("raised", "changed"):
            _remember(self._conditions, episode, conditions, MOST_EPISODES)
        return True

    def add(self, notification: Notification) -> None:
        """The recipient was told."""
        _remember(self._ids, notification.id, None, MOST_IDS)
        episode = notification.alert.episode
        if notification.event in ("raised", "changed"):
            _remember(self._alerts, episode, notification.alert, MOST_EPISODES)
        elif notification.event == "released":
            self._conditions.pop(episode, None)
            self._alerts.pop(episode, None)


def _remember(memory: OrderedDict[str, T], key: str, value: T, most: int) -> None:
    """Put a value last, and forget the first where there are too many."""
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > most:
        memory.popitem(last=False)
