"""How bad it looks for a host in all: the sum of what its flows and its alerts count for."""

from tapline.checks import Entity, Gui, HostCheck, Patience
from tapline.checks.gui import ThresholdInput

FORM = (ThresholdInput(unit="score", minimum=1, fixed_operator="gt"),)


class ScoreThreshold(HostCheck):
    """A host's score is high."""

    name = "score_threshold"
    gui = Gui(title="Score", inputs=FORM)
    score = 150
    counts_to_score = False
    meter = "score"
    min = HostCheck.compare
    default_value = "score_threshold;gt;5000"


class DangerousHost(HostCheck):
    """A host's score stays high: in more than five minutes in a row."""

    name = "dangerous_host"
    gui = Gui(title="Dangerous host", inputs=FORM)
    default_enabled = False
    counts_to_score = False
    patience = Patience(for_runs=6)
    meter = "score"
    min = HostCheck.compare
    default_value = "dangerous_host;gt;1000"


class ScoreAnomaly(HostCheck):
    """A host's score is not what it was learned to be."""

    name = "score_anomaly"
    gui = Gui(title="Score anomaly")
    local_only = True
    default_enabled = False
    counts_to_score = False
    score = 50

    def min(self, entity: Entity) -> None:
        self.check_anomaly(entity, "score")


class FlowAnomaly(HostCheck):
    """A host begins more or fewer flows than it was learned to."""

    name = "flow_anomaly"
    gui = Gui(title="Flow anomaly")
    local_only = True
    default_enabled = False
    category = "network"
    score = 50

    def min(self, entity: Entity) -> None:
        self.check_anomaly(entity, "new_flows")
