"""Traps from the network, sent by Net-SNMP's own programs."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
def secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
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


def alice(authentication: str, privacy: str = "none") -> tuple[SnmpSettings, list[str]]:
    """The settings for a user, and how Net-SNMP's programs are told of it."""
    user = {"user": "alice", "authentication": authentication, "privacy": privacy}
    asked = ["-u", "alice", "-l", "noAuthNoPriv"]
    if authentication != "none":
        user["authentication_password"] = "env:SNMP_AUTH"
        name = authentication.upper().replace("SHA1", "SHA")
        asked = ["-u", "alice", "-a", name.replace("SHA2", "SHA-2").replace("SHA5", "SHA-5"), "-A", "authentication"]
        asked += ["-l", "authNoPriv" if privacy == "none" else "authPriv"]
    if privacy != "none":
        user["privacy_password"] = "env:SNMP_PRIV"
        asked += ["-x", privacy.upper().removesuffix("128"), "-X", "encryption"]
    return SnmpSettings(trap_users=[SnmpUser(**user)]), asked  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("authentication", "privacy"),
    [("none", "none"), ("sha1", "none"), ("sha1", "aes128"), ("md5", "des"), ("sha256", "aes128"), ("sha512", "des")],
)
def test_informs_of_a_user_are_answered(authentication: str, privacy: str) -> None:
    """Net-SNMP asks for the engine's id first, and leaves with an error where no answer is right."""
    given, asked = alice(authentication, privacy)
    with listening(given) as (port, put):
        send(port, *asked, "", program="snmpinform", version="3")
        wait_for(lambda: put.alerts, "the inform")
    (alert,) = put.alerts
    assert (alert.attributes["user"], alert.attributes["ifIndex.3"], alert.subtype) == ("alice", "3", "linkDown")
    assert put.sink.counts["discoveries"] >= 1
    assert not put.counted("rejected.")


def test_the_engine_of_informs_is_the_same_after_a_restart_and_its_starts_are_counted(tmp_path: Path) -> None:
    given, asked = alice("sha1", "aes128")
    kept = []
    for _ in range(2):
        with listening(given) as (port, put):
            send(port, *asked, "", program="snmpinform", version="3")
            wait_for(lambda put=put: put.alerts, "the inform")  # type: ignore[misc]
        (file,) = (tmp_path / ".tapline" / "snmp").iterdir()
        kept.append(json.loads(file.read_bytes()))
    assert kept[0]["id"] == kept[1]["id"]
    assert [each["boots"] for each in kept] == [1, 2]


def test_who_knows_the_engine_but_not_its_clock_is_told_that(tmp_path: Path) -> None:
    """By a report that is authenticated, after which Net-SNMP sends its inform again."""
    given, asked = alice("sha1", "aes128")
    with listening(given) as (port, put):
        (file,) = (tmp_path / ".tapline" / "snmp").iterdir()
        engine = json.loads(file.read_bytes())["id"]
        send(port, *asked, "-e", f"0x{engine}", "-Z", "0,0", "", program="snmpinform", version="3")
        wait_for(lambda: put.alerts, "the inform")
    assert len(put.alerts) == 1
    assert put.sink.counts["synchronisations"] == 1


def test_who_informs_with_a_wrong_password_or_name_is_told_so() -> None:
    given, asked = alice("sha1", "aes128")
    with listening(given) as (port, put):
        for wrong, said in (
            (["another one" if each == "authentication" else each for each in asked], "Authentication failure"),
            (["bob" if each == "alice" else each for each in asked], "Unknown user name"),
            (["-u", "alice", "-l", "noAuthNoPriv"], "Unsupported security level"),
        ):
            with pytest.raises(subprocess.CalledProcessError) as raised:
                send(port, *wrong, "", program="snmpinform", version="3")
            assert said in raised.value.stderr.decode()
    assert not put.alerts
    assert set(put.counted("rejected.")) == {"authentication", "user", "level"}


def test_an_inform_whose_answer_was_lost_is_one_alert() -> None:
    given, asked = alice("sha1", "aes128")
    with listening(given) as (port, put), relay(port, lose=1) as there:
        send(there, "-c", "tests", "", program="snmpinform")
        assert put.sink.counts["repeated"] >= 1
        send(there, *asked, "", program="snmpinform", version="3")
    assert len(put.alerts) == 2


@contextmanager
def relay(port: int, *, lose: int) -> Iterator[int]:
    """A port whose datagrams go on to another one; the first answers from there are lost."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back,
    ):
        front.bind(("127.0.0.1", 0))
        front.settimeout(0.1)
        back.connect(("127.0.0.1", port))
        back.settimeout(10)
        ended = threading.Event()

        def carry() -> None:
            left = lose
            while not ended.is_set():
                try:
                    datagram, sender = front.recvfrom(65_535)
                except TimeoutError:
                    continue
                back.send(datagram)
                answer = back.recv(65_535)
                if left:
                    left -= 1
                else:
                    front.sendto(answer, sender)

        thread = threading.Thread(target=carry)
        thread.start()
        try:
            yield front.getsockname()[1]
        finally:
            ended.set()
            thread.join()


def test_an_engine_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    given, _ = alice("sha1")
    (tmp_path / ".tapline").write_text("no folder")
    _, (source,) = open_capture("snmptrap:udp://127.0.0.1:0", CaptureSettings(snmp=given))
    with pytest.raises(TaplineError, match=r"set capture\.snmp\.engine_folder"):
        source.run(Put().sink)
    (tmp_path / ".tapline").unlink()
    folder = tmp_path / ".tapline" / "snmp"
    source.stop()
    source.run(Put().sink)
    (file,) = folder.iterdir()
    file.write_text('{"id":"x"}')
    with pytest.raises(TaplineError, match=r"does not hold the engine of SNMPv3.*remove it"):
        source.run(Put().sink)


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
