"""Count and tag the programs that speak HTTP, and count how many different ones there were.

A flow is tagged ``[ua]Firefox``; the group User Agents has what each program moved. How many different
programs were seen so far is kept in a few kilobytes over restarts, and counted as the key ``all`` of the group
User Agents Seen: each instance sees keys of its own, so that their numbers add up.
"""

from tapline import CounterGroup, CounterMonitor, Flow, Meter, Metric, Params, SessionMonitor
from tapline.statistics import DistinctCount

AGENTS = CounterGroup("User Agents", (Meter("flows"), Meter("bytes", unit="bytes")), keys="user agent")
SEEN = CounterGroup("User Agents Seen", (Meter("different"),), keys="all")

BROWSERS = ("Edg", "OPR", "Vivaldi", "Chrome", "Firefox", "Safari", "MSIE", "Trident")
"""Products that browsers name beside ``Mozilla``, the most telling first."""


def family(agent: str) -> str:
    """What people call a program: the browser it says it is, else its product."""
    if agent.startswith("Mozilla/"):
        for browser in BROWSERS:
            if f"{browser}/" in agent or f"{browser} " in agent:
                return browser
        agent = agent.rpartition(" ")[2]
    return agent.partition("/")[0].partition(" ")[0]


class UserAgents(SessionMonitor):
    """Tags flows and counts their programs."""

    name = "user_agents"

    class params(Params):
        """A key is at most ``key_length`` characters of what the program says of itself."""

        key_length: int = 120

    def on_flush(self, flow: Flow) -> None:
        """Tag and count a flow whose program is known."""
        if not flow.user_agent:
            return
        self.tag(flow, f"[ua]{family(flow.user_agent)}")
        if flow.delta_packets:
            self.count(AGENTS, flow.user_agent[: self.params.key_length], flows=1, bytes=flow.delta_bytes)


class DifferentAgents(CounterMonitor):
    """Counts how many different programs there were."""

    name = "different_agents"
    group = AGENTS.name

    def on_load(self) -> None:
        """Sketches by stream, read back when first needed."""
        self.seen: dict[str, DistinctCount] = {}

    def on_flush(self, counter: Metric) -> None:
        """Note a program."""
        seen = self.seen.get(self.stream)
        if seen is None:
            kept = self.store.get(self.stream)
            seen = self.seen[self.stream] = DistinctCount.from_text(kept) if kept else DistinctCount()
        seen.add(counter.key)

    def on_end_flush(self, window: int) -> None:
        """Keep the sketch, and count."""
        seen = self.seen.get(self.stream)
        if seen is not None:
            self.store[self.stream] = seen.to_text()
            self.count(SEEN, "all", different=seen.count)
