"""Opens messages of SNMPv3: the user-based security model (RFC 3414, RFC 3826, RFC 7860)."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from capture.snmp.credentials import Passwords
from capture.snmp.settings import SnmpUser
from capture.snmptrap.ber import OCTETS, SEQUENCE, Reader
from capture.snmptrap.message import Rejected

_AUTHENTICATED: Final = 1
_ENCRYPTED: Final = 2
_REPORTABLE: Final = 4
_USER_BASED: Final = 3

_CODE_LENGTHS: Final = {"md5": 12, "sha1": 12, "sha224": 16, "sha256": 24, "sha384": 32, "sha512": 48}
"""Octets of the authentication code that a message carries."""

_KEY_LENGTHS: Final = {"des": 16, "aes128": 16, "aes192": 24, "aes256": 32}
_PASSWORD_OCTETS: Final = 1 << 20
"""A password is repeated to this length before it is hashed (RFC 3414, A.2)."""

_LONGEST_ENGINE: Final = 32
_WINDOW: Final = 150
"""Seconds by which a message may be older than what its engine has sent before (RFC 3414, 2.2.3)."""

_MOST_ENGINES: Final = 10_000


class _Known(NamedTuple):
    user: SnmpUser
    authentication: bytes
    privacy: bytes


class Users:
    """The users whose messages are taken, and the engines that have sent some.

    Whoever sends a trap is its authoritative engine (RFC 3414, 1.5.1): the keys are those of its engine id, and its
    clock is the one that counts. ``clock`` is in seconds and only goes on.
    """

    def __init__(
        self, users: Mapping[str, tuple[SnmpUser, Passwords]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._known = {
            name: _Known(user, *(_master(user.authentication, each) for each in (given.authentication, given.privacy)))
            for name, (user, given) in users.items()
        }
        self._clock = clock
        self._engines: OrderedDict[bytes, tuple[int, float]] = OrderedDict()

    def open(self, data: bytes, message: Reader) -> tuple[str, bytes]:
        """The user and the scoped PDU of a message, which is read up to its version.

        :class:`~capture.snmptrap.message.Rejected` when it is not to be taken,
        :class:`~capture.snmptrap.ber.BerError` when it is none.
        """
        header = message.inner(SEQUENCE)
        header.integer()
        header.integer()
        flags = (header.octets() or b"\0")[0]
        if header.integer() != _USER_BASED:
            raise Rejected("user", "its security model is not the user-based one")
        parameters = message.inner(OCTETS).inner(SEQUENCE)
        engine = parameters.octets()
        boots, at = parameters.integer(), parameters.integer()
        name = parameters.octets().decode("utf-8", "replace")
        code = parameters.octets()
        code_ends = parameters.position
        salt = parameters.octets()
        if flags & _REPORTABLE and not engine:
            raise Rejected("inform")
        known = self._known.get(name)
        if known is None or not 1 <= len(engine) <= _LONGEST_ENGINE:
            raise Rejected("user", name)
        user = known.user
        wanted = (_AUTHENTICATED if known.authentication else 0) | (_ENCRYPTED if known.privacy else 0)
        if flags & wanted != wanted:
            raise Rejected("level", name)
        if flags & _AUTHENTICATED:
            if not known.authentication:
                raise Rejected("authentication", f"{name} has no password here")
            self._authenticate(known, engine, data, code, code_ends)
            self._check_time(engine, boots, at)
        place = message.position
        if not flags & _ENCRYPTED:
            message.inner(SEQUENCE)
            return name, data[place : message.position]
        if not known.privacy:
            raise Rejected("encryption", f"{name} has no password for that here")
        plain = _decrypt(
            user, _localized(user.authentication, known.privacy, engine), message.octets(), boots, at, salt
        )
        if not plain.startswith(b"\x30"):
            raise Rejected("encryption", name)
        return name, plain

    def _authenticate(self, known: _Known, engine: bytes, data: bytes, code: bytes, code_ends: int) -> None:
        algorithm = known.user.authentication
        length = _CODE_LENGTHS[algorithm]
        if len(code) != length:
            raise Rejected("authentication", known.user.user)
        signed = data[: code_ends - length] + bytes(length) + data[code_ends:]
        key = _localized(algorithm, known.authentication, engine)
        if not hmac.compare_digest(hmac.digest(key, signed, algorithm)[:length], code):
            raise Rejected("authentication", known.user.user)

    def _check_time(self, engine: bytes, boots: int, at: int) -> None:
        """RFC 3414, 3.2, 7b: of an engine that is known only what is not older than a window."""
        now = self._clock()
        told = (boots, at - now)
        before = self._engines.get(engine)
        if before is not None and (boots < before[0] or (boots == before[0] and told[1] < before[1] - _WINDOW)):
            raise Rejected("time-window", f"boots {boots}, time {at}")
        self._engines[engine] = told if before is None else max(told, before)
        self._engines.move_to_end(engine)
        if len(self._engines) > _MOST_ENGINES:
            self._engines.popitem(last=False)


def _master(algorithm: str, password: str) -> bytes:
    """RFC 3414, A.2: the key of a password, empty where there is none."""
    if not password:
        return b""
    octets = password.encode()
    times = -(-_PASSWORD_OCTETS // len(octets))
    return hashlib.new(algorithm, (octets * times)[:_PASSWORD_OCTETS], usedforsecurity=False).digest()


@lru_cache(maxsize=_MOST_ENGINES)
def _localized(algorithm: str, master: bytes, engine: bytes) -> bytes:
    """RFC 3414, 2.6: the key for one engine."""
    return hashlib.new(algorithm, master + engine + master, usedforsecurity=False).digest()


def _decrypt(user: SnmpUser, key: bytes, data: bytes, boots: int, at: int, salt: bytes) -> bytes:
    if len(salt) != 8:
        raise Rejected("encryption", user.user)
    # Keys that are too short for AES-192 and AES-256 are lengthened as most agents do it (Blumenthal's draft).
    while len(key) < _KEY_LENGTHS[user.privacy]:
        key += hashlib.new(user.authentication, key, usedforsecurity=False).digest()
    if user.privacy == "des":
        if len(data) % 8:
            raise Rejected("encryption", user.user)
        start = bytes(one ^ other for one, other in zip(key[8:16], salt, strict=True))
        # Triple DES with one key three times is DES.
        decryptor = Cipher(TripleDES(key[:8] * 3), CBC(start)).decryptor()
        return decryptor.update(data) + decryptor.finalize()
    # CFB with blocks of 128 bits: each block hides behind the encryption of the one before.
    before = (boots & 0xFFFFFFFF).to_bytes(4, "big") + (at & 0xFFFFFFFF).to_bytes(4, "big") + salt + data
    encryptor = Cipher(AES(key[: _KEY_LENGTHS[user.privacy]]), ECB()).encryptor()  # noqa: S305 - a part of CFB
    stream = encryptor.update(before[: len(before) // 16 * 16])
    return bytes(one ^ other for one, other in zip(data, stream, strict=False))
