"""Which partition a record goes to, and deterministic ids."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final
from zlib import crc32


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: CRC-32 of its UTF-8 modulo the number of partitions.

    Flows, resources and documents use the community id, metrics ``group`` and ``key`` joined by a
    zero byte, alerts their identity.
    """
    return crc32(key.encode()) % partitions


def checksum_of(key: str) -> int:
    """What :func:`partition_of` takes modulo the number of partitions, for a key that has several such numbers."""
    return crc32(key.encode())


BESIDE: Final = {
    "Behaviour": "Hosts",
    "Contacts": "Hosts",
    "Scores": "Hosts",
    "Requests": "Hosts",
    "Subnet Behaviour": "Subnets",
    "Subnet Contacts": "Subnets",
    "Capture": "Interfaces",
}
"""Groups that tell of the same things as another: their keys lie in the partition that it has for them."""


def partition_of_pair(group: str, key: str, partitions: int) -> int:
    """The partition of a group's key: :func:`partition_of` of both joined by a zero byte.

    The group is the one it lies beside (:data:`BESIDE`), so that all that is counted of a host comes to one place.
    """
    return crc32(key.encode(), _group_checksum(group)) % partitions


@lru_cache(maxsize=1000)
def _group_checksum(group: str) -> int:
    return crc32(f"{BESIDE.get(group, group)}\x00".encode())


def digest(*parts: str | int) -> str:
    """A 128-bit id, as 32 hex digits, of these parts; equal parts give an equal id."""
    return blake2b("\x00".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
