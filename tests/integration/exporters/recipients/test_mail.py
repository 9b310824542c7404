"""E-mail, against a real SMTP server."""

from __future__ import annotations

import ssl
from collections import deque
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from exporters.recipients.senders.sender import Rejected, Unavailable
from exporters.recipients.settings import Email
from tests.integration.exporters.recipients.sending import HOSTILE, notification, sending
from tests.integration.exporters.recipients.servers import Mailbox, closed_port, smtp_server
from tests.unit.exporters.samples import alert


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
