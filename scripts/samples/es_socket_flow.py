"""Send every flow of a window to Elasticsearch with its own client.

Does what ``es_curl_flow`` does, and makes the same documents in the same index; the client brings what
that one leaves out: several servers, pools of connections, credentials. It may be used from several
threads at once, so each bulk request is handed to one of them together with the client.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from elasticsearch import ApiError, Elasticsearch, TransportError

from exporters.elasticsearch.own_index import index_document, index_mappings
from tapline import CounterGroup, Flow, Meter, Params, SessionMonitor

BULK = 2000
"""Flows in one request, some megabytes."""

SENT = CounterGroup("Flows Sent", (Meter("flows"),), keys="outcome", description="what became of flows sent out")


class SendFlows(SessionMonitor):
    """Sends flows, and counts what came of it."""

    name = "es_socket_flow"
    group = "{99A78737-4B41-4387-8F31-8077DB917336}"

    class params(Params):
        """``url`` of Elasticsearch, the ``index``, and how many seconds a request may take."""

        url: str = "http://127.0.0.1:9200"
        index: str = "trisul"
        timeout: float = 4.0

    client: Elasticsearch | None = None
    operations: list[Any]
    window: int

    def on_load(self) -> bool:
        """Connect and make the index; where that cannot be done, stay out of service."""
        self.client = Elasticsearch(self.params.url, request_timeout=self.params.timeout, max_retries=0)
        try:
            if not self.client.indices.exists(index=self.params.index):
                self.client.indices.create(index=self.params.index, mappings=index_mappings())
        except ApiError as error:
            # Somebody else, say another instance of this script, may have been faster.
            if error.error != "resource_already_exists_exception":
                self.log.warning("index %s cannot be made: %s", self.params.index, error)
                return False
        except TransportError as error:
            self.log.warning("no Elasticsearch at %s (%s): set the parameter url", self.params.url, error)
            return False
        return True

    def on_unload(self) -> None:
        """Close the connections."""
        if self.client is not None:
            self.client.close()

    def on_begin_flush(self, window: int) -> None:
        """Begin a window with no documents."""
        self.operations = []
        self.window = window

    def on_flush(self, flow: Flow) -> None:
        """Make a flow's document, after the line that names it."""
        self.operations.append({"create": {"_id": flow.id}})
        self.operations.append(index_document(flow, self.stream, self.window, self.now))

    def on_end_flush(self, window: int) -> None:
        """Have the documents sent."""
        for start in range(0, len(self.operations), 2 * BULK):
            operations = self.operations[start : start + 2 * BULK]
            self.run_async(send, self.client, self.params.index, operations, then=self.sent)

    def sent(self, outcomes: Mapping[str, int]) -> None:
        """Count, and say what failed."""
        for outcome, flows in outcomes.items():
            self.count(SENT, outcome, flows=flows)
        failed = {outcome: flows for outcome, flows in outcomes.items() if outcome not in ("written", "there already")}
        if failed:
            text = ", ".join(f"{flows} {outcome}" for outcome, flows in failed.items())
            self.alert("flows-not-sent", None, f"flows not in {self.params.url}: {text}", group="System", severity=5)


def send(client: Elasticsearch, index: str, operations: list[Any]) -> dict[str, int]:
    """Send one bulk request; how many flows came to what."""
    flows = len(operations) // 2
    try:
        answer = client.bulk(index=index, operations=operations)
    except ApiError as error:
        return {f"refused with status {error.status_code}": flows}
    except TransportError:
        return {"without an answer": flows}
    outcomes: Counter[str] = Counter()
    for item in answer["items"]:
        result = item["create"]
        if result["status"] == 201:
            outcomes["written"] += 1
        else:
            outcomes["there already" if result["status"] == 409 else result["error"]["type"]] += 1
    return dict(outcomes)
