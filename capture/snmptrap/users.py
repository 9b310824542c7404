"""Opens messages of SNMPv3 and answers them: the user-based security model (RFC 3414)."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from msgspec import Struct

from capture.snmp.credentials import Passwords
from capture.snmp.settings import SnmpUser
from capture.snmptrap.ber import OCTETS, SEQUENCE, BerError, Reader
from capture.snmptrap.engine import MOST_BOOTS, Engine
from capture.snmptrap.message import Asked, Opened, Rejected
from capture.snmptrap.security import CODE_LENGTHS, SALT, Known, code_of, decrypt, known
from capture.snmptrap.writing import AUTHENTICATED, ENCRYPTED, REPORTABLE, USER_BASED, message, report

_LONGEST_ENGINE: Final = 32
_WINDOW: Final = 150
"""Seconds by which a message may be older than what its engine has sent before (RFC 3414, 2.2.3)."""

_MOST_ENGINES: Final = 10_000
_STATISTICS: Final = "1.3.6.1.6.3.15.1.1"
_LEVELS: Final = f"{_STATISTICS}.1.0"
_TIME_WINDOWS: Final = f"{_STATISTICS}.2.0"
_USER_NAMES: Final = f"{_STATISTICS}.3.0"
_ENGINE_IDS: Final = f"{_STATISTICS}.4.0"
_DIGESTS: Final = f"{_STATISTICS}.5.0"
_DECRYPTIONS: Final = f"{_STATISTICS}.6.0"
"""What a report names (RFC 3414, 5): why a message was refused."""


class _Message(Struct):
    """What stands around the scoped PDU of a message."""

    data: bytes
    number: int
    flags: int
    engine: bytes
    boots: int
    at: int
    name: bytes
    code: bytes
    code_ends: int
    salt: bytes

    @property
    def user(self) -> str:
        return self.name.decode("utf-8", "replace")


class Users:
    """The users whose messages are taken, and the engines that have sent some.

    Whoever sends a trap is its authoritative engine (RFC 3414, 1.5.1): the keys are those of its engine id, and its
    clock is the one that counts. Of an inform that is ``engine``, our own: whoever does not know its id or its clock is
    told by a report. ``clock`` is in seconds and only goes on.
    """

    def __init__(
        self,
        users: Mapping[str, tuple[SnmpUser, Passwords]],
        engine: Engine,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = engine
        self._known = {name: known(user, given) for name, (user, given) in users.items()}
        self._clock = clock
        self._engines: OrderedDict[bytes, tuple[int, float]] = OrderedDict()
        self._refused: Counter[str] = Counter()
        self._salt = secrets.randbits(64)

    def start(self) -> None:
        """Begin to take messages; our own engine is only needed where there are users."""
        if self._known:
            self.engine.start()

    def open(self, data: bytes, reader: Reader) -> Opened:
        """The user and the scoped PDU of a message, which is read up to its version.

        :class:`~capture.snmptrap.message.Asked` when it asks who we are,
        :class:`~capture.snmptrap.message.Rejected` when it is not to be taken,
        :class:`~capture.snmptrap.ber.BerError` when it is none.
        """
        header = reader.inner(SEQUENCE)
        number = header.integer()
        header.integer()
        flags = (header.octets() or b"\0")[0]
        if header.integer() != USER_BASED:
            raise Rejected("user", "its security model is not the user-based one")
        parameters = reader.inner(OCTETS).inner(SEQUENCE)
        engine = parameters.octets()
        boots, at = parameters.integer(), parameters.integer()
        name, code = parameters.octets(), parameters.octets()
        code_ends = parameters.position
        said = _Message(data, number, flags, engine, boots, at, name, code, code_ends, parameters.octets())
        place = reader.position
        if not engine and flags & REPORTABLE and self.engine.id:
            raise Asked("discoveries", self._report(said, _ENGINE_IDS, request=_request(Reader(data, place))))
        user = self._user(said)
        if flags & AUTHENTICATED:
            self._authenticate(said, user)
        if not flags & ENCRYPTED:
            reader.inner(SEQUENCE)
            return self._opened(said, user, data[place : reader.position])
        return self._opened(said, user, self._decrypted(said, user, reader.octets()))

    def _user(self, said: _Message) -> Known:
        user = self._known.get(said.user)
        if user is None or not 1 <= len(said.engine) <= _LONGEST_ENGINE:
            self._reject(said, "user", said.user, _USER_NAMES)
        wanted = (AUTHENTICATED if user.authentication else 0) | (ENCRYPTED if user.privacy else 0)
        if said.flags & wanted != wanted:
            self._reject(said, "level", said.user, _LEVELS)
        if said.flags & AUTHENTICATED and not user.authentication:
            self._reject(said, "authentication", f"{said.user} has no password here", _LEVELS)
        if said.flags & ENCRYPTED and not user.privacy:
            self._reject(said, "encryption", f"{said.user} has no password for that here", _LEVELS)
        return user

    def _authenticate(self, said: _Message, user: Known) -> None:
        length = CODE_LENGTHS[user.user.authentication]
        if len(said.code) != length:
            self._reject(said, "authentication", said.user, _DIGESTS)
        signed = said.data[: said.code_ends - length] + bytes(length) + said.data[said.code_ends :]
        if not hmac.compare_digest(code_of(user, said.engine, signed), said.code):
            self._reject(said, "authentication", said.user, _DIGESTS)
        if said.engine == self.engine.id:
            self._check_own_time(said, user)
        else:
            self._check_time(said)

    def _check_own_time(self, said: _Message, user: Known) -> None:
        """RFC 3414, 3.2, 7a: by our own clock, which whoever is behind by a start of ours is told."""
        engine = self.engine
        if said.boots == engine.boots < MOST_BOOTS and abs(engine.time - said.at) <= _WINDOW:
            return
        answer = self._report(said, _TIME_WINDOWS, user) if said.flags & REPORTABLE else b""
        if said.boots < engine.boots:
            raise Asked("synchronisations", answer)
        raise Rejected("time-window", f"boots {said.boots}, time {said.at}", answer)

    def _check_time(self, said: _Message) -> None:
        """RFC 3414, 3.2, 7b: of an engine that is known only what is not older than a window."""
        now = self._clock()
        told = (said.boots, said.at - now)
        before = self._engines.get(said.engine)
        if before is not None and (
            said.boots < before[0] or (said.boots == before[0] and told[1] < before[1] - _WINDOW)
        ):
            raise Rejected("time-window", f"boots {said.boots}, time {said.at}")
        self._engines[said.engine] = told if before is None else max(told, before)
        self._engines.move_to_end(said.engine)
        if len(self._engines) > _MOST_ENGINES:
            self._engines.popitem(last=False)

    def _decrypted(self, said: _Message, user: Known, data: bytes) -> bytes:
        plain = b""
        if len(said.salt) == SALT:
            try:
                plain = decrypt(user, said.engine, data, said.boots, said.at, said.salt)
            except ValueError:
                plain = b""
        if not plain.startswith(bytes((SEQUENCE,))):
            self._reject(said, "encryption", said.user, _DECRYPTIONS)
        return plain

    def _opened(self, said: _Message, user: Known, scoped: bytes) -> Opened:
        def answer(response: bytes) -> bytes:
            """The message that carries this scoped PDU back, as protected as the one it answers."""
            if not self.engine.id or said.engine != self.engine.id:
                raise Rejected("engine", said.engine.hex(), self._report(said, _ENGINE_IDS) if self.engine.id else b"")
            return self._message(said, said.flags & ~REPORTABLE, user, response)

        return Opened(said.user, scoped, answer)

    def _reject(self, said: _Message, reason: str, detail: str, counter: str) -> NoReturn:
        """Refuse a message; who sent it to us as an inform is told why."""
        ours = self.engine.id and said.engine == self.engine.id and said.flags & REPORTABLE
        raise Rejected(reason, detail, self._report(said, counter) if ours else b"")

    def _report(self, said: _Message, counter: str, user: Known | None = None, request: int = 0) -> bytes:
        """A report, authenticated where the keys of the ``user`` are given."""
        self._refused[counter] += 1
        scoped = report(self.engine.id, request, counter, self._refused[counter])
        return self._message(said, AUTHENTICATED if user is not None else 0, user, scoped)

    def _message(self, said: _Message, flags: int, user: Known | None, scoped: bytes) -> bytes:
        engine = self.engine
        self._salt = (self._salt + 1) % (1 << 64)
        salt = self._salt.to_bytes(SALT, "big")
        if user is not None and user.user.privacy == "des":
            # RFC 3414, 8.1.1.1.
            salt = engine.boots.to_bytes(4, "big") + salt[4:]
        return message(said.number, flags, engine.id, engine.boots, engine.time, said.name, user, salt, scoped)


def _request(reader: Reader) -> int:
    """The request id in a scoped PDU that is not encrypted, 0 where there is none."""
    try:
        scoped = reader.inner(SEQUENCE)
        scoped.octets()
        scoped.octets()
        return scoped.inner(scoped.tag()).integer()
    except BerError:
        return 0
