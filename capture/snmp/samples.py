"""The records made of what devices say: samples of the groups SNMP-Device and SNMP-Interface, and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from capture.snmp import NAME
from capture.snmp.growth import Grown
from capture.snmp.reading import DeviceReading, Interface
from capture.source import Observation, Sink
from topics.catalog import ANNOTATION, METRIC
from topics.partitions import digest
from topics.records import Annotation, MeterKind, Metric

DEVICE: Final = "SNMP-Device"
INTERFACE: Final = "SNMP-Interface"

_DEVICE_KINDS: Final[dict[str, MeterKind]] = {"uptime": "gauge", "interfaces": "gauge"}
_INTERFACE_KINDS: Final[dict[str, MeterKind]] = {
    "in_bytes_per_second": "average",
    "out_bytes_per_second": "average",
    "speed": "gauge",
    "oper_status": "gauge",
    "admin_status": "gauge",
}
_NONE: Final = Grown(seconds=0, meters={}, began_anew=0)


class Samples:
    """Puts what was learned of devices.

    A device's key is its address, an interface's ``ADDRESS:IFINDEX``. What they are called is told as labels, when it
    is first known and when it changes.
    """

    def __init__(self, observation: Observation, sink: Sink) -> None:
        self._observation = observation
        self._sink = sink
        self._labels: dict[tuple[str, str], tuple[str, str]] = {}
        self._interfaces: dict[str, set[int]] = {}

    def failure(self, device: str, time: int, window: int) -> None:
        """A device did not answer, or not as it should; ``time`` is in epoch microseconds."""
        self._put(DEVICE, device, {"failures": 1, "answers": 0}, {}, time, window)

    def reading(self, device: str, reading: DeviceReading, grown: Mapping[int, Grown], time: int, window: int) -> None:
        """A device has answered."""
        meters = {"answers": 1, "failures": 0, "uptime": reading.uptime, "interfaces": len(reading.interfaces)}
        self._put(DEVICE, device, meters, _DEVICE_KINDS, time, window)
        self._label(DEVICE, device, reading.name, "", time, window)
        for index, interface in reading.interfaces.items():
            key = f"{device}:{index}"
            meters = _meters(interface, grown.get(index, _NONE))
            self._put(INTERFACE, key, meters, _INTERFACE_KINDS, time, window)
            self._label(INTERFACE, key, f"{reading.name} {interface.name}".strip(), interface.alias, time, window)
        for gone in self._interfaces.get(device, set()) - reading.interfaces.keys():
            self._labels.pop((INTERFACE, f"{device}:{gone}"), None)
        self._interfaces[device] = set(reading.interfaces)

    def _put(
        self,
        group: str,
        key: str,
        meters: dict[str, int | float],
        kinds: dict[str, MeterKind],
        time: int,
        window: int,
    ) -> None:
        observation = self._observation
        sample = Metric(
            id=digest(observation.identity, group, key, time),
            time=time,
            node=observation.node,
            observation_point=observation.observation_point,
            group=group,
            key=key,
            meters=meters,
            kinds={meter: kind for meter, kind in kinds.items() if meter in meters},
            source=NAME,
        )
        self._sink.put(METRIC, f"{group}\0{key}", sample, window)

    def _label(self, group: str, key: str, label: str, description: str, time: int, window: int) -> None:
        told = (label, description)
        if not label or self._labels.get((group, key)) == told:
            return
        self._labels[group, key] = told
        observation = self._observation
        annotation = Annotation(
            id=digest(observation.identity, "label", group, key, time),
            time=time,
            node=observation.node,
            observation_point=observation.observation_point,
            kind="label",
            group=group,
            key=key,
            value=label,
            description=description,
        )
        self._sink.put(ANNOTATION, f"{group}\0{key}", annotation, window)


def _meters(interface: Interface, grown: Grown) -> dict[str, int | float]:
    meters: dict[str, int | float] = {
        "speed": interface.speed,
        "oper_status": interface.oper_status,
        "admin_status": interface.admin_status,
        **grown.meters,
    }
    for meter in ("in_bytes", "out_bytes"):
        if meter in grown.meters:
            meters[f"{meter}_per_second"] = grown.meters[meter] / grown.seconds
    return meters
