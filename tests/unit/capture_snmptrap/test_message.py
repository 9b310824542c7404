"""What datagrams say, whoever wrote them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import encoder
from pysnmp.proto import rfc1155, rfc1902, rfc1905
from pysnmp.proto.api import v1, v2c

from capture.snmp.credentials import Passwords
from capture.snmp.settings import SnmpUser
from capture.snmptrap.ber import BerError, Reader
from capture.snmptrap.engine import Engine
from capture.snmptrap.message import MOST_VARIABLES, Rejected, Trap, parse
from capture.snmptrap.users import Users

quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
V3 = bytes.fromhex(
    "3081b902010330110204248c5dac020300ffe3040103020103043f303d040880000000010203040201010203042ce1040561"
    "6c6963650418de2ba5965e13af12ee21fc08790afd2d9c6787894bfdcb880408487ae2d3f35703e50460f5f5bf832113d116"
    "0c3952f031aedc7cff339d1b2ab8cb870f474b3036107639ab8b91576cdea99402144ec836d7c7e2234fdaa7390f06a6efe5"
    "a5f5c217942ce0958a984db6c84a386c442994e23dbf28833095213d0ed28f1d1540d2e729ce"
)
"""A link-down trap of interface 3 that Net-SNMP's snmptrap wrote for the user below."""

LINK_DOWN = "1.3.6.1.6.3.1.1.5.3"
IF_INDEX = "1.3.6.1.2.1.2.2.1.1.3"

USERS = Users(
    {
        "alice": (
            SnmpUser(user="alice", authentication="sha256", privacy="aes128"),
            Passwords("authentication", "encryption"),
        )
    },
    Engine(Path("/nowhere/engine.json")),
)


def read(data: bytes, community: str = "") -> Trap:
    return parse(data, community, USERS.open)


def reason(data: bytes, community: str = "") -> str:
    with pytest.raises(Rejected) as raised:
        read(data, community)
    return raised.value.reason


def message_v2(variables: list[tuple[str, object]], kind: type = v2c.TrapPDU, community: str = "public") -> bytes:
    pdu = kind()
    v2c.apiTrapPDU.set_defaults(pdu)
    v2c.apiPDU.set_varbinds(
        pdu,
        [
            ("1.3.6.1.2.1.1.3.0", rfc1902.TimeTicks(4200)),
            ("1.3.6.1.6.3.1.1.4.1.0", rfc1902.ObjectIdentifier(LINK_DOWN)),
            *variables,
        ],
    )
    message = v2c.Message()
    v2c.apiMessage.set_defaults(message)
    v2c.apiMessage.set_community(message, community)
    v2c.apiMessage.set_pdu(message, pdu)
    return bytes(encoder.encode(message))


def message_v1(generic: int, specific: int = 0, agent: str = "192.0.2.7") -> bytes:
    pdu = v1.TrapPDU()
    v1.apiTrapPDU.set_defaults(pdu)
    v1.apiTrapPDU.set_enterprise(pdu, (1, 3, 6, 1, 4, 1, 9))
    v1.apiTrapPDU.set_agent_address(pdu, agent)
    v1.apiTrapPDU.set_generic_trap(pdu, generic)
    v1.apiTrapPDU.set_specific_trap(pdu, specific)
    v1.apiTrapPDU.set_timestamp(pdu, 77)
    v1.apiTrapPDU.set_varbinds(pdu, [(IF_INDEX, rfc1155.Counter(3))])
    message = v1.Message()
    v1.apiMessage.set_defaults(message)
    v1.apiMessage.set_community(message, "public")
    v1.apiMessage.set_pdu(message, pdu)
    return bytes(encoder.encode(message))


def test_a_trap_of_version_2() -> None:
    trap = read(
        message_v2([(IF_INDEX, rfc1902.Integer32(3)), ("1.3.6.1.2.1.31.1.1.1.1.3", rfc1902.OctetString("Gi0/3"))])
    )
    assert (trap.version, trap.name, trap.uptime, trap.agent) == ("v2c", LINK_DOWN, 4200, "")
    assert trap.variables == [(IF_INDEX, "3"), ("1.3.6.1.2.1.31.1.1.1.1.3", "Gi0/3")]
    assert not trap.answer


def test_traps_of_version_1_are_named_as_those_of_version_2() -> None:
    trap = read(message_v1(2))
    assert (trap.version, trap.name, trap.uptime, trap.agent) == ("v1", LINK_DOWN, 77, "192.0.2.7")
    assert trap.variables == [(IF_INDEX, "3")]
    trap = read(message_v1(6, 41, "0.0.0.0"))
    assert (trap.name, trap.agent) == ("1.3.6.1.4.1.9.0.41", "")


