"""Syslog: what hosts say of themselves, and Suricata's events as its EVE output sends them."""

import json
import re
from typing import Any

from tapline import Params
from tapline.checks import Entity, Gui, SyslogHandler
from tapline.checks.alert_types import LOG_EVENT
from tapline.checks.gui import NumberInput
from topics.records import Document

NUMBERS = re.compile(r"\d+")

LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
"""The severities of syslog (RFC 5424)."""


class HostLog(SyslogHandler):
    """A host logs something of a level that matters: notice or worse."""

    name = "host_log"
    producer = "*"
    gui = Gui(title="Host log", inputs=(NumberInput(param="level", minimum=0, maximum=7),))
    alert_type = LOG_EVENT
    category = "system"

    class params(Params):
        """``level`` is the least bad that is told, 0 (emergency) to 7 (debug)."""

        level: int = 5

    def handle_event(self, message: str, host: str, priority: int, event: Document) -> None:
        if priority > self.params.level or event.key == "suricata":
            return
        severity = 5 if priority <= 3 else 4 if priority == 4 else 3
        score = 100 if priority <= 3 else 50 if priority == 4 else 10
        entity = Entity(kind="log", name=host, is_local=self.is_local(host))
        # One kind of message is one alert, whatever numbers it holds.
        kind = NUMBERS.sub("#", message)[:120]
        application = event.syslog.application if event.syslog else event.key
        info = self.type_info(
            f"{application}: {message[:400]}",
            subtype=f"{application}: {kind}",
            score=score,
            severity=severity,
            attributes={"level": LEVELS[priority], "application": application},
        )
        self.store_alert(entity, info)


class Suricata(SyslogHandler):
    """Suricata's EVE events over syslog: counts them by type, and alerts on those that say so.

    Capture nodes decode EVE into flows, alerts and resources already. This handler is for the raw lines
    (``capture.syslog.eve_documents``), as ntopng's of this name.
    """

    name = "suricata"
    default_enabled = False
    gui = Gui(title="Suricata")

    def handle_event(self, message: str, host: str, priority: int, event: Document) -> None:
        try:
            found: Any = json.loads(message)
        except ValueError:
            self.count("Suricata", "unreadable", events=1)
            return
        kind = found.get("event_type") if isinstance(found, dict) else None
        if not isinstance(kind, str):
            self.count("Suricata", "unreadable", events=1)
            return
        self.count("Suricata", kind, events=1)
        alert = found.get("alert")
        if kind == "alert" and isinstance(alert, dict):
            source, destination = str(found.get("src_ip", "")), str(found.get("dest_ip", ""))
            worst = alert.get("severity") == 1
            info = self.type_info(
                str(alert.get("signature", "")),
                subtype=str(alert.get("signature_id", "")),
                score=100 if worst else 50,
                peer=destination,
            )
            self.store_alert(Entity(kind="host", name=source, is_local=self.is_local(source)), info)
