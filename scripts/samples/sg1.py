"""Print the id of every new flow.

The smallest session script: one hook, one line of output per flow. The original prints the id alone,
which there is made of the ends; here it is not, so they follow.
"""

from tapline import Flow, SessionMonitor


class PrintNewFlows(SessionMonitor):
    """Prints the ends and the application of each flow when it is first seen."""

    name = "sg1"

    def on_new_flow(self, flow: Flow) -> None:
        """Print one line."""
        print(
            f"new flow {flow.flow_id} {flow.transport} "
            f"{flow.source_ip}:{flow.source_port} -> {flow.destination_ip}:{flow.destination_port} {flow.application}"
        )
