"""Keys, authentication codes and encryption of SNMPv3: RFC 3414, RFC 3826, RFC 7860."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from capture.snmp.credentials import Passwords
from capture.snmp.settings import SnmpUser

CODE_LENGTHS: Final = {"md5": 12, "sha1": 12, "sha224": 16, "sha256": 24, "sha384": 32, "sha512": 48}
"""Octets of the authentication code that a message carries."""

SALT: Final = 8
"""Octets of the salt of an encrypted message."""

_KEY_LENGTHS: Final = {"des": 16, "aes128": 16, "aes192": 24, "aes256": 32}
_PASSWORD_OCTETS: Final = 1 << 20
"""A password is repeated to this length before it is hashed (RFC 3414, A.2)."""

_BLOCK: Final = 8
_MOST_ENGINES: Final = 10_000


class Known(NamedTuple):
    """A user, and the keys of its passwords, which are empty where it has none."""

    user: SnmpUser
    authentication: bytes
    privacy: bytes


def known(user: SnmpUser, given: Passwords) -> Known:
    """A user with its keys; takes some milliseconds."""
    return Known(user, *(_master(user.authentication, each) for each in (given.authentication, given.privacy)))


def code_of(known: Known, engine: bytes, message: bytes) -> bytes:
    """The authentication code of a message in which that is zero."""
    algorithm = known.user.authentication
    key = _localized(algorithm, known.authentication, engine)
    return hmac.digest(key, message, algorithm)[: CODE_LENGTHS[algorithm]]


def decrypt(known: Known, engine: bytes, data: bytes, boots: int, at: int, salt: bytes) -> bytes:
    """What was encrypted for this engine at this time of its clock; :class:`ValueError` when it cannot be."""
    key = _privacy_key(known, engine)
    if known.user.privacy == "des":
        if len(data) % _BLOCK:
            raise ValueError("not a whole number of blocks")
        decryptor = _des(key, salt).decryptor()
        return decryptor.update(data) + decryptor.finalize()
    return _aes(known, key, data, boots, at, salt, encrypted=data)


def encrypt(known: Known, engine: bytes, data: bytes, boots: int, at: int, salt: bytes) -> bytes:
    """Encrypt for a reader who knows this engine."""
    key = _privacy_key(known, engine)
    if known.user.privacy == "des":
        encryptor = _des(key, salt).encryptor()
        return encryptor.update(data + bytes(-len(data) % _BLOCK)) + encryptor.finalize()
    return _aes(known, key, data, boots, at, salt)


def _aes(
    known: Known, key: bytes, data: bytes, boots: int, at: int, salt: bytes, encrypted: bytes | None = None
) -> bytes:
    """CFB with blocks of 128 bits: each block hides behind the encryption of the encrypted one before."""
    encryptor = Cipher(AES(key[: _KEY_LENGTHS[known.user.privacy]]), ECB()).encryptor()  # noqa: S305 - a part of CFB
    before = (boots & 0xFFFFFFFF).to_bytes(4, "big") + (at & 0xFFFFFFFF).to_bytes(4, "big") + salt
    if encrypted is not None:
        chain = before + encrypted
        stream = encryptor.update(chain[: len(chain) // 16 * 16])
        return bytes(one ^ other for one, other in zip(data, stream, strict=False))
    found = b""
    for start in range(0, len(data), 16):
        block = bytes(
            one ^ other for one, other in zip(data[start : start + 16], encryptor.update(before), strict=False)
        )
        found += block
        before = block
    return found


def _des(key: bytes, salt: bytes) -> Cipher[CBC]:
    start = bytes(one ^ other for one, other in zip(key[8:16], salt, strict=True))
    # Triple DES with one key three times is DES.
    return Cipher(TripleDES(key[:8] * 3), CBC(start))


def _privacy_key(known: Known, engine: bytes) -> bytes:
    key = _localized(known.user.authentication, known.privacy, engine)
    # Keys that are too short for AES-192 and AES-256 are lengthened as most agents do it (Blumenthal's draft).
    while len(key) < _KEY_LENGTHS[known.user.privacy]:
        key += hashlib.new(known.user.authentication, key, usedforsecurity=False).digest()
    return key


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
