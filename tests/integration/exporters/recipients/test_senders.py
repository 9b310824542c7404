"""What sends to each service, against real servers where they can be had here, else against a stand-in."""

from __future__ import annotations

import base64
import hmac
import json
import shutil
import socket
import ssl
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.smtp import AuthResult

from exporters.recipients.digest import Digest
from exporters.recipients.exporter import send_test
from exporters.recipients.notification import Message, Notification
from exporters.recipients.opening import sender_for, wording_for
from exporters.recipients.senders.sender import Rejected, Unavailable
from exporters.recipients.settings import (
    AnyRecipient,
    Apprise,
    Discord,
    Email,
    Mattermost,
    PagerDuty,
    Script,
    Slack,
    SyslogServer,
    Teams,
    Telegram,
    Webhook,
)
from tapline.services.ports import free_port
from tests.integration.exporters.recipients.servers import Mailbox, WebServer, closed_port, smtp_server
from tests.unit.exporters.samples import alert
from tests.waiting import wait_for
from topics.errors import TaplineError

RSYSLOGD = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")
TLS_DRIVERS = [
    name
    for name, module in (("ossl", "lmnsd_ossl.so"), ("gtls", "lmnsd_gtls.so"))
    if any(Path("/usr/lib").glob(f"*/rsyslog/{module}"))
]
DEFAULT_TIMEOUT = 10.0
HOSTILE = (
    '<script>*bold* _it_ [x](http://evil.example) @everyone <!channel> `code` "q" \r\nBcc: eve@example.org\n\x1b[31m'
)


def notification(event: str = "raised", number: int = 1, **changes: object) -> Notification:
    told = msgspec.structs.replace(alert(number, event), **changes)  # type: ignore[arg-type]
    return Notification(told.id, event, told)  # type: ignore[arg-type]


@contextmanager
def sending(recipient: AnyRecipient) -> Iterator[Any]:
    """A function that puts a notification into words and sends it; a machine that is busy has its time."""
    if recipient.timeout == DEFAULT_TIMEOUT:
        recipient = msgspec.structs.replace(recipient, timeout=60.0)
    sender = sender_for(recipient)
    sender.open()
    wording = wording_for(recipient, sender)

    def send(told: Notification) -> Message:
        message = wording.of_one(told)
        sender.send(message)
        return message

    try:
        yield send
    finally:
        sender.close()


def test_a_webhook_is_signed_and_named(web: WebServer, certificate, monkeypatch) -> None:
    key = b"a key of 24 bytes or more"
    monkeypatch.setenv("SIGNING", f"whsec_{base64.b64encode(key).decode()}")
    monkeypatch.setenv("TOKEN", "Bearer t0k3n")
    hook = Webhook(
        name="hook",
        url=f"{web.url}/alerts",
        ca_file=str(certificate[0]),
        headers={"Authorization": "env:TOKEN", "X-Site": "here"},
        secret="env:SIGNING",
    )
    with sending(hook) as send:
        send(notification())
        send(notification("released", 2))
    first, second = web.requests
    assert (first.path, first.headers["Authorization"], first.headers["X-Site"]) == ("/alerts", "Bearer t0k3n", "here")
    assert first.headers["webhook-id"] == first.headers["Idempotency-Key"] == notification().id
    signed = b".".join((first.headers["webhook-id"].encode(), first.headers["webhook-timestamp"].encode(), first.body))
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert first.headers["webhook-signature"] == f"v1,{expected}"
    assert (first.json["event"], second.json["event"]) == ("raised", "released")
    assert first.json["alerts"][0]["rule"]["ruleset"] == "short_ssh.py"


def test_a_webhook_has_the_body_that_is_wanted(web: WebServer, certificate) -> None:
    hook = Webhook(
        name="hook",
        url=web.url,
        ca_file=str(certificate[0]),
        body='{"text": {{ title }}, "who": {{ alert.entity }}, "why": {{ alert.message }}, "n": {{ alert.count }}}',
    )
    with sending(hook) as send:
        send(notification(message=HOSTILE, entity='", "admin": true, "x": "'))
    (request,) = web.requests
    assert set(request.json) == {"text", "who", "why", "n"}
    assert request.json["who"] == '", "admin": true, "x": "'
    assert request.json["why"] == HOSTILE


def test_a_certificate_that_is_not_trusted_is_no_connection(web: WebServer) -> None:
    with sending(Webhook(name="hook", url=web.url)) as send, pytest.raises(Unavailable, match="tls"):
        send(notification())
    assert not web.requests


