"""Informs of SNMPv3, made by hand: who is answered, and with what."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto import rfc1902
from pysnmp.proto.api import v2c

from capture.snmp.credentials import Passwords
from capture.snmp.settings import Privacy, SnmpUser
from capture.snmptrap.ber import OCTETS, SEQUENCE, Reader
from capture.snmptrap.engine import Engine
from capture.snmptrap.message import RESPONSE, Asked, Rejected, Trap, parse
from capture.snmptrap.security import decrypt, encrypt, known
from capture.snmptrap.users import Users
from capture.snmptrap.writing import element, identifier, integer, message

quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
USER = SnmpUser(user="alice", authentication="sha256", privacy="aes128")
KNOWN = known(USER, Passwords("authentication", "encryption"))
SALT = bytes(range(8))
REPORTABLE = 7


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def users(tmp_path: Path, clock: Clock) -> Users:
    file = tmp_path / "engine.json"
    file.write_text(json.dumps({"id": "80000000050102030405060708", "boots": 4}))
    made = Users({"alice": (USER, Passwords("authentication", "encryption"))}, Engine(file, clock), clock)
    made.start()
    return made


def scoped(engine: bytes) -> bytes:
    """An inform that a link is down, in its scoped PDU."""
    pdu = v2c.InformRequestPDU()
    v2c.apiPDU.set_defaults(pdu)
    v2c.apiPDU.set_request_id(pdu, 4711)
    names = [("1.3.6.1.2.1.1.3.0", rfc1902.TimeTicks(42))]
    names += [("1.3.6.1.6.3.1.1.4.1.0", rfc1902.ObjectIdentifier("1.3.6.1.6.3.1.1.5.3"))]
    v2c.apiPDU.set_varbinds(pdu, names)
    return element(SEQUENCE, element(OCTETS, engine), element(OCTETS), bytes(encoder.encode(pdu)))


def inform(engine: bytes, boots: int, at: int) -> bytes:
    return message(77, REPORTABLE, engine, boots, at, b"alice", KNOWN, SALT, scoped(engine))


def took(users: Users, data: bytes) -> Trap:
    return parse(data, "", users.open)


def opened(data: bytes) -> tuple[int, int, bytes, int, int, bytes]:
    """The number and flags of a message, whose it is, its boots and time, and its scoped PDU."""
    reader = Reader(data).inner(SEQUENCE)
    assert reader.integer() == 3
    header = reader.inner(SEQUENCE)
    number, _, flags = header.integer(), header.integer(), header.octets()[0]
    parameters = reader.inner(OCTETS).inner(SEQUENCE)
    engine, boots, at = parameters.octets(), parameters.integer(), parameters.integer()
    parameters.octets()
    parameters.octets()
    salt = parameters.octets()
    if not flags & 2:
        return number, flags, engine, boots, at, data[reader.position :]
    return number, flags, engine, boots, at, decrypt(KNOWN, engine, reader.octets(), boots, at, salt)


def named(report: bytes) -> str:
    """What a report names."""
    pdu = Reader(opened(report)[5]).inner(SEQUENCE)
    pdu.octets()
    pdu.octets()
    inside = pdu.inner(0xA8)
    for _ in range(3):
        inside.integer()
    return inside.inner(SEQUENCE).inner(SEQUENCE).identifier()


def test_an_inform_is_answered_as_it_was_protected(users: Users, clock: Clock) -> None:
    clock.now += 30
    trap = took(users, inform(users.engine.id, 5, 20))
    assert (trap.version, trap.user, trap.uptime, trap.request) == ("v3", "alice", 42, 4711)
    number, flags, engine, boots, at, plain = opened(trap.answer)
    assert (number, flags, engine, boots, at) == (77, 3, users.engine.id, 5, 30)
    asked = scoped(users.engine.id)
    assert plain == asked.replace(b"\xa6", bytes((RESPONSE,)), 1)


@pytest.mark.parametrize(("boots", "at"), [(5, 1000), (6, 30)])
def test_an_inform_of_another_time_is_rejected_and_told_the_time(users: Users, boots: int, at: int) -> None:
    with pytest.raises(Rejected) as raised:
        took(users, inform(users.engine.id, boots, at))
    assert raised.value.reason == "time-window"
    assert named(raised.value.answer) == "1.3.6.1.6.3.15.1.1.2.0"
    assert opened(raised.value.answer)[:5] == (77, 1, users.engine.id, 5, 0)


def test_who_has_not_heard_of_the_last_start_is_told_of_it(users: Users) -> None:
    with pytest.raises(Asked) as raised:
        took(users, inform(users.engine.id, 4, 99))
    assert raised.value.counter == "synchronisations"
    assert named(raised.value.answer) == "1.3.6.1.6.3.15.1.1.2.0"


def test_who_does_not_know_the_engine_is_told_its_id(users: Users) -> None:
    with pytest.raises(Asked) as raised:
        took(users, message(5, 4, b"", 0, 0, b"", None, b"", scoped(b"")))
    assert raised.value.counter == "discoveries"
    assert named(raised.value.answer) == "1.3.6.1.6.3.15.1.1.4.0"
    assert opened(raised.value.answer)[:4] == (5, 0, users.engine.id, 5)


def test_an_inform_for_another_engine_is_rejected(users: Users) -> None:
    with pytest.raises(Rejected) as raised:
        took(users, inform(b"\x80another", 1, 1))
    assert raised.value.reason == "engine"
    assert named(raised.value.answer) == "1.3.6.1.6.3.15.1.1.4.0"


def test_what_asks_for_no_report_gets_none(users: Users) -> None:
    silent = message(77, 3, users.engine.id, 5, 0, b"bob", KNOWN, SALT, scoped(users.engine.id))
    with pytest.raises(Rejected) as raised:
        took(users, silent)
    assert (raised.value.reason, raised.value.answer) == ("user", b"")


def test_without_users_nothing_is_kept_and_nobody_answered(tmp_path: Path) -> None:
    users = Users({}, Engine(tmp_path / "engine.json"))
    users.start()
    with pytest.raises(Rejected) as raised:
        took(users, message(5, 4, b"", 0, 0, b"", None, b"", scoped(b"")))
    assert (raised.value.reason, raised.value.answer) == ("user", b"")
    assert not list(tmp_path.iterdir())


@settings(quick, max_examples=300)
@given(st.data())
def test_whatever_comes_is_a_trap_or_is_answered_or_rejected(data: st.DataObject) -> None:
    clock = Clock()
    with TemporaryDirectory() as folder:
        users = Users({"alice": (USER, Passwords("authentication", "encryption"))}, Engine(Path(folder) / "e"), clock)
        users.start()
    engine = users.engine.id
    plain = message(5, 4, b"", 0, 0, b"", None, b"", scoped(b""))
    changed = bytearray(data.draw(st.sampled_from([plain, inform(engine, 1, 0), inform(engine, 9, 0)])))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        answer = took(users, bytes(changed)).answer
    except (Rejected, Asked) as refused:
        answer = refused.answer
    if answer:
        assert opened(answer)[2] == engine


@quick
@given(st.sampled_from(["des", "aes128", "aes192", "aes256"]), st.binary(max_size=200), st.integers(0, (1 << 31) - 1))
def test_what_is_encrypted_can_be_decrypted(privacy: Privacy, data: bytes, at: int) -> None:
    user = known(SnmpUser(user="u", authentication="sha1", privacy=privacy), Passwords("authentication", "encryption"))
    hidden = encrypt(user, b"engine", data, 3, at, SALT)
    assert decrypt(user, b"engine", hidden, 3, at, SALT)[: len(data)] == data


@quick
@given(
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.tuples(st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, (1 << 32) - 1), max_size=20)),
    st.binary(max_size=70_000),
)
def test_what_is_written_is_read(number: int, arcs: tuple[int, int, list[int]], octets: bytes) -> None:
    name = ".".join(map(str, (*arcs[:2], *arcs[2])))
    reader = Reader(element(SEQUENCE, integer(number), identifier(name), element(OCTETS, octets))).inner(SEQUENCE)
    assert (reader.integer(), reader.identifier(), reader.octets()) == (number, name, octets)
    assert int(decoder.decode(integer(number))[0]) == number
