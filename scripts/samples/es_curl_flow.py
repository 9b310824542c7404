"""Send every flow of a window to Elasticsearch over HTTP, with the standard library alone.

The script makes the index ``trisul`` when it is loaded and the index is not there. At the end of each
window its flows go out in bulk requests, off the stream; a window is not done before they are
answered. The original starts one curl for each flow and holds the stream until that has ended.

A document is what ``tapline export elasticsearch`` writes, with the original's flat fields beside it
(``source_ip``, ``fwd_bytes`` …). A flow's bytes are those since its last document, so that sums are right.
Ids are the flow records' own: what is sent twice is there once. What cannot be sent is counted and
alerted on, but not sent again: to lose nothing, use the exporter. ``es_socket_flow`` does the same with
Elasticsearch's own client.
"""

import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping
from typing import Any

from exporters.elasticsearch.own_index import index_document, index_mappings
from tapline import CounterGroup, Flow, Meter, Params, SessionMonitor

BULK = 2000
"""Flows in one request, some megabytes."""

SENT = CounterGroup("Flows Sent", (Meter("flows"),), keys="outcome", description="what became of flows sent out")


class SendFlows(SessionMonitor):
    """Sends flows, and counts what came of it."""

    name = "es_curl_flow"
    group = "{99A78737-4B41-4387-8F31-8077DB917336}"

    class params(Params):
        """``url`` of Elasticsearch, the ``index``, and how many seconds a request may take."""

        url: str = "http://127.0.0.1:9200"
        index: str = "trisul"
        timeout: float = 4.0

    lines: list[bytes]
    window: int

    def on_load(self) -> bool:
        """Make the index; where that cannot be done, stay out of service."""
        url, timeout = f"{self.params.url}/{self.params.index}", self.params.timeout
        try:
            if request("HEAD", url, timeout)[0] == 404:
                status, answer = request("PUT", url, timeout, {"mappings": index_mappings()})
                # Somebody else, say another instance of this script, may have been faster.
                if status != 200 and "resource_already_exists" not in str(answer):
                    self.log.warning("%s cannot be made: %s", url, answer)
                    return False
        except OSError as error:
            self.log.warning("no Elasticsearch at %s (%s): set the parameter url", self.params.url, error)
            return False
        return True

    def on_begin_flush(self, window: int) -> None:
        """Begin a window with no documents."""
        self.lines = []
        self.window = window

    def on_flush(self, flow: Flow) -> None:
        """Make a flow's document: the line that names it, and the line that it is."""
        action = json.dumps({"create": {"_id": flow.id}}).encode()
        document = index_document(flow, self.stream, self.window, self.now)
        self.lines.append(action + b"\n" + document + b"\n")

    def on_end_flush(self, window: int) -> None:
        """Have the documents sent."""
        url = f"{self.params.url}/{self.params.index}/_bulk"
        for start in range(0, len(self.lines), BULK):
            lines = self.lines[start : start + BULK]
            self.run_async(send, url, b"".join(lines), len(lines), self.params.timeout, then=self.sent)

    def sent(self, outcomes: Mapping[str, int]) -> None:
        """Count, and say what failed."""
        for outcome, flows in outcomes.items():
            self.count(SENT, outcome, flows=flows)
        failed = {outcome: flows for outcome, flows in outcomes.items() if outcome not in ("written", "there already")}
        if failed:
            text = ", ".join(f"{flows} {outcome}" for outcome, flows in failed.items())
            self.alert("flows-not-sent", None, f"flows not in {self.params.url}: {text}", group="System", severity=5)


def send(url: str, body: bytes, flows: int, timeout: float) -> dict[str, int]:
    """Send one bulk request; how many flows came to what."""
    try:
        status, answer = request("POST", url, timeout, body)
    except OSError:
        return {"without an answer": flows}
    if status != 200:
        return {f"refused with status {status}": flows}
    outcomes: Counter[str] = Counter()
    for item in answer["items"]:
        result = item["create"]
        if result["status"] == 201:
            outcomes["written"] += 1
        else:
            outcomes["there already" if result["status"] == 409 else result["error"]["type"]] += 1
    return dict(outcomes)


def request(method: str, url: str, timeout: float, body: bytes | dict[str, Any] = b"") -> tuple[int, Any]:
    """Status and answer of a request; :class:`OSError` when none came."""
    kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    made = urllib.request.Request(url, data or None, {"Content-Type": kind}, method=method)  # noqa: S310 - our own URL
    try:
        with urllib.request.urlopen(made, timeout=timeout) as reply:  # noqa: S310 - as above
            text = reply.read()
            return reply.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode("utf-8", "replace")
