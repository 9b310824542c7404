"""Which counters Prometheus sees."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field


class Choice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Counters to show: those of which group, keys and meters fit; ``*`` and ``?`` stand for any characters.

    Of each group that fits the ``most_keys`` largest keys are shown, by the meter that is the first of ``meters``.
    """

    group: str
    keys: list[str] = field(default_factory=lambda: ["*"])
    meters: list[str] = field(default_factory=lambda: ["*"])
    most_keys: Annotated[int, Meta(ge=1, le=10_000)] = 100


class PrometheusSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``prometheus:`` block: what ``tapline export prometheus`` shows at ``/metrics``.

    A counter is shown as the first of ``counters`` has it that fits; none is shown without. Its value is that of its
    newest window, and goes when there was no newer one for ``stale_seconds``. ``stream`` is which streams are meant,
    with ``*`` and ``?``: those of interfaces and listeners, or also captures.
    """

    counters: list[Choice] = field(default_factory=list)
    stale_seconds: Annotated[float, Meta(gt=0, description="Seconds.")] = 300.0
    stream: str = "live"
    metrics_port: Annotated[int, Meta(ge=0, le=65_535, description="0 takes a free port.")] = 9106
