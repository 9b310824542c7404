"""Which flows are meant: as Elasticsearch is asked, and as Kibana is (KQL)."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

_PATTERN_SPECIAL: Final = re.compile(r"([\\?])")
_KQL_SPECIAL: Final = re.compile(r'([\\():<>"{}])')


class FlowFilter(BaseModel):
    """What people know of flows; all that is given has to fit. Texts take ``*`` for any characters."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True)

    address: str = Field(default="", max_length=64, description="An address or a CIDR network, of either end.")
    source: str = Field(default="", max_length=64, description="An address or a network of the side that began.")
    destination: str = Field(default="", max_length=64, description="An address or a network of the other side.")
    port: int | None = Field(default=None, ge=1, le=65535, description="A port of either end.")
    transport: str = Field(default="", max_length=20, pattern="^[a-z0-9-]*$", description="tcp, udp, icmp …")
    application: str = Field(default="", max_length=200, description="As nDPI names it: TLS.Google, TLS*, DNS.")
    name: str = Field(default="", max_length=200, description="The name of the server: *.example.org.")
    country: str = Field(default="", pattern="^([A-Za-z]{2})?$", description="Of either end, as ISO 3166-1 has it: DE.")
    tag: str = Field(default="", max_length=200, description="A tag that a script or a list has set.")
    record: Literal["", "update", "final"] = Field(default="", description="Of ongoing or of ended flows alone.")
    score: int | None = Field(default=None, ge=1, le=100_000, description="A score of at least so much.")
    community_id: str = Field(default="", max_length=100, description="Of one conversation.")
    flow: str = Field(default="", max_length=100, description="The id of one flow.")

    @field_validator("port", "score", mode="before")
    @classmethod
    def _nothing(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("address", "source", "destination")
    @classmethod
    def _network(cls, value: str) -> str:
        if not value:
            return value
        try:
            found = ip_network(value, strict=False)
        except ValueError:
            raise ValueError(f"{value!r} is neither an address, as 192.0.2.1, nor a network, as 192.0.2.0/24") from None
        return str(found) if "/" in value else str(found.network_address)

    @field_validator("country")
    @classmethod
    def _upper(cls, value: str) -> str:
        return value.upper()

    def parameters(self) -> dict[str, str]:
        """What in a link stands for it."""
        return {name: str(value) for name, value in self if value not in ("", None)}

    def queries(self) -> list[dict[str, Any]]:
        """What Elasticsearch is to filter by."""
        found: list[dict[str, Any]] = []
        for _, fields, value in self._asked():
            each = [_query(field, value) for field in fields]
            found.append(each[0] if len(each) == 1 else {"bool": {"should": each, "minimum_should_match": 1}})
        if self.score is not None:
            found.append({"range": {"tapline.flow.score": {"gte": self.score}}})
        return found

    def kql(self) -> str:
        """The same in Kibana's language."""
        parts = []
        for _, fields, value in self._asked():
            each = [f"{field}: {_kql_value(value)}" for field in fields]
            parts.append(each[0] if len(each) == 1 else f"({' or '.join(each)})")
        if self.score is not None:
            parts.append(f"tapline.flow.score >= {self.score}")
        return " and ".join(parts)

    def _asked(self) -> list[tuple[str, tuple[str, ...], str | int]]:
        places: dict[str, tuple[str, ...]] = {
            "address": ("source.ip", "destination.ip"),
            "source": ("source.ip",),
            "destination": ("destination.ip",),
            "port": ("source.port", "destination.port"),
            "transport": ("network.transport",),
            "application": ("tapline.flow.application",),
            "name": ("destination.domain", "tapline.flow.server_name"),
            "country": ("source.geo.country_iso_code", "destination.geo.country_iso_code"),
            "tag": ("tags",),
            "record": ("tapline.flow.record",),
            "community_id": ("network.community_id",),
            "flow": ("tapline.flow.id",),
        }
        given = {name: getattr(self, name) for name in places}
        return [(name, places[name], value) for name, value in given.items() if value not in ("", None)]


def _query(field: str, value: str | int) -> dict[str, Any]:
    if isinstance(value, str) and "*" in value:
        return {"wildcard": {field: {"value": _PATTERN_SPECIAL.sub(r"\\\1", value)}}}
    return {"term": {field: value}}


def _kql_value(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    if "*" in value:
        # A pattern cannot stand in quotes: spaces and words of the language are escaped instead.
        escaped = _KQL_SPECIAL.sub(r"\\\1", value)
        return re.sub(r"\s", r"\\ ", re.sub(r"\b(and|or|not)\b", r"\\\1", escaped, flags=re.IGNORECASE))
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
