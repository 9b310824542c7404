"""Packets of pyshark out of what ``tshark -T ek`` prints.

pyshark has a reader of this format (``use_ek``), but only together with a tshark that it starts itself, which cannot be
changed for another while packets come. So its classes of packets and layers are used, and the lines are read here. A
layer that occurs several times is several layers here, and a field that tshark prints several times has all its
values: pyshark's own reader keeps the last.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from pyshark.ek_field_mapping import MAPPING
from pyshark.packet.layers.ek_layer import EkLayer
from pyshark.packet.packet import Packet
from pyshark.tshark.tshark import get_ek_field_mapping

from capture.packet_scripts.ends import Layers, arp_addresses, conversation
from capture.packet_scripts.interface import SeenPacket
from capture.packet_scripts.relay import Printed
from capture.source import Observation
from capture.tshark.frame import microseconds
from topics.partitions import digest
from topics.records import Endpoints

_log = logging.getLogger(__name__)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Layer(EkLayer):  # type: ignore[misc] # pyshark has no types
    """A layer of which a field is its value, by its name in display filters with ``_`` for ``.``.

    pyshark gives an object in place of the value where another field begins with its name: of ``dns.qry.name``, as
    there is ``dns.qry.name.len``. What has no value is true where it is.
    """

    __slots__ = ()

    def get_field(self, name: str) -> Any:
        fields, layer = self._fields_dict, self._layer_name
        name = name.replace(".", "_")
        for full in (f"{layer}_{layer}_{name}", f"{layer}_{name}"):
            if full in fields:
                value = self._get_field_value(full)
                return True if value is None else value
        return super().get_field(name)


class PacketRead:
    """A packet that a display filter has let through: :class:`~capture.packet_scripts.interface.SeenPacket`."""

    __slots__ = ("_layers", "_observation", "_protocols", "display_filter", "packet", "time")

    def __init__(
        self, display_filter: str, packet: Packet, time: int, protocols: str, layers: Layers, observation: Observation
    ) -> None:
        self.display_filter = display_filter
        self.packet = packet
        self.time = time
        self._protocols = protocols
        self._layers = layers
        self._observation = observation

    def ends(self) -> Endpoints:
        """The ends of the flow it belongs to; of ARP the addresses it is about, of what else is not IP none."""
        observation = self._observation
        about: dict[str, Any] = {
            "id": digest(observation.identity, "packet", self.packet.number),
            "time": self.time,
            "node": observation.node,
            "observation_point": observation.observation_point,
        }
        flow = conversation(self._protocols, self._layers)
        if flow is None:
            source, destination = arp_addresses(self._layers)
            return Endpoints(**about, source_ip=source, destination_ip=destination)
        return Endpoints(
            **about,
            community_id=flow.community_id,
            source_ip=flow.source_ip,
            destination_ip=flow.destination_ip,
            source_port=flow.source_port,
            destination_port=flow.destination_port,
            transport=flow.transport,
            protocol_number=flow.protocol_number,
            vlan_id=flow.vlan_id,
        )


class PacketReader:
    """Reads the lines of a tshark at ``tshark_path`` that looks at what is observed."""

    def __init__(self, tshark_path: str, observation: Observation) -> None:
        self._observation = observation
        # pyshark would keep this in a file of the user's, which a service may not have.
        MAPPING._protocol_to_mapping = self._types = _types_of(tshark_path)  # noqa: SLF001

    def read_all(self, printed: Iterable[Printed], count: Callable[[str], None]) -> list[SeenPacket]:
        """The packets of these lines; one that cannot be read is counted, as ``malformed.line``."""
        packets: list[SeenPacket] = []
        for each in printed:
            try:
                packets.append(self.read(each.display_filter, each.line, each.number))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                count("malformed.line")
                _log.debug("packet %d: %r", each.number, error)
        return packets

    def read(self, display_filter: str, line: bytes, number: int) -> PacketRead:
        """The packet of a line; ``number`` is its place in the input, counted from 1.

        :class:`ValueError` or :class:`LookupError` when it is none.
        """
        read = json.loads(line, object_pairs_hook=_together)
        layers: dict[str, Any] = read["layers"]
        frame = layers["frame"]
        protocols: str = frame["frame_frame_protocols"]
        seconds = _seconds(frame["frame_frame_time_epoch"])
        packet = Packet(
            layers=self._layers_of(protocols, layers),
            frame_info=Layer("frame", frame),
            number=number,
            length=int(frame["frame_frame_len"]),
            captured_length=int(frame["frame_frame_cap_len"]),
            sniff_time=seconds,
            interface_captured=frame.get("frame_frame_interface_id"),
        )
        return PacketRead(display_filter, packet, microseconds(seconds), protocols, layers, self._observation)

    def _layers_of(self, protocols: str, layers: Layers) -> list[Layer]:
        """The layers in the order of the packet, then those that are no part of it in that sense."""
        occurring: dict[str, list[Any]] = {
            name: list(layer) if isinstance(layer, list) else [layer]
            for name, layer in layers.items()
            if name != "frame"
        }
        found = [self._layer(name, occurring[name].pop(0)) for name in protocols.split(":") if occurring.get(name)]
        return found + [self._layer(name, layer) for name, several in occurring.items() for layer in several]

    def _layer(self, name: str, fields: Any) -> Layer:
        # What is no protocol of tshark's has no types, and pyshark would not read it.
        self._types.setdefault(name, {"properties": {}})
        return Layer(name, fields if isinstance(fields, dict) else {})


@lru_cache(maxsize=1)
def _types_of(tshark_path: str) -> dict[str, Any]:
    """The types of all fields, by protocol; it takes a second to ask for them."""
    types: dict[str, Any] = get_ek_field_mapping(tshark_path=tshark_path)
    return types


def _together(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of which tshark may print a name several times: that has all the values then."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    several: dict[str, list[Any]] = {}
    for name, value in pairs:
        several.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    return {name: several[name] if len(several[name]) > 1 else value for name, value in found.items()}


def _seconds(time: str) -> str:
    """Decimal seconds since the epoch, of a time that Wireshark 4.2 and later print as ISO 8601."""
    if "T" not in time:
        return time
    whole, _, fraction = time.removesuffix("Z").partition(".")
    since = datetime.fromisoformat(whole).replace(tzinfo=UTC) - _EPOCH
    return f"{since // timedelta(seconds=1)}.{fraction or 0}"
