"""Traps from the network, sent by Net-SNMP's own programs."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.snmp.settings import SnmpSettings, SnmpUser
from capture.snmptrap.source import TrapListener
from tests.unit.capture_snmp.made import Put, running
from tests.waiting import wait_for
from topics.errors import TaplineError

pytestmark = pytest.mark.skipif(shutil.which("snmptrap") is None, reason="snmptrap is not installed (apt install snmp)")

LINK_DOWN = "1.3.6.1.6.3.1.1.5.3"
VARIABLES = ("1.3.6.1.2.1.2.2.1.1.3", "i", "3", "1.3.6.1.2.1.31.1.1.1.1.3", "s", "Gi0/3")


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("COMMUNITY", "tests"), ("AUTH", "authentication"), ("PRIV", "encryption")):
        monkeypatch.setenv(f"SNMP_{name}", value)


@contextmanager
def listening(settings: SnmpSettings | None = None) -> Iterator[tuple[int, Put]]:
    with running("snmptrap:udp://127.0.0.1:0", settings or SnmpSettings()) as (source, put):
        assert isinstance(source, TrapListener)
        yield wait_for(lambda: source.port, "the port"), put


def send(port: int, *arguments: str, program: str = "snmptrap", version: str = "2c") -> None:
    command = [program, f"-v{version}", *arguments[:-1], f"127.0.0.1:{port}"]
    trap = ["42", LINK_DOWN] if version != "1" else ["1.3.6.1.4.1.9", "192.0.2.7", "2", "0", "42"]
    environment = {"PATH": "/usr/bin:/bin", "MIBS": "", "HOME": "/nowhere", "SNMP_PERSISTENT_DIR": "/nowhere"}
    subprocess.run([*command, *trap, *VARIABLES], env=environment, check=True, timeout=30, capture_output=True)


def test_traps_become_alerts() -> None:
    with listening() as (port, put):
        send(port, "-c", "tests", "", version="1")
        send(port, "-c", "tests", "")
        send(port, "-c", "tests", "", program="snmpinform")
        wait_for(lambda: len(put.alerts) == 3, "three traps")
    first, second, third = put.alerts
    assert (first.entity, first.entity_kind) == ("192.0.2.7:3", "snmp_interface")
    for alert in (second, third):
        assert (alert.type, alert.subtype, alert.signature) == ("snmp_trap", "linkDown", LINK_DOWN)
        assert (alert.entity, alert.entity_kind, alert.source_ip) == ("127.0.0.1:3", "snmp_interface", "127.0.0.1")
        assert alert.message == "linkDown: ifIndex.3 3, ifName.3 Gi0/3"
        assert alert.attributes["ifName.3"] == "Gi0/3"
        assert alert.attributes["version"] == "v2c"
    assert put.sink.counts["traps"] == 3
    sums = [sample.meters for sample in put.samples("SNMP-Trap")]
    assert (sum(each["traps"] for each in sums), sum(each["rejected"] for each in sums)) == (3, 0)


def test_a_trap_about_no_interface_is_about_the_device() -> None:
    with listening() as (port, put):
        arguments = ["-c", "tests", f"127.0.0.1:{port}", "42", "1.3.6.1.6.3.1.1.5.1"]
        subprocess.run(
            ["snmptrap", "-v2c", *arguments], env={"PATH": "/usr/bin:/bin", "MIBS": ""}, check=True, timeout=30
        )
        wait_for(lambda: put.alerts, "the trap")
    (alert,) = put.alerts
    assert (alert.subtype, alert.message, alert.severity) == ("coldStart", "coldStart", 4)
    assert (alert.entity, alert.entity_kind) == ("127.0.0.1", "snmp_device")


@pytest.mark.parametrize(
    ("authentication", "privacy"),
    [("md5", "none"), ("md5", "des"), ("sha1", "aes128"), ("sha256", "aes128"), ("sha512", "none")],
)
def test_traps_of_a_user(authentication: str, privacy: str) -> None:
    user = {"user": "alice", "authentication": authentication, "authentication_password": "env:SNMP_AUTH"}
    asked = ["-e", "0x8000000001020304", "-u", "alice", "-a", authentication.upper().replace("SHA1", "SHA")]
    asked[-1] = asked[-1].replace("SHA2", "SHA-2").replace("SHA5", "SHA-5")
    asked += ["-A", "authentication", "-l", "authNoPriv" if privacy == "none" else "authPriv"]
    if privacy != "none":
        user |= {"privacy": privacy, "privacy_password": "env:SNMP_PRIV"}
        asked += ["-x", privacy.upper().removesuffix("128"), "-X", "encryption"]
    settings = SnmpSettings(trap_users=[SnmpUser(**user)])  # type: ignore[arg-type]
    with listening(settings) as (port, put):
        send(port, *asked, "", version="3")
        wait_for(lambda: put.alerts or put.counted("rejected."), "the trap")
    (alert,) = put.alerts
    assert alert.attributes["user"] == "alice"
    assert alert.attributes["ifIndex.3"] == "3"


def test_what_is_not_to_be_taken_is_counted_by_reason() -> None:
    user = SnmpUser(user="alice", authentication="sha256", authentication_password="env:SNMP_AUTH")
    settings = SnmpSettings(trap_community="env:SNMP_COMMUNITY", trap_users=[user])
    engine = ("-e", "0x8000000001020304")
    with (
        listening(settings) as (port, put),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sender.sendto(b"no trap", ("127.0.0.1", port))
        send(port, "-c", "another", "")
        send(port, *engine, "-u", "nobody", "-l", "noAuthNoPriv", "", version="3")
        send(port, *engine, "-u", "alice", "-l", "noAuthNoPriv", "", version="3")
        send(port, *engine, "-u", "alice", "-l", "authNoPriv", "-a", "SHA-256", "-A", "another one", "", version="3")
        send(port, "-c", "tests", "")
        wait_for(lambda: put.alerts, "the trap that is right")
    assert put.counted("rejected.") == {"ber": 1, "community": 1, "user": 1, "level": 1, "authentication": 1}
    assert len(put.letters) == 5
    assert all(letter.error for letter in put.letters)
    assert len(put.alerts) == 1


def test_what_the_kernel_drops_is_counted() -> None:
    settings = SnmpSettings(receive_buffer=4096, rejected_per_minute=0)
    sent = 3000
    with listening(settings) as (port, put), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def all_known() -> bool:
            # The kernel tells what it has dropped with the next datagram that it keeps.
            sender.sendto(b"x", ("127.0.0.1", port))
            nonlocal sent
            sent += 1
            counts = put.sink.counts
            return counts["rejected.ber"] + counts["dropped.kernel"] >= sent - 1

        for _ in range(sent):
            sender.sendto(bytes(1000), ("127.0.0.1", port))
        wait_for(all_known, "every datagram to be taken or known to be dropped")
    assert put.sink.counts["rejected.ber"] + put.sink.counts["dropped.kernel"] <= sent


@pytest.mark.parametrize("name", ["snmptrap:", "snmptrap:tcp://127.0.0.1:162", "snmptrap:udp://127.0.0.1:99999"])
def test_what_is_no_address_is_told(name: str) -> None:
    with pytest.raises(TaplineError, match="is no address to listen on: write snmptrap:udp://HOST:PORT"):
        open_capture(name, CaptureSettings())


def test_a_user_named_twice_is_told() -> None:
    settings = SnmpSettings(trap_users=[SnmpUser(user="a"), SnmpUser(user="a")])
    with pytest.raises(TaplineError, match=r"trap_users\[1\] is a again"):
        open_capture("snmptrap:udp://127.0.0.1:0", CaptureSettings(snmp=settings))
