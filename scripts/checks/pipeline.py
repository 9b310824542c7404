"""Checks of Tapline itself: records that were announced and did not come, came too late, or twice."""

from tapline.checks import Entity, Gui, Patience, SystemCheck
from tapline.checks.gui import ThresholdInput

FORM = (ThresholdInput(minimum=0, fixed_operator="gt"),)


class RecordsMissing(SystemCheck):
    """Records that a node announced and that no worker got."""

    name = "records_missing"
    gui = Gui(title="Records missing", inputs=FORM)
    category = "internals"
    meter = "missing"
    unit = "records"
    patience = Patience(clear_runs=1)
    min = SystemCheck.compare
    default_value = "records_missing;gt;0"


class RecordsLate(SystemCheck):
    """Records that came after their window had been closed."""

    name = "records_late"
    gui = Gui(title="Records too late", inputs=FORM)
    category = "internals"
    score = 50
    meter = "late"
    unit = "records"
    patience = Patience(clear_runs=1)
    min = SystemCheck.compare
    default_value = "records_late;gt;0"


class RecordsUnannounced(SystemCheck):
    """Records whose node died before it could say how many they are."""

    name = "records_unannounced"
    gui = Gui(title="Records not announced", inputs=FORM)
    category = "internals"
    score = 50
    meter = "unannounced"
    unit = "records"
    patience = Patience(clear_runs=1)
    min = SystemCheck.compare
    default_value = "records_unannounced;gt;0"


class DuplicateRecords(SystemCheck):
    """Share of records that came twice, in percent: a node that publishes again and again."""

    name = "records_duplicate"
    gui = Gui(title="Records twice", inputs=(ThresholdInput(unit="%", minimum=0, maximum=100, fixed_operator="gt"),))
    category = "internals"
    default_enabled = False
    score = 10
    meter = "duplicate"
    unit = "%"
    five_minutes = SystemCheck.compare
    default_value = "records_duplicate;gt;50"

    def measured(self, entity: Entity) -> float:
        received = entity.value("received")
        return entity.value("duplicate") * 100 / received if received else 0
