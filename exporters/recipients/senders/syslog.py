"""Syslog servers: RFC 5424 over UDP (RFC 5426), TCP (RFC 6587) and TLS (RFC 5425)."""

from __future__ import annotations

import re
import socket
import ssl
from typing import Final

import msgspec

from exporters.recipients.notification import Message, Notification, moment
from exporters.recipients.senders.http import tls_context
from exporters.recipients.senders.sender import Rejected, Sender, Unavailable
from exporters.recipients.settings import SyslogServer

ENTERPRISE: Final = 32473
"""The enterprise number of our structured data: the one for examples (RFC 5612), as there is none of our own."""

_MOST_DATAGRAM: Final = 65_000
_MOST_MESSAGE: Final = 1024 * 1024


class SyslogSender(Sender):
    """Sends each alert as one message; ``id`` of its structured data is the notification's.

    Syslog knows no receipt. Over TCP and TLS a message that the kernel has taken counts as delivered; whether
    the server has closed the connection is looked at before each.
    """

    def __init__(self, recipient: SyslogServer) -> None:
        self._recipient = recipient
        self._socket: socket.socket | None = None
        self._tls: ssl.SSLContext | None = None
        self._host = ""

    def open(self) -> None:
        self._host = _name(socket.gethostname())
        if self._recipient.transport == "tls":
            self._tls = tls_context(self._recipient.name, self._recipient.ca_file)

    def send(self, message: Message) -> None:
        for notification in message.listed:
            try:
                body = encoded(notification, self._host, self._recipient.facility)
            except ValueError as error:
                raise Rejected("encoding", str(error)) from error
            if self._recipient.transport == "udp":
                if len(body) > _MOST_DATAGRAM:
                    raise Rejected("size", f"{len(body)} bytes do not fit into a datagram: use tcp or tls")
            elif len(body) > _MOST_MESSAGE:
                raise Rejected("size", f"{len(body)} bytes are more than a server takes")
            else:
                body = b"%d %s" % (len(body), body)
            self._write(body)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _write(self, body: bytes) -> None:
        try:
            if self._socket is not None and self._is_closed(self._socket):
                self.close()
            if self._socket is None:
                self._socket = self._connected()
            self._socket.sendall(body)
        except ssl.SSLError as error:
            self.close()
            raise Unavailable("tls", error.reason or "no TLS") from error
        except TimeoutError as error:
            self.close()
            raise Unavailable("timeout", f"not taken within {self._recipient.timeout:g} s") from error
        except OSError as error:
            self.close()
            raise Unavailable("unreachable", error.strerror or str(error)) from error

    def _connected(self) -> socket.socket:
        recipient = self._recipient
        address = (recipient.host, recipient.port)
        if recipient.transport == "udp":
            family = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0][0]
            made = socket.socket(family, socket.SOCK_DGRAM)
            made.settimeout(recipient.timeout)
            made.connect(address)
            return made
        made = socket.create_connection(address, timeout=recipient.timeout)
        if self._tls is None:
            return made
        try:
            return self._tls.wrap_socket(made, server_hostname=recipient.host)
        except BaseException:
            made.close()
            raise

    def _is_closed(self, connection: socket.socket) -> bool:
        """True when the server has ended the connection; what it says otherwise is of no use to us."""
        if self._recipient.transport == "udp":
            return False
        connection.settimeout(0)
        try:
            while connection.recv(4096):
                pass
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        finally:
            connection.settimeout(self._recipient.timeout)
        return True


def encoded(notification: Notification, host: str, facility: int) -> bytes:
    """A notification as a message of RFC 5424, its ECS document as the text.

    :class:`ValueError` when a text cannot be written as JSON (it holds a lone surrogate).
    """
    alert = notification.alert
    priority = facility * 8 + (8 - min(max(alert.severity, 1), 8))
    time = moment(alert.time).isoformat(timespec="microseconds").replace("+00:00", "Z")
    data = {"id": notification.id, "episode": alert.episode, "type": alert.type, "entity": alert.entity}
    parameters = "".join(f' {name}="{_parameter(text)}"' for name, text in data.items() if text)
    head = f"<{priority}>1 {time} {host} tapline - {notification.event}"
    return f"{head} [alert@{ENTERPRISE}{parameters}] ".encode() + msgspec.json.encode(notification.document())


def _parameter(text: str) -> str:
    """A value of structured data (RFC 5424 6.3.3), on one line."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:500])
    return re.sub(r'(["\\\]])', r"\\\1", shown)


def _name(text: str) -> str:
    """A HOSTNAME (RFC 5424 6.2.4): printable ASCII without spaces."""
    return re.sub(r"[^!-~]", "", text)[:255] or "-"
