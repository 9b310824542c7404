"""Say which hosts have sent most, every ten seconds, as a plain Faust agent.

It counts what it is given, which after a restart may be some of it twice: compare with the Hosts counters,
which are exact.
"""

from collections import Counter

import faust

from tapline import Flow
from tapline.agents import Topics

EVERY_SECONDS = 10.0
HOSTS = 5


def attach(app: faust.App, topics: Topics) -> None:
    """Make the agent and the timer that tells what it has found."""
    sent: Counter[str] = Counter()

    @app.agent(topics.flow, name="busiest_hosts")
    async def busiest_hosts(batches: faust.StreamT[list[Flow]]) -> None:
        """Add up what each host has sent."""
        async for flows in batches:
            for flow in flows:
                sent[flow.source_ip] += flow.delta_source_bytes
                sent[flow.destination_ip] += flow.delta_destination_bytes

    async def tell() -> None:
        """Print the busiest."""
        for host, count in sent.most_common(HOSTS):
            print(f"{host} has sent {count:,} bytes")

    app.timer(EVERY_SECONDS, name="tell")(tell)
