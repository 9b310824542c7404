"""The recorder refuses a machine it cannot use in one line, and its plan hangs together."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest
from cryptography import x509

from tapline.demo import record, topology
from tapline.demo.certificates import OCSP_URI, Certificate, DemoCertificates, make_certificates
from tapline.demo.schedule import schedule
from tapline.demo.vlan_tap import tagged
from topics.errors import TaplineError


@pytest.fixture
def events():
    paths = Certificate(Path("certificate.pem"), Path("key.pem"), Path("issued"))
    return schedule(DemoCertificates(paths, paths, paths, paths, paths, paths), Path("ssh_key"))


def test_a_user_without_root_is_told_so(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(TaplineError, match="needs root"):
        record.check_machine()


def test_missing_programs_are_named_by_their_packages(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda program, **_: None if program in ("dig", "snmpget") else program)
    with pytest.raises(TaplineError, match=r"apt-get install --no-install-recommends bind9-dnsutils snmp$"):
        record.check_machine()


def test_a_folder_that_does_not_exist_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(TaplineError, match="does not exist"):
        record.record(tmp_path / "missing" / "out.pcap")


def test_the_command_line_fails_with_one_line_and_without_a_file(tmp_path):
    output = tmp_path / "missing" / "out.pcap"
    command = [sys.executable, "-m", "tapline.demo.record", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("tapline: ")
    assert len(done.stderr.splitlines()) == 1
    assert not output.parent.exists()


def test_events_run_in_order_of_time_on_hosts_that_exist(events):
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert {event.host for event in events} <= {host.name for host in topology.HOSTS}
    assert all(0 < event.limit <= 240 for event in events)


def test_every_program_of_the_events_is_checked_for(events):
    assert {event.command[0] for event in events} <= {*record._PACKAGES, sys.executable}


def test_every_host_reaches_the_others_through_the_router():
    for host in topology.HOSTS:
        assert len(host.gateways) == len(host.addresses), host.name
        for address, gateway in zip(host.addresses, host.gateways, strict=True):
            assert ip_address(gateway) in ip_interface(address).network


def test_addresses_are_unique_and_reserved_for_private_use_or_documentation():
    addresses = [ip_interface(address).ip for host in topology.HOSTS for address in host.addresses]
    assert len(addresses) == len(set(addresses))
    assert all(address.is_private for address in addresses)


def test_a_tag_goes_between_addresses_and_type():
    addresses, rest = bytes(range(12)), b"\x08\x00payload"
    assert tagged(addresses + rest, 30) == addresses + b"\x81\x00\x00\x1e" + rest


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_certificates_are_good_self_signed_and_expired(tmp_path):
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    made = make_certificates(tmp_path / "pki", now)
    good, intermediate, root, own, expired = (
        x509.load_pem_x509_certificate(of_one.certificate.read_bytes())
        for of_one in (made.good, made.intermediate, made.root, made.self_signed, made.expired)
    )
    good.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    own.verify_directly_issued_by(own)
    assert good.not_valid_before_utc < now < good.not_valid_after_utc
    assert expired.not_valid_after_utc < now
    access = good.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [description.access_location.value for description in access] == [OCSP_URI]


def test_certificates_that_cannot_be_made_are_one_line(tmp_path, monkeypatch):
    broken = tmp_path / "openssl"
    broken.write_text("#!/bin/sh\necho no entropy >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(TaplineError, match="openssl genpkey failed: no entropy"):
        make_certificates(tmp_path / "pki", datetime.now(UTC))
