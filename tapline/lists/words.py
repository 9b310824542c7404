"""Words in texts, all of a long list in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ahocorasick import Automaton

from tapline.lists.entries import EntryList, Hit


class WordMatcher(EntryList):
    """Words or phrases, found anywhere in a text, or with ``whole_words`` only where no letter or digit adjoins.

    Case does not matter. Looking through a text costs the same for one word or a million (Aho and
    Corasick, "Efficient String Matching", 1975; by pyahocorasick), yet the words take time and memory to
    prepare, some 10 s and 450 MB a million: prefer :class:`~tapline.lists.names.SuffixSet` or
    :class:`~tapline.lists.hashes.HashSet` where whole names or hashes are compared.
    """

    def __init__(self, entries: Iterable[tuple[str, str]] = (), *, whole_words: bool = False) -> None:
        self._whole_words = whole_words
        self._automaton: Any = Automaton()
        self._ready = False
        super().__init__(entries)

    def add(self, entry: str, value: str = "") -> None:
        word = entry.lower()
        if not word.strip():
            raise ValueError("an empty word is in every text")
        self._automaton.add_word(word, (word, value))
        self._ready = False

    def find(self, text: str) -> Hit | None:
        return next(self.find_all(text), None)

    def find_all(self, text: str) -> Iterator[Hit]:
        """Every occurrence, in the order of their ends; words inside of words as well."""
        if not len(self._automaton):
            return
        if not self._ready:
            self._automaton.make_automaton()
            self._ready = True
        text = text.lower()
        for end, (word, value) in self._automaton.iter(text):
            if not self._whole_words or _stands_alone(text, end + 1 - len(word), end + 1):
                yield Hit(word, value)

    def __len__(self) -> int:
        return len(self._automaton)


def _stands_alone(text: str, start: int, end: int) -> bool:
    return not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum())
