"""What a device is asked with."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from gufo.snmp import SnmpVersion
from gufo.snmp.aio import SnmpSession
from gufo.snmp.user import (
    Aes128Key,
    Aes192Key,
    Aes256Key,
    BaseAuthKey,
    BasePrivKey,
    DesKey,
    KeyType,
    Md5Key,
    Sha1Key,
    Sha224Key,
    Sha256Key,
    Sha384Key,
    Sha512Key,
    User,
)
from msgspec import Struct

from capture.snmp.settings import SnmpDevice, SnmpUser
from tapline.process.secrets import secret
from topics.errors import TaplineError

SHORTEST: Final = 8
"""Fewest characters of a password (RFC 3414, 11.2)."""

_AUTHENTICATION: Final[dict[str, type[BaseAuthKey]]] = {
    "md5": Md5Key,
    "sha1": Sha1Key,
    "sha224": Sha224Key,
    "sha256": Sha256Key,
    "sha384": Sha384Key,
    "sha512": Sha512Key,
}
_PRIVACY: Final[dict[str, type[BasePrivKey]]] = {
    "des": DesKey,
    "aes128": Aes128Key,
    "aes192": Aes192Key,
    "aes256": Aes256Key,
}
_VERSIONS: Final = {"v1": SnmpVersion.v1, "v2c": SnmpVersion.v2c}


class Passwords(Struct, frozen=True):
    """The passwords of a user of SNMPv3, empty where it has none."""

    authentication: str
    privacy: str


def passwords(user: SnmpUser | SnmpDevice, key: str) -> Passwords:
    """The passwords of a user whose entry in the configuration is ``key``; :class:`TaplineError` for a wrong entry."""
    if not user.user:
        raise TaplineError(f"{key}.user is not set: SNMPv3 needs one")
    if user.authentication == "none":
        if user.privacy != "none":
            raise TaplineError(f"{key}.authentication is not set: privacy needs it, write sha256 or another")
        return Passwords("", "")
    authentication = _password(user.authentication_password, f"{key}.authentication_password")
    privacy = "" if user.privacy == "none" else _password(user.privacy_password, f"{key}.privacy_password")
    return Passwords(authentication, privacy)


def _password(named: str, key: str) -> str:
    password = secret(named, key)
    if len(password.encode()) < SHORTEST:
        raise TaplineError(f"{key} has fewer than {SHORTEST} characters: SNMPv3 does not allow that")
    return password


class Credentials:
    """Opens sessions with one device.

    ``key`` names the device's entry in the configuration; :class:`TaplineError` says what is wrong with that. The keys
    of SNMPv3 are worked out of the passwords once, which takes some milliseconds.
    """

    def __init__(self, device: SnmpDevice, key: str) -> None:
        self._device = device
        try:
            ip_address(device.address)
        except ValueError as error:
            raise TaplineError(f"{key}.address: {device.address!r} is no IP address: write one") from error
        self._community = ""
        self._user: User | None = None
        if device.version == "v3":
            self._user = _user(device, key)
            return
        if not device.community:
            raise TaplineError(f"{key}.community is not set: write env:NAME or file:PATH")
        self._community = secret(device.community, f"{key}.community")

    @property
    def bulk(self) -> bool:
        """True where the version has GetBulk: SNMPv1 has not."""
        return self._device.version != "v1"

    def session(self, timeout: float) -> SnmpSession:
        """A new session; ``timeout`` is in seconds. :class:`OSError` when there can be none."""
        device = self._device
        if self._user is not None:
            return SnmpSession(device.address, port=device.port, user=self._user, timeout=timeout)
        version = _VERSIONS[device.version]
        return SnmpSession(
            device.address, port=device.port, community=self._community, version=version, timeout=timeout
        )


def _user(device: SnmpDevice, key: str) -> User:
    given = passwords(device, key)
    if device.authentication == "none":
        return User(device.user)
    authentication = _AUTHENTICATION[device.authentication]
    master = authentication.get_master_key(given.authentication.encode())
    privacy = None
    if device.privacy != "none":
        privacy_master = authentication.get_master_key(given.privacy.encode())
        privacy = _PRIVACY[device.privacy](privacy_master, key_type=KeyType.Master)
    return User(device.user, auth_key=authentication(master, key_type=KeyType.Master), priv_key=privacy)
