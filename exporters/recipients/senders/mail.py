"""E-mail by SMTP (RFC 5321): plain text, one message for all addresses of a recipient."""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final

from exporters.recipients.notification import Message, moment
from exporters.recipients.senders.http import tls_context
from exporters.recipients.senders.sender import Rejected, Sender, Unavailable
from exporters.recipients.settings import Email
from tapline.process.secrets import secret
from topics.errors import TaplineError

_ADDRESS: Final = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")


class MailSender(Sender):
    """Sends messages by e-mail.

    The ``Message-ID`` is made of the key, and all that is told of one condition refers to its episode, so that mail
    programs show it as one conversation. Where a server takes a message for some addresses only, the next attempt is
    for the others.
    """

    def __init__(self, recipient: Email) -> None:
        self._recipient = recipient
        self._tls: ssl.SSLContext | None = None
        self._password = ""
        self._taken: tuple[str, set[str]] = ("", set())

    def open(self) -> None:
        recipient = self._recipient
        name = f"recipient {recipient.name}"
        for address in (recipient.sender, *recipient.to):
            if not _ADDRESS.fullmatch(parseaddr(address)[1]):
                raise TaplineError(f"{name}: {address!r} is no address: write it as ada@example.org")
        if recipient.password:
            self._password = secret(recipient.password, f"{name}: password")
        if self._password and recipient.security == "none":
            raise TaplineError(f"{name}: a password is not sent without protection: set security to starttls or tls")
        if recipient.security != "none":
            self._tls = tls_context(recipient.name, recipient.ca_file)

    def send(self, message: Message) -> None:
        if self._taken[0] != message.key:
            self._taken = (message.key, set())
        taken = self._taken[1]
        left = [address for address in self._recipient.to if address not in taken]
        content = self._content(message)
        refused: dict[str, tuple[int, bytes]] = {}
        try:
            server = self._connected()
            try:
                refused = server.send_message(content, from_addr=self._recipient.sender, to_addrs=left)
            except smtplib.SMTPRecipientsRefused as error:
                refused = error.recipients
            finally:
                # Whatever the server says to that, the message is taken or it is not.
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    server.quit()
                server.close()
        except smtplib.SMTPAuthenticationError as error:
            raise Unavailable("login", f"the server refuses the login: {_text(error.smtp_error)}") from error
        except smtplib.SMTPResponseException as error:
            raise _answered(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPNotSupportedError as error:
            raise Unavailable("starttls", "the server offers no STARTTLS or no login") from error
        except ssl.SSLError as error:
            raise Unavailable("tls", error.reason or "no TLS") from error
        except TimeoutError as error:
            raise Unavailable("timeout", f"no answer within {self._recipient.timeout:g} s") from error
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable("unreachable", getattr(error, "strerror", None) or type(error).__name__) from error
        taken.update(address for address in left if address not in refused)
        if refused:
            # One that may be taken later decides: nobody is given up for the sake of another.
            code, said = min(refused.values(), key=lambda answer: answer[0])
            raise _answered(code, said)

    def _connected(self) -> smtplib.SMTP:
        recipient = self._recipient
        if recipient.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                recipient.host, recipient.port, timeout=recipient.timeout, context=self._tls
            )
        else:
            server = smtplib.SMTP(recipient.host, recipient.port, timeout=recipient.timeout)
        try:
            if recipient.security == "starttls":
                server.starttls(context=self._tls)
            if recipient.user:
                server.login(recipient.user, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def _content(self, message: Message) -> EmailMessage:
        domain = parseaddr(self._recipient.sender)[1].partition("@")[2]
        content = EmailMessage(policy=SMTP)
        try:
            content["From"] = self._recipient.sender
            content["To"] = ", ".join(self._recipient.to)
            content["Subject"] = message.title
            content["Date"] = format_datetime(moment(message.listed[-1].alert.time))
            content["Message-ID"] = f"<{message.key}@{domain}>"
            if message.thread != message.key:
                content["References"] = f"<episode.{message.thread}@{domain}>"
                content["In-Reply-To"] = f"<episode.{message.thread}@{domain}>"
            content["Auto-Submitted"] = "auto-generated"
            content["X-Tapline-Event"] = message.event
            content["X-Tapline-Severity"] = message.severity_name
            content.set_content(message.text + "\n")
        except (ValueError, UnicodeError) as error:
            raise Rejected("template", str(error)) from error
        return content


def _answered(code: int, said: bytes | str) -> Rejected | Unavailable:
    detail = f"the server answers {code}: {_text(said)}"
    return Rejected(str(code), detail) if code >= 500 else Unavailable(str(code), detail)


def _text(said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return " ".join(text.split())[:300]
