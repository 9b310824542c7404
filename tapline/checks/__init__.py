"""Checks: subclass the one that looks at what you want to watch, and write its hooks."""

from tapline.checks.alert_types import AlertType, TypeInfo, absence, anomaly, threshold_cross, type_info
from tapline.checks.base import Check, Items, Patience, Threshold
from tapline.checks.entities import Entity
from tapline.checks.flow_check import FlowCheck, FlowStatus, is_unicast, is_unicast_address
from tapline.checks.gui import Gui
from tapline.checks.periodic import (
    HostCheck,
    InterfaceCheck,
    NetworkCheck,
    PeriodicCheck,
    SnmpDeviceCheck,
    SnmpInterfaceCheck,
    SystemCheck,
)
from tapline.checks.resource_check import ResourceCheck
from tapline.checks.syslog import SyslogHandler

__all__ = [
    "AlertType",
    "Check",
    "Entity",
    "FlowCheck",
    "FlowStatus",
    "Gui",
    "HostCheck",
    "InterfaceCheck",
    "Items",
    "NetworkCheck",
    "Patience",
    "PeriodicCheck",
    "ResourceCheck",
    "SnmpDeviceCheck",
    "SnmpInterfaceCheck",
    "SyslogHandler",
    "SystemCheck",
    "Threshold",
    "TypeInfo",
    "absence",
    "anomaly",
    "is_unicast",
    "is_unicast_address",
    "threshold_cross",
    "type_info",
]
