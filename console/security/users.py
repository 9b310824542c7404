"""The users: a file of names, roles and password hashes."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from console.security.kept import keep, make_folder
from console.security.passwords import Passwords
from console.security.roles import ROLES, Role
from topics.errors import TaplineError

FILE_NAME: Final = "users.json"
MOST: Final = 10_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class User(Struct, frozen=True, kw_only=True):
    """Somebody who may use the console; ``password`` is an argon2id hash."""

    name: str
    role: str
    password: str

    @property
    def rank(self) -> Role:
        """What the user may do."""
        return ROLES[self.role]


class Users:
    """The users of a folder; the file is read once and written whole at each change."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._passwords = Passwords()
        self._lock = threading.Lock()
        self._users: dict[str, User] = {}

    def load(self) -> None:
        """Read the file, if there is one; :class:`TaplineError` where it cannot be used."""
        make_folder(self._path.parent)
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=list[User])
        except FileNotFoundError:
            found = []
        except OSError as error:
            raise TaplineError(f"cannot read {self._path}: {error.strerror}") from error
        except msgspec.DecodeError as error:
            raise TaplineError(f"{self._path} is damaged ({error}): mend it, or remove it to begin anew") from error
        wrong = sorted({user.role for user in found} - ROLES.keys())
        if wrong:
            raise TaplineError(f"{self._path}: there is no role {wrong[0]}: there are {', '.join(ROLES)}")
        self._users = {user.name: user for user in found}

    @property
    def empty(self) -> bool:
        """True before the first user was made."""
        return not self._users

    def all(self) -> list[User]:
        """The users by name."""
        return sorted(self._users.values(), key=lambda user: user.name)

    def find(self, name: str) -> User | None:
        """The user of this name."""
        return self._users.get(name)

    def authenticate(self, name: str, password: str) -> User | None:
        """The user whose name and password these are; as slow for a name that nobody has."""
        user = self._users.get(name)
        return user if self._passwords.fits(password, user.password if user else None) else None

    def add(self, name: str, role: str, password: str, *, first: bool = False) -> User:
        """Make a user (``first``: only as long as there is none); :class:`ValueError` says what is wrong."""
        if not _NAME.fullmatch(name):
            raise ValueError("a name has up to 64 letters, digits and . _ @ -, and begins with a letter or a digit")
        if role not in ROLES:
            raise ValueError(f"there is no role {role}: there are {', '.join(ROLES)}")
        user = User(name=name, role=role, password=self._passwords.hash(password))
        with self._lock:
            if first and self._users:
                raise ValueError("the first user has been made already: log in")
            if name in self._users:
                raise ValueError(f"there is a user {name} already")
            if len(self._users) >= MOST:
                raise ValueError(f"there are {MOST:,} users already")
            self._write({**self._users, name: user})
        return user

    def change(self, name: str, *, role: str = "", password: str = "") -> User:
        """Give a user another role or password; :class:`ValueError` says what is wrong."""
        if role and role not in ROLES:
            raise ValueError(f"there is no role {role}: there are {', '.join(ROLES)}")
        hashed = self._passwords.hash(password) if password else ""
        with self._lock:
            user = self._known(name)
            if role and role != Role.ADMINISTRATOR.word:
                self._see_that_one_is_left(name)
            user = msgspec.structs.replace(user, role=role or user.role, password=hashed or user.password)
            self._write({**self._users, name: user})
        return user

    def remove(self, name: str) -> None:
        """Take a user away; :class:`ValueError` where there is none, or it is the last administrator."""
        with self._lock:
            self._known(name)
            self._see_that_one_is_left(name)
            self._write({key: user for key, user in self._users.items() if key != name})

    def _known(self, name: str) -> User:
        if name not in self._users:
            raise ValueError(f"there is no user {name}")
        return self._users[name]

    def _see_that_one_is_left(self, without: str) -> None:
        others = (user for name, user in self._users.items() if name != without)
        if not any(user.rank is Role.ADMINISTRATOR for user in others):
            raise ValueError(f"{without} is the last administrator: make another one first")

    def _write(self, users: dict[str, User]) -> None:
        keep(self._path, msgspec.json.format(msgspec.json.encode(list(users.values())), indent=2) + b"\n")
        self._users = users
