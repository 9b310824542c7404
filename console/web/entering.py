"""Logging in, by a password or by the word of an OpenID provider."""

from __future__ import annotations

from collections.abc import Mapping

from console.errors import LoginNeeded, Refused, TooOften, Unavailable
from console.parts import Console
from console.security.openid import Pending
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


def log_in_by_openid(console: Console, pending: Pending | None, answer: Mapping[str, str], back: str, at: str) -> User:
    """The user of whom the provider's answer speaks; ``at`` is the address from where it came.

    Fails as :meth:`console.security.openid.OpenId.finish` does, with :class:`~console.errors.TooOften` besides: each
    try has the provider asked.
    """
    wait = console.attempts.wait_seconds(at, f"openid {at}")
    if wait > 0:
        raise TooOften(f"too many attempts: try again in {wait:.0f} seconds")
    try:
        user = console.openid.finish(pending, answer, back)
        if console.users.find(user.name) is not None:
            raise Refused(f"{user.name} is a user of the console itself: log in with the password")  # noqa: TRY301
    except (Refused, Unavailable) as error:
        console.attempts.failed(at, f"openid {at}")
        console.audit.write("", "log-in failed", detail=f"OpenID: {error}", address=at)
        raise
    console.audit.write(user.name, "logged in", detail=f"OpenID, as {user.role}", address=at)
    return user
