"""What this agent does with the stream.

A plain Faust agent (https://faust-streaming.github.io/faust/) reads Tapline's topics as anybody may. It runs
in a process and a consumer group of its own, and gets each batch of records at least once. It knows no
windows and its order is that of a partition: to count exactly, or to raise alerts, write a monitor.

Run it:  put it into a folder of workers.agents (scripts/agents), and start the workers again
"""

import faust

from tapline import Flow
from tapline.agents import Topics

LARGE = 1_000_000


def attach(app: faust.App, topics: Topics) -> None:
    """Called once, before the app starts: agents, timers and tables are made here as with any Faust app."""

    # topics.flow, .metric, .resource, .document, .alert, .counter, .track, .annotation, .message
    @app.agent(topics.flow, name="skeleton")
    async def skeleton(batches: faust.StreamT[list[Flow]]) -> None:
        """The value of a message is a list of records; at the end of a window it is empty."""
        async for flows in batches:
            for flow in flows:
                if flow.delta_bytes >= LARGE:
                    print(f"{flow.source_ip} > {flow.destination_ip}: {flow.delta_bytes:,} bytes {flow.application}")
