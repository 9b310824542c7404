"""What scripts and parts of a stage keep from one window to the next, in memory and as records.

A value is kept as JSON text, so what is read is a copy: it changes when it is assigned. What a window
has changed is published when it closes, before its commit point: a stage that starts again at that
point begins with what the windows closed before it have left, and runs the others again on that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, Final

import msgspec

from topics.catalog import STORE
from topics.codec import Envelope, encode
from topics.partitions import partition_of
from topics.records import Stored
from workers.windows.outbox import Outgoing

VALUE_LIMIT: Final = 1_000_000
"""Most bytes of JSON in one value of a script."""

TOTAL_LIMIT: Final = 8_000_000
"""Most bytes of keys and values that one instance of a script keeps."""

_encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
_decoder = msgspec.json.Decoder()

Place = tuple[str, str]
"""Owner and key of a value."""


class OwnerStore(MutableMapping[str, Any]):
    """The values of one owner: text keys, values that JSON can hold."""

    def __init__(self, stores: StageStore, owner: str) -> None:
        self._stores = stores
        self._owner = owner
        self._texts: dict[str, str] = {}

    def __getitem__(self, key: str) -> Any:
        return _decoder.decode(self._texts[key])

    def __setitem__(self, key: str, value: Any) -> None:
        self._put(key, self._encode(key, value))

    def __delitem__(self, key: str) -> None:
        if key not in self._texts:
            raise KeyError(key)
        self._stores.changed(self._owner, key)
        del self._texts[key]

    def __contains__(self, key: object) -> bool:
        return key in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def text(self, key: str) -> str:
        """A value's JSON, empty where there is none."""
        return self._texts.get(key, "")

    def restore(self, key: str, text: str) -> None:
        """Take up a value that was published."""
        self._texts[key] = text

    def _put(self, key: str, text: str) -> None:
        self._stores.changed(self._owner, key)
        self._texts[key] = text

    def _encode(self, key: str, value: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(f"store: a key must be text, not {type(key).__name__}")
        try:
            return _encoder.encode(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise type(error)(f"store[{key!r}]: JSON cannot hold the value: {error}") from None


class ScriptStore(OwnerStore):
    """The values of a script, which are limited in size."""

    def __init__(self, stores: StageStore, owner: str) -> None:
        super().__init__(stores, owner)
        self._size = 0

    def __delitem__(self, key: str) -> None:
        size = _size(key, self._texts[key])
        super().__delitem__(key)
        self._size -= size

    def restore(self, key: str, text: str) -> None:
        super().restore(key, text)
        self._size += _size(key, text)

    def _put(self, key: str, text: str) -> None:
        size = _size(key, text)
        if size > VALUE_LIMIT:
            raise ValueError(
                f"store[{key[:100]!r}]: {size:,} bytes are too many for one value (at most {VALUE_LIMIT:,})"
            )
        before = self._texts.get(key)
        total = self._size + size - (_size(key, before) if before is not None else 0)
        if total > TOTAL_LIMIT:
            raise ValueError(
                f"store: {total:,} bytes are too many (at most {TOTAL_LIMIT:,}): delete what is not needed"
            )
        super()._put(key, text)
        self._size = total


class StageStore:
    """All values of one stage."""

    def __init__(self) -> None:
        self._owners: dict[str, OwnerStore] = {}
        self._changed: set[Place] | None = None

    def of(self, owner: str) -> OwnerStore:
        """The values of a part of the stage."""
        if owner not in self._owners:
            self._owners[owner] = OwnerStore(self, owner)
        return self._owners[owner]

    def of_script(self, name: str) -> OwnerStore:
        """The values of a script."""
        owner = f"script/{name}"
        if owner not in self._owners:
            self._owners[owner] = ScriptStore(self, owner)
        return self._owners[owner]

    def load(self, stored: Iterable[Stored]) -> None:
        """Begin with these values."""
        for value in stored:
            kind, _, name = value.owner.partition("/")
            owner = self.of_script(name) if kind == "script" else self.of(value.owner)
            owner.restore(value.key, value.value)

    def point(self, changed: set[Place] | None) -> None:
        """Note in this set what is changed from here on; ``None`` where nothing may be changed."""
        self._changed = changed

    def changed(self, owner: str, key: str) -> None:
        """A value is about to change; an error where that is not allowed."""
        if self._changed is None:
            raise RuntimeError("a script can change its store only in the hooks of a window")
        self._changed.add((owner, key))

    def messages(
        self, stage: str, changed: Iterable[Place], stream: str, window: int, offset: int, partitions: int
    ) -> Iterator[Outgoing]:
        """The messages that say what a window has changed, in a settled order."""
        envelope = Envelope(STORE.schema, stage, stream, window, 0, 1)
        partition = store_partition(stage, partitions)
        for owner, key in sorted(changed):
            record = Stored(stage=stage, owner=owner, key=key, value=self._owners[owner].text(key), offset=offset)
            yield Outgoing(STORE, partition, envelope, encode([record]), f"{stage}\x00{owner}\x00{key}".encode())


def store_partition(stage: str, partitions: int) -> int:
    """The partition of the store topic that holds what a stage keeps."""
    return partition_of(stage, partitions)


def newest(records: Iterable[Stored], known: int) -> list[Stored]:
    """What one stage kept as of an offset, from its records in the order in which they were written."""
    found: dict[Place, Stored] = {}
    for record in records:
        place = (record.owner, record.key)
        before = found.get(place)
        if record.offset <= known and (before is None or record.offset >= before.offset):
            found[place] = record
    return [record for record in found.values() if record.value]


def _size(key: str, text: str) -> int:
    return len(key) + (len(text) if text.isascii() else len(text.encode()))
