"""Syslog, against a real daemon."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from exporters.recipients.senders.sender import Unavailable
from exporters.recipients.settings import SyslogServer
from tapline.services.ports import free_port
from tests.integration.exporters.recipients.sending import notification, sending
from tests.integration.exporters.recipients.syslog_daemon import RSYSLOGD, SERVERS, TLS_DRIVERS, rsyslogd
from tests.waiting import wait_for


@pytest.mark.skipif(RSYSLOGD is None, reason="rsyslogd is not installed (apt install rsyslog)")
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_syslog_server_understands_alerts(transport: str, certificate, tmp_path: Path) -> None:
    if transport == "tls" and not TLS_DRIVERS:
        pytest.skip("rsyslog's TLS is not installed (apt install rsyslog-openssl)")
    port = free_port([])
    module, listen = SERVERS["udp" if transport == "udp" else "tcp"]
    if transport == "tls":
        module = (
            f'global(DefaultNetstreamDriver="{TLS_DRIVERS[0]}" DefaultNetstreamDriverCAFile="{certificate[0]}"'
            f' DefaultNetstreamDriverCertFile="{certificate[0]}" DefaultNetstreamDriverKeyFile="{certificate[1]}")\n'
            'module(load="imtcp" StreamDriver.Name="{driver}" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")'
        ).replace("{driver}", TLS_DRIVERS[0])
    server = SyslogServer(name="logs", host="127.0.0.1", port=port, transport=transport, ca_file=str(certificate[0]))
    told = [notification("raised", number, entity='a"b]c\\d') for number in range(20)]
    proc = "/proc/net/udp" if transport == "udp" else "/proc/net/tcp"
    with (
        rsyslogd(tmp_path, f'global(maxMessageSize="64k")\n{module}', listen, port, proc) as lines,
        sending(server) as send,
    ):
        for each in told:
            send(each)
        wait_for(lambda: lines.is_file() and len(lines.read_text().splitlines()) == 20, "20 lines")
    found = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert [json.loads(line["msg"])["event"]["id"] for line in found] == [each.id for each in told]
    first = found[0]
    assert (first["app"], first["event"], first["severity"], first["facility"]) == ("tapline", "raised", "3", "16")
    assert first["version"] == "1"
    assert first["data"].startswith(f'[alert@32473 id="{told[0].id}"')
    assert r'entity="a\"b\]c\\d"' in first["data"]


def test_a_syslog_server_that_went_away_is_noticed_before_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = SyslogServer(name="logs", host="127.0.0.1", port=listener.getsockname()[1], timeout=5)
        with sending(server) as send:
            send(notification())
            first, _ = listener.accept()
            first.close()
            send(notification(number=2))
            second, _ = listener.accept()
            with second:
                assert notification(number=2).id.encode() in second.recv(65536)
            listener.close()
            with pytest.raises(Unavailable, match="unreachable"):
                send(notification(number=3))
