"""The policy: what is watched and how. Pools, settings of checks and scripts, rules, exclusions, alerting.

It is data: written in YAML (``policy:`` of the configuration, or files of ``policy.files``), changed while the
system runs by entries of the policy topic, and read by workers, the command line and the console alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field

from tapline.checks.base import Operator, Patience


class Selector(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which entities something is for: all that are given must fit; without any it is for all.

    ``host`` is one address, ``name`` a pattern with ``*`` and ``?`` for an entity's name (an interface, a device, a
    key of a counter group), ``network`` a CIDR network, ``pool`` a pool's name, ``tag`` a tag of one of its pools.
    The most specific wins: a host before a name, that before a network (the longer prefix first), that before a
    pool, that before a tag.
    """

    host: str = ""
    name: str = ""
    network: str = ""
    pool: str = ""
    tag: str = ""


class Pool(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A named set of entities: addresses, CIDR networks, MAC addresses, name patterns; its tags are theirs."""

    members: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    description: str = ""


class PatienceChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What of a check's patience is set otherwise; see :class:`~tapline.checks.base.Patience`."""

    for_runs: int | None = None
    clear_runs: int | None = None
    hold_seconds: int | None = None
    clear_threshold: float | None = None


class Override(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Settings of a check for some entities; what is left out stays as it is.

    ``hook`` limits it to one granularity (``min``, ``five_minutes``, ``hour``, ``day``).
    """

    match: Selector = Selector()
    hook: str = ""
    enabled: bool | None = None
    params: dict[str, Any] = field(default_factory=dict)
    patience: PatienceChange = PatienceChange()
    score: int | None = None
    severity: int | None = None


class CheckSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Settings of one check: for all entities, and for some."""

    enabled: bool | None = None
    params: dict[str, Any] = field(default_factory=dict)
    patience: PatienceChange = PatienceChange()
    score: int | None = None
    severity: int | None = None
    overrides: tuple[Override, ...] = ()
    comment: str = ""


class ScriptSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Parameters of one script that is no check, above those of ``workers.params``; what is left out stays as it is.

    The script begins anew with them, as when its file has changed. Packet scripts run in capture nodes, which do not
    go by the policy: theirs are in ``workers.params``.
    """

    params: dict[str, Any] = field(default_factory=dict)
    comment: str = ""


class Effective(Struct, frozen=True, kw_only=True):
    """What holds of a check for one entity and hook, and why: ``configuration`` names the place of the entry that won.

    ``layers`` are all that had a say, the weakest first, for an explanation.
    """

    enabled: bool
    params: Mapping[str, Any]
    patience: Patience
    score: int | None = None
    severity: int | None = None
    configuration: str = ""
    layers: tuple[str, ...] = ()


Measure = Literal["volume", "rate", "ratio", "change", "absence", "anomaly", "new_key", "top_change"]
"""What of a metric a rule compares: its total in the period, that a second, its share of ``other_metric`` in
percent, its change against the previous period in percent, whether the key is missing, whether it left its learned
band, a key not seen before, a change in the largest keys."""

Method = Literal["ewma", "double_exponential", "holt_winters", "rsi", "z_score", "iqr"]
"""How a band is learned."""


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A threshold or an anomaly to alert on, without code.

    ``group`` and ``metric`` name a counter. Rules whose keys are the same up to a slash (``upload``,
    ``upload/servers``) are one question, of which each entity is asked the one with the most specific ``select``, or
    none where that is not ``enabled``. ``value`` takes units (``10 MB``, ``5 %``, ``2 min``); ``period`` is ``1 min``,
    ``5 min``, ``1 h`` or ``1 d``, ``season`` a multiple of it.

    ``floor`` keeps tiny numbers quiet: a change is a part of the value before, or of ``floor`` where that is larger;
    a ratio is asked where ``other_metric`` comes to it, an anomaly where the value or its band reaches it, a new key
    and one among the ``top`` largest when its value does.
    """

    name: str
    group: str = "Hosts"
    metric: str = "bytes"
    other_metric: str = ""
    select: Selector = Selector()
    measure: Measure = "volume"
    operator: Operator = "gt"
    value: float = 0.0
    floor: float = 0.0
    period: int = 60
    method: Method = "ewma"
    sensitivity: float = 3.0
    season: int = 0
    learn_periods: int = 20
    top: int = 10
    patience: Patience = Patience()
    score: int = 100
    severity: int = 0
    enabled: bool = True
    message: str = ""
    comment: str = ""


class Exclusion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Alerts that nobody wants to hear of: all patterns given must fit (``*`` and ``?``; CIDR for addresses).

    ``until`` is when it ends, microseconds since the epoch, 0 for never.
    """

    alert: str = "*"
    entity: str = "*"
    peer: str = "*"
    port: int = 0
    transport: str = ""
    signature: str = "*"
    script: str = "*"
    until: int = 0
    comment: str = ""
    author: str = ""


class Alerting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the alert engine, in event time.

    At most ``per_identity_hour`` notifications of one identity and ``per_type_minute`` of one type are made; the
    rest is counted and told once. The same stored alert (type, entity, peer, subtype) within ``repeat_seconds`` is one.
    ``silent_seconds`` is after how long a condition of which no instance says anything is released.
    """

    per_identity_hour: int = 20
    per_type_minute: int = 600
    repeat_seconds: int = 300
    silent_seconds: int = 7200
    minimum_severity: int = 1


class Acknowledgement(Struct, frozen=True, kw_only=True):
    """Somebody has seen to an alert's episode."""

    episode: str
    author: str = ""
    comment: str = ""
    time: int = 0


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it. Rules and exclusions are known by their keys."""

    pools: dict[str, Pool] = field(default_factory=dict)
    checks: dict[str, CheckSettings] = field(default_factory=dict)
    scripts: dict[str, ScriptSettings] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    exclusions: dict[str, Exclusion] = field(default_factory=dict)
    acknowledgements: dict[str, Acknowledgement] = field(default_factory=dict)
    alerting: Alerting = Alerting()