def test_a_trap_that_was_handed_on_names_whose_it_is() -> None:
    trap = read(message_v2([("1.3.6.1.6.3.18.1.3.0", rfc1902.IpAddress("192.0.2.8"))]))
    assert trap.agent == "192.0.2.8"


def test_a_trap_of_version_3() -> None:
    trap = read(V3)
    assert (trap.version, trap.user, trap.name, trap.uptime) == ("v3", "alice", LINK_DOWN, 42)
    assert trap.variables == [(IF_INDEX, "3")]


def test_any_octet_of_a_signed_message_that_is_changed_is_found() -> None:
    for at in range(len(V3)):
        assert reason(V3[:at] + bytes([V3[at] ^ 1]) + V3[at + 1 :]), at


def test_an_inform_is_answered_with_what_it_said() -> None:
    data = message_v2([(IF_INDEX, rfc1902.Integer32(3))], kind=v2c.InformRequestPDU)
    answer = read(data).answer
    assert len(answer) == len(data)
    assert [(at, new) for at, (old, new) in enumerate(zip(data, answer, strict=True)) if old != new] == [
        (data.index(b"public") + 6, rfc1905.ResponsePDU.tagSet[-1].tagId | 0xA0)
    ]


def test_more_variables_than_can_be_kept_are_counted() -> None:
    trap = read(message_v2([(f"1.3.6.1.4.1.{number}.0", rfc1902.Integer32(1)) for number in range(MOST_VARIABLES + 7)]))
    assert (len(trap.variables), trap.left_out) == (MOST_VARIABLES, 7)


@quick
@given(
    st.integers(-(1 << 31), (1 << 31) - 1), st.integers(0, (1 << 64) - 1), st.binary(max_size=200), st.ip_addresses(v=4)
)
def test_values_are_what_was_written(number: int, large: int, octets: bytes, address: object) -> None:
    values = [
        rfc1902.Integer32(number),
        rfc1902.Counter64(large),
        rfc1902.OctetString(octets),
        rfc1902.IpAddress(str(address)),
        rfc1902.ObjectIdentifier(LINK_DOWN),
    ]
    trap = read(message_v2([(f"1.3.6.1.4.1.{at}", value) for at, value in enumerate(values)]))
    found = [value for _, value in trap.variables]
    assert found[:2] == [str(number), str(large)]
    assert found[3:] == [str(address), LINK_DOWN]
    text = found[2]
    assert text == f"0x{octets.hex()}" or text.encode() == octets.rstrip(b"\0")


@quick
@given(st.tuples(st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, (1 << 32) - 1), max_size=100)))
def test_object_identifiers_are_what_was_written(arcs: tuple[int, int, list[int]]) -> None:
    name = ".".join(map(str, (*arcs[:2], *arcs[2])))
    assert Reader(bytes(encoder.encode(rfc1902.ObjectIdentifier(name)))).identifier() == name


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", "ber"),
        (b"\x30", "ber"),
        (b"\x30\x80\x02\x01\x01", "ber"),
        (b"\x30\x84\xff\xff\xff\xff\x02\x01\x01", "ber"),
        (b"\x30\x03\x02\x01\x02", "version"),
        (b"\x30\x0a\x02\x01\x01\x04\x05public", "ber"),
        pytest.param(message_v2([])[:-1], "ber", id="cut short"),
        pytest.param(message_v2([], kind=v2c.SetRequestPDU), "no-trap", id="set request"),
        pytest.param(message_v1(2).replace(b"\x02\x01\x00\x04", b"\x02\x01\x01\x04", 1), "no-trap", id="other version"),
    ],
)
def test_what_is_no_trap_is_rejected_for_a_reason(data: bytes, wanted: str) -> None:
    assert reason(data) == wanted


def test_a_community_that_is_not_the_one_wanted_is_rejected() -> None:
    assert read(message_v2([]), "public").name == LINK_DOWN
    assert reason(message_v2([]), "another") == "community"


@settings(quick, max_examples=500)
@given(st.data())
def test_whatever_comes_is_a_trap_or_is_rejected(data: st.DataObject) -> None:
    real = data.draw(st.sampled_from([message_v1(2), message_v2([(IF_INDEX, rfc1902.Integer32(3))]), V3]))
    changed = bytearray(real)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(changed)))
    with contextlib.suppress(Rejected):
        read(bytes(changed[:cut]) if data.draw(st.booleans()) else bytes(changed))


@settings(quick, max_examples=300)
@given(st.binary(max_size=300))
@example(b"\x30\x82")
@example(b"\x1f\x00")
def test_no_bytes_bring_the_reader_out_of_step(data: bytes) -> None:
    reader = Reader(data)
    try:
        while reader.more:
            before = reader.position
            _, start, end = reader.next()
            assert before < start <= end == reader.position <= len(data)
    except BerError:
        pass