@pytest.mark.parametrize(
    ("status", "headers", "kind", "text"),
    [
        (400, {}, Rejected, "400: it answers 400: no more of this"),
        (404, {}, Rejected, "404"),
        (302, {"Location": "/elsewhere"}, Rejected, "a redirection: write the URL"),
        (429, {"Retry-After": "7"}, Unavailable, "429"),
        (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, Unavailable, "503"),
        (500, {"Retry-After": "soon"}, Unavailable, "500"),
    ],
)
def test_answers_of_a_server(other_web: WebServer, status: int, headers: dict, kind: type, text: str) -> None:
    other_web.answers.append((status, headers))
    with sending(Webhook(name="hook", url=other_web.url)) as send:
        with pytest.raises(kind, match=text) as failure:
            send(notification())
        send(notification(number=2))
    if kind is Unavailable:
        assert failure.value.seconds == (7 if headers.get("Retry-After") == "7" else 0)


def test_a_server_that_is_not_there_or_says_nothing(other_web: WebServer) -> None:
    secretly = f"http://127.0.0.1:{free_port([])}/s3cret"
    with (
        sending(Webhook(name="hook", url=secretly)) as send,
        pytest.raises(Unavailable, match="unreachable") as failure,
    ):
        send(notification())
    assert "s3cret" not in str(failure.value)
    other_web.let_go.clear()
    with sending(Webhook(name="hook", url=other_web.url, timeout=0.1)) as send, pytest.raises(Unavailable) as failure:
        send(notification())
    assert failure.value.reason == "timeout"


def chat(kind: type, web: WebServer, certificate, monkeypatch) -> AnyRecipient:
    monkeypatch.setenv("CHAT", web.url if kind is Telegram else f"{web.url}/secret")
    return kind(name="chat", url="env:CHAT", ca_file=str(certificate[0]))


def test_slack_and_teams_show_text_as_it_is(web: WebServer, certificate, monkeypatch) -> None:
    for kind in (Slack, Teams):
        with sending(chat(kind, web, certificate, monkeypatch)) as send:
            send(notification(message=HOSTILE, entity="<!channel>"))
    slack, teams = (request.json for request in web.requests)
    assert all(block["text"]["type"] == "plain_text" for block in slack["blocks"])
    assert "<" not in slack["text"]
    assert "<!channel>" in slack["blocks"][0]["text"]["text"]
    card = teams["attachments"][0]["content"]
    assert {line["type"] for line in card["body"]} == {"RichTextBlock"}
    assert all(run["type"] == "TextRun" for line in card["body"] for run in line["inlines"])


def test_markup_of_others_is_shown_and_does_nothing(web: WebServer, certificate, monkeypatch) -> None:
    monkeypatch.setenv("TOKEN", "123:abc")
    telegram = Telegram(name="t", token="env:TOKEN", chat="-100", server=web.url, ca_file=str(certificate[0]))
    for recipient in (chat(Mattermost, web, certificate, monkeypatch), chat(Discord, web, certificate, monkeypatch)):
        with sending(recipient) as send:
            send(notification(message=HOSTILE))
    with sending(telegram) as send:
        send(notification(message=HOSTILE))
    mattermost, discord, html = (request.json for request in web.requests)
    for text in (mattermost["text"], discord["content"]):
        assert r"\<script\>\*bold\* \_it\_ \[x\](http://evil.example)" in text
        assert "@everyone" not in text
        assert "\x1b" not in text
    assert discord["allowed_mentions"] == {"parse": []}
    assert web.requests[2].path == "/bot123:abc/sendMessage"
    assert "&lt;script&gt;" in html["text"]
    assert html["text"].startswith("<b>[")
    assert "@everyone" not in html["text"]


def test_long_values_are_shortened_and_never_in_the_middle_of_markup(web: WebServer, certificate, monkeypatch) -> None:
    monkeypatch.setenv("TOKEN", "123:abc")
    telegram = Telegram(name="t", token="env:TOKEN", chat="1", server=web.url, ca_file=str(certificate[0]))
    with sending(telegram) as send:
        message = send(notification(message="<&>" * 5000, entity="&" * 3000))
    assert len(message.title) <= 200
    assert len(message.text) <= 3800
    for text in (message.title, message.text):
        assert text.count("&") == sum(text.count(whole) for whole in ("&lt;", "&amp;", "&gt;"))


def test_an_incident_names_what_happened(web: WebServer, certificate, monkeypatch) -> None:
    monkeypatch.setenv("KEY", "k" * 32)
    pager = PagerDuty(name="pager", routing_key="env:KEY", url=web.url, ca_file=str(certificate[0]))
    with sending(pager) as send:
        send(notification("raised", severity=8))
        send(notification("stored", 2, episode=""))
    incident, single = (request.json for request in web.requests)
    assert incident["payload"]["severity"] == "critical"
    assert incident["payload"]["source"] == "192.0.2.10"
    assert incident["payload"]["summary"] == "[emergency] raised: short-ssh on 192.0.2.10"
    assert incident["links"] == [{"href": alert().links[0], "text": alert().links[0]}]
    assert (incident["dedup_key"], single["dedup_key"]) == (alert().episode, alert(2).id)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


