"""Text of others on a terminal and in a log: without the characters that command a terminal."""

from __future__ import annotations

import re
from typing import Final

# C0 but for tab and line feed, DEL and C1 (ISO 6429: escape sequences begin with these), and what turns the
# direction of writing around (Unicode Annex 9), so that a line can look like another one.
_COMMANDING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""The text with control characters written out, as ``\x1b``; tabs and ends of lines stay."""
    return _COMMANDING.sub(_written_out, text)


def printable_json(text: str) -> str:
    r"""JSON with the control characters it may hold as they are written as ``\u009b``; it means the same."""
    return _COMMANDING.sub(_escaped, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
