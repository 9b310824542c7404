"""The parts of a console, put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from console.data.pipeline import Backlog
from console.data.store import Store
from console.data.workshop import Workshop
from console.live.hub import Hub
from console.live.lag import Lag
from console.live.standing import Standing
from console.security.attempts import Attempts
from console.security.audit import Audit
from console.security.first_start import FirstStart
from console.security.openid import OpenId
from console.security.sessions import Sessions
from console.security.users import Users
from console.settings import ConsoleSettings
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.kibana.settings import KibanaSettings
from topics.settings import KafkaSettings


class Console:
    """All that answers are made of.

    ``backlog`` is asked what waits in Kafka, ``workshop`` knows scripts and rules, ``policy_files`` are those of the
    workers.
    """

    def __init__(
        self,
        settings: ConsoleSettings,
        kafka: KafkaSettings,
        elasticsearch: ElasticsearchSettings,
        kibana: KibanaSettings,
        backlog: Backlog,
        workshop: Workshop,
        policy_files: Sequence[str],
    ) -> None:
        folder = Path(settings.folder)
        self.settings = settings
        self.kafka = kafka
        self.kibana = kibana
        self.workshop = workshop
        self.policy_files = policy_files
        self.secure = bool(settings.certificate_file) or settings.public_url.startswith("https://")
        self.users = Users(folder)
        self.audit = Audit(folder)
        self.sessions = Sessions(settings.session_hours, settings.idle_minutes)
        self.attempts = Attempts()
        self.first_start = FirstStart()
        self.openid = OpenId(settings.openid, settings.timeout)
        self.hub = Hub()
        self.store = Store(elasticsearch, settings.timeout)
        self.standing = Standing(kafka, self.hub.tell)
        self.lag = Lag(backlog)

    def start(self) -> None:
        """Read the users and the trail, and begin to follow Kafka; nothing of that waits for other servers."""
        self.openid.check()
        self.users.load()
        self.audit.load()
        self.store.start()
        self.standing.start()

    def stop(self) -> None:
        """End everything that was started."""
        self.hub.close()
        self.standing.stop()
        self.store.close()
