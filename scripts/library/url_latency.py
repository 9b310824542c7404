"""Measure how long web servers take to answer, by URL.

From an HTTP request to the response to it as they passed by; keys are host and path, at most 50 characters,
without the query. Encrypted requests are not seen.
"""

from collections import OrderedDict, deque

from tapline import CounterGroup, Meter, Params, Resource, ResourceMonitor

LATENCY = CounterGroup(
    "URL Latency",
    (
        Meter("hits"),
        Meter("average", "average", "us"),
        Meter("maximum", "maximum", "us"),
        Meter("minimum", "minimum", "us"),
    ),
    keys="host and path",
)


class UrlLatency(ResourceMonitor):
    """Counts responses and how long they took."""

    name = "url_latency"
    group = "url"

    class params(Params):
        """``most_waiting`` requests without an answer are remembered, the oldest go first."""

        most_waiting: int = 10_000
        key_length: int = 50

    def on_load(self) -> None:
        """Nothing was asked yet."""
        self.waiting: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()

    def on_new_resource(self, resource: Resource) -> None:
        """Note a request; count the response to it."""
        if resource.http is None:
            return
        place = (resource.community_id, resource.uri)
        if resource.http.type == "request":
            self.waiting.setdefault(place, deque()).append(resource.time)
            if len(self.waiting) > self.params.most_waiting:
                self.waiting.popitem(last=False)
            return
        asked = self.waiting.get(place)
        if not asked:
            return
        took = resource.time - asked.popleft()
        if not asked:
            del self.waiting[place]
        key = resource.uri.partition("://")[2].partition("?")[0][: self.params.key_length]
        self.count(LATENCY, key, hits=1, average=took, maximum=took, minimum=took)
