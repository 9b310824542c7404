"""Secrets that the configuration names instead of holding them."""

from __future__ import annotations

import os
from pathlib import Path

from topics.errors import TaplineError


def secret(named: str, key: str) -> str:
    """The secret that ``env:NAME`` or ``file:PATH`` stands for; ``key`` says which of the configuration it is.

    :class:`TaplineError` when it is neither, is not there or is empty.
    """
    kind, _, rest = named.partition(":")
    if kind == "env" and rest:
        value = os.environ.get(rest, "")
        if not value:
            raise TaplineError(f"{key}: the environment has no {rest}: set it, or name another")
        return value
    if kind == "file" and rest:
        try:
            with Path(rest).open(encoding="utf-8") as file:
                value = file.readline().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no UTF-8 text"
            raise TaplineError(f"{key}: cannot read {rest}: {why}: name a file whose first line it is") from error
        if not value:
            raise TaplineError(f"{key}: the first line of {rest} is empty: write it there")
        return value
    raise TaplineError(f"{key}: secrets do not stand in the configuration: write env:NAME or file:PATH")
