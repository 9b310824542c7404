"""The roles: each may do what those before it may."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Role(IntEnum):
    """A viewer looks, an operator also handles alerts and dead letters, an administrator also settings and users."""

    VIEWER = 1
    OPERATOR = 2
    ADMINISTRATOR = 3

    @property
    def word(self) -> str:
        """The role as it is written and shown."""
        return self.name.lower()


ROLES: Final = {role.word: role for role in Role}
"""The roles by the word for them."""
