"""Logging in."""

from __future__ import annotations

from console.errors import LoginNeeded, TooOften
from console.parts import Console
from console.security.users import User


def log_in(console: Console, name: str, password: str, address: str) -> User:
    """The user of this name and password.

    :class:`~console.errors.LoginNeeded` when there is none, without saying which of both is wrong;
    :class:`~console.errors.TooOften` when it was tried too often.
    """
    wait = console.attempts.wait_seconds(address, name)
    if wait > 0:
        console.audit.write(name, "log-in refused", detail="tried too often", address=address)
        raise TooOften(f"too many attempts: try again in {wait:.0f} seconds")
    user = console.users.authenticate(name, password)
    if user is None:
        console.attempts.failed(address, name)
        console.audit.write(name, "log-in failed", address=address)
        raise LoginNeeded("the name or the password is wrong")
    console.attempts.succeeded(name)
    console.audit.write(name, "logged in", address=address)
    return user
