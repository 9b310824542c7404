"""The policy: pools, settings of checks per entity, rules, exclusions, alerting."""

from tapline.policy.model import (
    Acknowledgement,
    Alerting,
    CheckSettings,
    Effective,
    Exclusion,
    Override,
    Policy,
    Pool,
    Rule,
    Selector,
)

__all__ = [
    "Acknowledgement",
    "Alerting",
    "CheckSettings",
    "Effective",
    "Exclusion",
    "Override",
    "Policy",
    "Pool",
    "Rule",
    "Selector",
]