def mail(port: int, **changes: Any) -> Email:
    settings = {"security": "none", "to": ["ada@example.org", "bob@example.org"], "sender": "Tapline <t@example.org>"}
    return Email(name="mail", host="127.0.0.1", port=port, **settings | changes)


def test_e_mail_over_starttls_with_a_login(mailbox: Mailbox, certificate, monkeypatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def login(_server, _session, _envelope, _mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"tapline", b"s3cret"), handled=False)

    options = {"require_starttls": True, "auth_required": True, "authenticator": login}
    with smtp_server(mailbox, context, **options) as port:
        safe = {"security": "starttls", "user": "tapline", "ca_file": str(certificate[0])}
        monkeypatch.setenv("PASSWORD", "s3cret")
        with sending(mail(port, **safe, password="env:PASSWORD")) as send:
            send(notification(message=HOSTILE, entity=HOSTILE))
        monkeypatch.setenv("PASSWORD", "wrong")
        with sending(mail(port, **safe, password="env:PASSWORD")) as send, pytest.raises(Unavailable, match="login"):
            send(notification())
    ((to, content),) = mailbox.messages
    assert to == ["ada@example.org", "bob@example.org"]
    message = message_from_bytes(content, policy=policy.default)
    assert message["Message-ID"] == f"<{alert(1).id}@example.org>"
    assert message["References"] == f"<episode.{alert().episode}@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Bcc"] is None
    assert message["Subject"].startswith("[error] raised: short-ssh on <script>")
    assert message.get_content_type() == "text/plain"


def test_e_mail_that_is_refused_for_some_goes_to_the_others_once(mailbox: Mailbox) -> None:
    mailbox.refusals["bob@example.org"] = deque(["451 later", "550 never"])
    with smtp_server(mailbox) as port, sending(mail(port)) as send:
        with pytest.raises(Unavailable, match="451"):
            send(notification())
        with pytest.raises(Rejected, match="550"):
            send(notification())
        send(notification(number=2))
    assert [to for to, _ in mailbox.messages] == [["ada@example.org"], ["ada@example.org", "bob@example.org"]]


@pytest.mark.parametrize(("answer", "kind"), [("451 busy", Unavailable), ("554 spam", Rejected)])
def test_e_mail_whose_content_is_refused(mailbox: Mailbox, answer: str, kind: type) -> None:
    mailbox.answers.append(answer)
    with smtp_server(mailbox) as port, sending(mail(port)) as send:
        with pytest.raises(kind, match=answer[:3]):
            send(notification())
        send(notification())
    assert len(mailbox.messages) == 1


def test_e_mail_without_a_server_or_without_starttls(mailbox: Mailbox) -> None:
    with closed_port() as port, sending(mail(port)) as send, pytest.raises(Unavailable, match="unreachable"):
        send(notification())
    with (
        smtp_server(mailbox) as port,
        sending(mail(port, security="starttls")) as send,
        pytest.raises(Unavailable, match="no STARTTLS"),
    ):
        send(notification())


