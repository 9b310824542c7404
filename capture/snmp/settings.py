"""How SNMP is set up."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Authentication = Literal["none", "md5", "sha1", "sha224", "sha256", "sha384", "sha512"]
"""How a message of SNMPv3 proves who sent it (RFC 3414, RFC 7860)."""

Privacy = Literal["none", "des", "aes128", "aes192", "aes256"]
"""How a message of SNMPv3 is encrypted (RFC 3414, RFC 3826)."""


class SnmpUser(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user of SNMPv3 (RFC 3414).

    Passwords are named, not written: ``env:NAME`` is a variable of the environment, ``file:PATH`` a file whose first
    line it is. They have 8 characters or more.
    """

    user: str
    authentication: Authentication = "none"
    authentication_password: str = ""
    privacy: Privacy = "none"
    privacy_password: str = ""


class SnmpDevice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device that is asked.

    ``address`` is its IP address, ``interval`` after how many seconds it is asked again. The versions ``v1`` and
    ``v2c`` need a ``community``, ``v3`` a ``user`` and what proves it. Community and passwords are named, not written:
    ``env:NAME`` is a variable of the environment, ``file:PATH`` a file whose first line it is.
    """

    address: str
    port: Annotated[int, Meta(ge=1, le=65_535)] = 161
    version: Literal["v1", "v2c", "v3"] = "v2c"
    community: str = ""
    user: str = ""
    authentication: Authentication = "none"
    authentication_password: str = ""
    privacy: Privacy = "none"
    privacy_password: str = ""
    interval: Annotated[int, Meta(ge=1, le=3600)] = 60


class SnmpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``capture.snmp:`` block: the devices that ``snmp:`` asks, and whose traps ``snmptrap:`` takes.

    At most ``concurrency`` devices that answer are asked at once, beside them as many that were not asked before, and a
    quarter of that of those that did not answer last time. A question is repeated ``retries`` times when there is no
    answer in ``timeout`` seconds. Traps of any community are taken, of one where ``trap_community`` names it as devices
    do; those of SNMPv3 are taken from ``trap_users``, and in ``engine_folder`` it is kept which
    engine their informs are for. ``rejected_per_minute`` bounds how many datagrams that are no trap are published as
    dead letters, ``receive_buffer`` (bytes) is what the kernel keeps of datagrams.
    """

    devices: list[SnmpDevice] = field(default_factory=list)
    concurrency: Annotated[int, Meta(ge=4, le=1000)] = 100
    timeout: Annotated[float, Meta(ge=0.1, le=60)] = 2.0
    retries: Annotated[int, Meta(ge=0, le=10)] = 1
    trap_community: str = ""
    trap_users: list[SnmpUser] = field(default_factory=list)
    engine_folder: str = ".tapline/snmp"
    rejected_per_minute: Annotated[int, Meta(ge=0, le=100_000)] = 600
    receive_buffer: Annotated[int, Meta(ge=4096, le=1 << 30)] = 8 * 1024 * 1024
