"""What this handler makes of the messages of a log.

A syslog handler gets the messages of one producer: of the application that wrote them, or as
`capture.syslog.producers` names who sends them.

Run it:  tapline scripts enable skeleton.py
"""

from tapline import Document, Entity, Gui, Params, SyslogHandler


class Skeleton(SyslogHandler):
    """Alerts on messages that are errors or worse, and counts all of them by host."""

    name = "skeleton"
    gui = Gui(title="Errors in logs")

    # Whose messages: an application's name, or "*" for all. Empty: this handler's name.
    producer = "*"
    category = "system"
    score = 50

    class params(Params):
        """Set them for all or for some addresses under `policy`."""

        worst: int = 3  # 0 emergency, 3 error, 7 debug

    def handle_event(self, message: str, host: str, priority: int, event: Document) -> None:
        """A message: its text, who sent it, its severity from 0 to 7, and its record."""
        self.count("Logs", host, messages=1)
        if priority <= self.params.worst:
            self.store_alert(Entity(kind="log", name=host), self.type_info(message, subtype=event.key))

    # def setup(self) -> bool | None:
    #     """Begin: read lists from `self.folder`. Return False to stay out of service."""

    # def teardown(self) -> None:
    #     """End: close what setup opened."""