@contextmanager
def rsyslogd(folder: Path, module: str, listen: str, port: int, proc: str) -> Iterator[Path]:
    """An rsyslogd that writes what it understood of each message as a line of JSON into a file, which it is."""
    assert RSYSLOGD is not None
    lines = folder / "lines"
    fields = {
        "msg": "msg",
        "app": "app-name",
        "event": "msgid",
        "data": "structured-data",
        "severity": "syslogseverity",
    }
    fields |= {"facility": "syslogfacility", "version": "protocol-version", "time": "timereported"}
    template = "".join(
        f' property(name="{name}" format="jsonf" outname="{out}"'
        + (' dateFormat="rfc3339"' if out == "time" else "")
        + ")"
        + ("" if number == len(fields) - 1 else ' constant(value=",")')
        for number, (out, name) in enumerate(fields.items())
    )
    file = folder / "rsyslog.conf"
    file.write_text(
        f"{module}\n"
        'template(name="whole" type="list") { constant(value="{")'
        f'{template} constant(value="}}\\n") }}\n'
        f'ruleset(name="here") {{ action(type="omfile" file="{lines}" template="whole") }}\n'
        f"{listen.format(port=port)}\n",
        encoding="utf-8",
    )
    command = [RSYSLOGD, "-n", "-f", file, "-i", folder / "pid"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            wait_for(lambda: f":{port:04X}" in Path(proc).read_text(encoding="ascii"), "rsyslogd to listen")
            yield lines
        finally:
            process.terminate()
            process.wait(30)


SERVERS = {
    "udp": ('module(load="imudp")', 'input(type="imudp" address="127.0.0.1" port="{port}" ruleset="here")'),
    "tcp": ('module(load="imtcp")', 'input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="here")'),
}


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


def program(folder: Path, text: str) -> str:
    file = folder / "program.py"
    file.write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
    file.chmod(0o755)
    return str(file)


def test_a_script_gets_json_and_a_clean_environment(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NOT_FOR_SCRIPTS", "1")
    monkeypatch.setenv("PASSWORD", "s3cret")
    written = tmp_path / "written"
    command = [
        program(
            tmp_path,
            "import json, os, sys\n"
            "json.dump([json.load(sys.stdin), dict(os.environ), sys.argv[1:], os.getcwd()], open(sys.argv[1], 'w'))\n",
        ),
        str(written),
        "$(touch /tmp/never); {{ alert.entity }}",
    ]
    with sending(Script(name="s", command=command, environment={"PASS": "env:PASSWORD"})) as send:
        send(notification(message=HOSTILE))
    body, environment, arguments, folder = json.loads(written.read_text())
    assert body["id"] == environment["TAPLINE_MESSAGE_ID"] == notification().id
    assert body["alerts"][0]["message"] == HOSTILE
    assert (environment["PASS"], folder) == ("s3cret", "/")
    assert set(environment) - {"LC_CTYPE"} == {"PASS", "PATH", "LANG", "TAPLINE_MESSAGE_ID"}
    assert arguments == command[1:]


@pytest.mark.parametrize(
    ("text", "kind", "reason", "said"),
    [
        ("import sys; sys.exit('no such room')", Unavailable, "exit-1", "no such room"),
        ("import sys; print('bad', file=sys.stderr); sys.exit(65)", Rejected, "exit-65", "bad"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", Unavailable, "SIGTERM", "says nothing"),
        ("print('x' * 10_000_000)", None, "", ""),
        ("import sys; sys.stderr.write('y' * 1_000_000); sys.exit(3)", Unavailable, "exit-3", "yyy"),
    ],
)
def test_what_a_script_answers(tmp_path: Path, text: str, kind: type | None, reason: str, said: str) -> None:
    with sending(Script(name="s", command=[program(tmp_path, text)], timeout=60)) as send:
        if kind is None:
            send(notification())
            return
        with pytest.raises(kind, match=said) as failure:
            send(notification())
    assert failure.value.reason == reason
    assert len(str(failure.value)) < 1100


def test_a_script_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    text = (
        "import os, time\nif os.fork() == 0:\n"
        "    open(os.path.dirname(__file__) + '/child', 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    script = Script(name="s", command=[program(tmp_path, text)], timeout=2)
    with sending(script) as send, pytest.raises(Unavailable, match="killed"):
        send(notification())
    child = tmp_path / "child"
    if child.is_file() and child.read_text():
        wait_for(lambda: not is_running(int(child.read_text())), "the child to be gone")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_apprise_reaches_what_it_knows(other_web: WebServer, monkeypatch) -> None:
    monkeypatch.setenv("URL", other_web.url.replace("http://", "json://") + "/room")
    with sending(Apprise(name="a", url="env:URL")) as send:
        send(notification())
        other_web.answers.append((500, {}))
        with pytest.raises(Unavailable, match="not-delivered"):
            send(notification())
    assert other_web.requests[0].json["title"] == "[error] raised: short-ssh on 192.0.2.10"
    monkeypatch.setenv("URL", "nosuchthing://x")
    with pytest.raises(TaplineError, match="none that Apprise knows"):
        sender_for(Apprise(name="a", url="env:URL")).open()


def test_a_digest_in_words(other_web: WebServer) -> None:
    recipient = Webhook(name="hook", url=other_web.url)
    wording = wording_for(recipient, sender_for(recipient))
    collected = Digest(0.0, "digested")
    for number in range(3):
        collected.add(notification("raised", number, type="<a>" if number else "b"), 1.0)
    message = wording.of_many(collected.key("hook"), collected.listed, collected.types)
    assert message.title == "3 alerts: 2 <a>, 1 b"
    assert message.text.splitlines() == [
        "[error] raised: b on 192.0.2.10",
        "[error] raised: <a> on 192.0.2.10",
        "[error] raised: <a> on 192.0.2.10",
    ]
    assert message.severity == 5


def test_a_test_message_says_whether_it_arrived(other_web: WebServer) -> None:
    recipient = Webhook(name="hook", url=other_web.url, timeout=60)
    send_test(recipient)
    assert other_web.requests[0].json["alerts"][0]["message"] == "This is a test: alerts reach you."
    other_web.answers.append((403, {}))
    with pytest.raises(TaplineError, match="recipient hook was not reached: 403"):
        send_test(recipient)
    ids = Counter(request.headers["Idempotency-Key"] for request in other_web.requests)
    assert max(ids.values()) == 1
