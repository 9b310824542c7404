"""What a recipient was told, as far back as is remembered."""

from __future__ import annotations

from typing import Final

from exporters.recipients.notification import Notification
from exporters.recipients.routing import Routes
from topics.records import Alert

MOST_IDS: Final = 50_000
"""Most notifications that are known again."""

MOST_EPISODES: Final = 5_000
"""Most alerts that began and have not ended: what follows of others is decided on by itself."""


class Told:
    """The notifications a recipient got, by their ids, and the alerts it was told of that are not over."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._ids: dict[str, None] = {}
        self._episodes: dict[str, tuple[Alert, frozenset[int]]] = {}

    def __contains__(self, identity: str) -> bool:
        return identity in self._ids

    def alert_of(self, episode: str) -> Alert | None:
        """The alert of an episode that the recipient was told of and that is not over."""
        found = self._episodes.get(episode)
        return found[0] if found is not None else None

    def wants(self, notification: Notification) -> bool:
        """True when this is for the recipient; an alert it wants is one whose end it will be told of."""
        conditions = self._routes.fitting(notification) if notification.event != "acknowledged" else frozenset()
        episode = notification.alert.episode
        before = self._episodes.get(episode) if notification.event in ("changed", "released", "acknowledged") else None
        if before is not None and self._routes.following(notification, before[1]):
            conditions |= before[1]
        if not conditions:
            return False
        if notification.event in ("raised", "changed"):
            self._episodes.pop(episode, None)
            self._episodes[episode] = (notification.alert, conditions)
            if len(self._episodes) > MOST_EPISODES:
                del self._episodes[next(iter(self._episodes))]
        return True

    def add(self, notification: Notification) -> None:
        """The recipient was told."""
        self.add_id(notification.id)
        if notification.event == "released":
            self._episodes.pop(notification.alert.episode, None)

    def add_id(self, identity: str) -> None:
        """A notification of this id was dealt with."""
        self._ids[identity] = None
        if len(self._ids) > MOST_IDS:
            del self._ids[next(iter(self._ids))]
