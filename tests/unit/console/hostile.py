"""What somebody could put into traffic to do harm to whoever looks at it."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from exporters.elasticsearch.documents import document
from topics.catalog import DEAD, FLOW, NOTIFICATION, RESOURCE
from topics.records import Alert, DeadLetter, Dns, Flow, Resource

HOSTILE = (
    "<script>window.harmed=1;alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"
    "\x1b[31m\u202egnp.exe\x00\x07" + "A" * 4000
)


@cache
def hostile_documents() -> dict[str, dict[str, Any]]:
    """What the exporter makes of records in which everything that traffic chooses is hostile, by their kinds."""
    flow = Flow(
        id="r1",
        time=1,
        flow_id="f1",
        source_ip="192.0.2.1",
        destination_ip="192.0.2.2",
        application=HOSTILE,
        server_name=HOSTILE,
        source_country="XX",
        tags=[HOSTILE],
        reasons=[HOSTILE],
        risks=[HOSTILE],
        node=HOSTILE,
        record="final",
        end_reason=HOSTILE,
        score=10,
    )
    resource = Resource(
        id="d1", time=1, group="dns", uri=HOSTILE, source_ip="192.0.2.1", dns=Dns(type="query", query_name=HOSTILE)
    )
    alert = Alert(
        id="a1",
        time=1,
        type=HOSTILE,
        message=HOSTILE,
        entity=HOSTILE,
        peer=HOSTILE,
        script=HOSTILE,
        evidence=[HOSTILE],
        attributes={HOSTILE.replace("\0", ""): HOSTILE},
        event="stored",
        episode="e1",
    )
    letter = DeadLetter(
        id="l1", time=1, topic=HOSTILE, partition=0, offset=0, reason=HOSTILE, stage=HOSTILE, error=HOSTILE
    )
    made = ((FLOW, flow), (RESOURCE, resource), (NOTIFICATION, alert), (DEAD, letter))
    return {topic.kind: msgspec.to_builtins(document(topic, record, "live", 1)) for topic, record in made}
