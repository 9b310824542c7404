"""What the alert engine and the conditions of a stage cost, in CPU time.

``python -m bench.alerts`` prints how many alerts the engine judges in a CPU-second (one-shot alerts that repeat, or are
all different, conditions that begin and end), how many runs of conditions a stage judges, and what both take of memory.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator

from tapline.checks import Entity, Patience
from tapline.checks.alert_types import threshold_cross
from tests.unit.workers.alerts.log import FIRST_WINDOW, Log, environment_of
from topics.catalog import ALERT
from topics.records import Alert
from workers.alerts.conditions import Conditions, ReportedCondition
from workers.stages import build
from workers.windows.store import StageStore

ALERTS = 50_000
HOSTS = 20_000


def main() -> None:
    """Measure and print."""
    for name, made in (("repeated", _repeated), ("different", _different), ("conditions", _conditions)):
        log = Log()
        log.put("~flow/0", FIRST_WINDOW, *made())
        log.mark("~flow/0", FIRST_WINDOW)
        stage = build(ALERT, 0, environment_of())
        stage.start("")

        def judge(log: Log = log, stage: object = stage) -> None:
            for offset, (envelope, body) in enumerate(log.messages):
                stage.message(offset, envelope.headers(), body)  # type: ignore[attr-defined]

        seconds = _cpu(judge)
        print(f"engine, {name:10}  {ALERTS / seconds:10,.0f} alerts per CPU-second")
    stores = StageStore()
    conditions = Conditions(stores.of("conditions"), "partial-0")
    for holding in (0.01, 1.0):
        stores.point(set())
        seconds = _cpu(lambda holding=holding: _run(conditions, holding))  # type: ignore[misc]
        print(f"stage, {holding:4.0%} hold      {HOSTS / seconds:10,.0f} runs per CPU-second")
    print(f"memory             {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:10,.0f} MiB at most")


def _run(conditions: Conditions, holding: float) -> None:
    for number in range(HOSTS):
        condition = ReportedCondition(
            script="Volume",
            entity=Entity(kind="host", name=f"10.0.{number >> 8}.{number & 255}"),
            info=threshold_cross("bytes", number, "gt", 100),
            patience=Patience(),
        )
        conditions.report("live", condition, holds=number < HOSTS * holding)
    conditions.finish("live", FIRST_WINDOW + 60, ("min",), lambda *_: True)


def _alert(number: int, entity: int, action: str) -> Alert:
    return Alert(
        id=str(number),
        time=(FIRST_WINDOW + number * 60 // ALERTS) * 1_000_000,
        type="flood",
        action=action,  # type: ignore[arg-type]
        message=f"{number} packets a second",
        entity=f"10.{entity >> 16}.{entity >> 8 & 255}.{entity & 255}",
        instance="flow-0",
        script="Flood",
    )


def _repeated() -> Iterator[Alert]:
    return (_alert(number, number % 100, "store") for number in range(ALERTS))


def _different() -> Iterator[Alert]:
    return (_alert(number, number, "store") for number in range(ALERTS))


def _conditions() -> Iterator[Alert]:
    return (_alert(number, number // 2 % 500, "release" if number % 2 else "trigger") for number in range(ALERTS))


def _cpu(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
