"""Lists in files that change while they are in use."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Final, Generic, TypeVar
from weakref import WeakValueDictionary

from tapline.lists.entries import EntryList
from tapline.lists.formats import Form, plain
from topics.errors import TaplineError

L = TypeVar("L", bound=EntryList)
_Stamp = tuple[int, int, int]

_shared: Final[WeakValueDictionary[tuple[type[EntryList], Path, Form, _Stamp], EntryList]] = WeakValueDictionary()
_reading: Final = Lock()


class ListFile(Generic[L]):
    """A list in a file: read when asked, and again once the file has changed.

    All instances in a process that read the same file share one list, so do not add to ``entries``.
    A file that cannot be read leaves the list as it was and is not tried again until it changes::

        def on_load(self):
            self.names = ListFile(SuffixSet, self.folder / "names.txt")
            self.names.load()

        def on_begin_flush(self, window):
            if self.names.changed():
                self.run_async(self.names.read, then=self.names.use)
    """

    def __init__(self, kind: type[L], path: str | Path, form: Form = plain) -> None:
        self.path: Final = Path(path)
        self.entries: L = kind()
        self._kind = kind
        self._form = form
        self._tried: _Stamp | None = None

    def load(self) -> None:
        """Read the file and use what it holds; :class:`TaplineError` with file and line where it is wrong."""
        self.use(self.read())

    def changed(self) -> bool:
        """True when the file is another than the one that was read last, or tried to."""
        return self._stamp() != self._tried

    def read(self) -> L:
        """What the file holds, not yet used; may be done off the stream. Errors as of :meth:`load`."""
        with _reading:
            stamp = self._tried = self._stamp()
            if stamp is None:
                raise TaplineError(f"{self.path}: is missing or may not be read")
            key = (self._kind, self.path.absolute(), self._form, stamp)
            found = _shared.get(key)
            if isinstance(found, self._kind):
                return found
            entries = self._kind.load(self.path, self._form)
            _shared[key] = entries
            return entries

    def use(self, entries: L) -> None:
        """Look up in this list from here on."""
        self.entries = entries

    def _stamp(self) -> _Stamp | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
