"""The exporter is killed in the middle of sending: nothing is lost, and a kill repeats one message at most."""

from __future__ import annotations

import json
import signal
import uuid
from email import message_from_bytes
from functools import partial
from pathlib import Path

import pytest

from exporters.recipients.settings import Email, SyslogServer, Webhook
from tapline.services.ports import free_port
from tests.integration.exporters.recipients.lab import RecipientsLab, stored
from tests.integration.exporters.recipients.servers import Mailbox, WebServer, smtp_server
from tests.integration.exporters.recipients.syslog_daemon import RSYSLOGD, SERVERS, rsyslogd
from tests.waiting import wait_for

KILLS = 3
EACH = 200


@pytest.mark.kill
@pytest.mark.skipif(RSYSLOGD is None, reason="rsyslogd is not installed (apt install rsyslog)")
def test_killed_in_the_middle(lab: RecipientsLab, web: WebServer, certificate, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex[:8]
    ca_file = str(certificate[0])
    mailbox = Mailbox()
    hook = Webhook(name=f"hook-{mark}", url=f"{web.url}/one", ca_file=ca_file, per_minute=0, timeout=60)
    digests = Webhook(
        name=f"digests-{mark}", url=f"{web.url}/many", ca_file=ca_file, per_minute=0, digest_seconds=0.05, timeout=60
    )
    told = [stored(number) for number in range(EACH * (KILLS + 1))]
    syslog_port = free_port([])
    module, listen = SERVERS["tcp"]
    daemon = rsyslogd(tmp_path, f'global(maxMessageSize="64k")\n{module}', listen, syslog_port, "/proc/net/tcp")
    with smtp_server(mailbox) as port, daemon as lines:
        logs = SyslogServer(name=f"logs-{mark}", host="127.0.0.1", port=syslog_port, timeout=60)
        mail = Email(
            name=f"mail-{mark}",
            host="127.0.0.1",
            port=port,
            security="none",
            sender="tapline@example.org",
            to=["ada@example.org"],
            per_minute=0,
            timeout=60,
        )
        everybody = (hook, digests, mail, logs)

        def sent() -> tuple[list[str], list[tuple[str, int, str]], list[str]]:
            single = [request.json["id"] for request in web.requests if request.path == "/one"]
            bodies = [request.json for request in web.requests if request.path == "/many"]
            many = [(body["id"], body["count"], body["alerts"][0]["event"]["id"]) for body in bodies]
            mails = [str(message_from_bytes(content)["Message-ID"])[1:33] for _, content in mailbox.messages]
            return single, many, mails

        def logged() -> list[str]:
            written = lines.read_text(encoding="utf-8") if lines.is_file() else ""
            whole = written[: written.rfind("\n") + 1].splitlines()
            return [json.loads(json.loads(line)["msg"])["event"]["id"] for line in whole]

        process = lab.start_process(tmp_path, *everybody)
        try:
            for each in everybody:
                lab.wait_until_begun(each.name)
            for kill in range(KILLS):
                part = told[kill * EACH : (kill + 1) * EACH]
                lab.tell(part)
                # In the middle of the part, while the others are at other places.
                middle, which = kill * EACH + EACH // 3, kill % 2 * 2
                wait_for(partial(lambda m, w: len(set(sent()[w])) >= m, middle, which), "a part", seconds=90)
                process.send_signal(signal.SIGKILL)
                process.wait(30)
                process = lab.start_process(tmp_path, *everybody)
            lab.tell(told[KILLS * EACH :])
            for each in everybody:
                lab.wait_until_done(each.name)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            wait_for(lambda: len(set(logged())) == len(told), "the daemon to write all of it", seconds=60)
        finally:
            process.kill()
            process.wait()
    single, many, mails = sent()
    wanted = [each.id for each in told]
    for kind in (single, mails, logged()):
        assert list(dict.fromkeys(kind)) == wanted, "all of them, in order"
        assert len(kind) - len(wanted) <= KILLS
        assert all(kind[at] == kind[at - 1] for at in range(1, len(kind)) if kind[at] in kind[:at]), "the last one"
    different = list(dict.fromkeys(many))
    assert len({key for key, _, _ in many}) == len(different), "a digest that comes again is as it was"
    assert sum(count for _, count, _ in different) == len(wanted)
    assert [wanted.index(first) for _, _, first in different] == [
        sum(count for _, count, _ in different[:number]) for number in range(len(different))
    ], "each goes on where the one before it ended"
    assert len(many) - len(different) <= KILLS
