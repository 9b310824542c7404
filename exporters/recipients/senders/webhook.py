"""Webhooks: the message as JSON, signed as Standard Webhooks 1.0 has it where there is a secret."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import time
from typing import Final

from exporters.recipients.notification import Message
from exporters.recipients.senders.http import Poster
from exporters.recipients.senders.sender import Rejected, Sender
from exporters.recipients.settings import Webhook
from exporters.recipients.wording import JsonBody, Unwordable
from tapline.process.secrets import secret
from topics.errors import TaplineError

_NAMED: Final = ("env:", "file:")
_CREDENTIAL: Final = re.compile(r"authori[sz]ation|cookie|token|key|secret|password", re.IGNORECASE)
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class WebhookSender(Sender):
    """Posts messages to a webhook.

    Each carries its key as ``Idempotency-Key`` and ``webhook-id``.
    """

    def __init__(self, recipient: Webhook) -> None:
        self._recipient = recipient
        self._poster: Poster | None = None
        self._headers: dict[str, str] = {}
        self._key = b""
        self._body: JsonBody | None = None

    def open(self) -> None:
        recipient = self._recipient
        name = f"recipient {recipient.name}"
        self._headers = {
            header: _header(f"{name}: header {header}", header, text) for header, text in recipient.headers.items()
        }
        if recipient.secret:
            self._key = signing_key(secret(recipient.secret, f"{name}: secret"), name)
        if recipient.body:
            self._body = JsonBody(recipient, recipient.body)
        url = secret(recipient.url, f"{name}: url") if recipient.url.startswith(_NAMED) else recipient.url
        self._poster = Poster(recipient.name, url, recipient.ca_file, recipient.timeout, recipient.proxy)

    def send(self, message: Message) -> None:
        if self._poster is None:
            raise RuntimeError("not open")
        try:
            body = self._body.of(message) if self._body is not None else message.encoded()
        except (Unwordable, ValueError) as error:
            raise Rejected("template", str(error)) from error
        now = int(time.time())
        headers = {"Idempotency-Key": message.key, "webhook-id": message.key, "webhook-timestamp": str(now)}
        if self._key:
            headers["webhook-signature"] = signature(self._key, message.key, now, body)
        self._poster.post(body, self._headers | headers)

    def close(self) -> None:
        if self._poster is not None:
            self._poster.close()


def signing_key(text: str, name: str) -> bytes:
    """The bytes of a signing secret: those that ``whsec_`` and base64 stand for, else the text's own."""
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise TaplineError(f"{name}: its secret begins with whsec_ and is no base64 after that") from error


def signature(key: bytes, identity: str, moment: int, body: bytes) -> str:
    """The ``webhook-signature`` of a request: HMAC-SHA256 of id, time (epoch seconds) and body."""
    signed = hmac.digest(key, b"%s.%d.%s" % (identity.encode(), moment, body), "sha256")
    return f"v1,{base64.b64encode(signed).decode()}"


def _header(named: str, header: str, text: str) -> str:
    if not _HEADER.fullmatch(header):
        raise TaplineError(f"{named}: this is no name of a header")
    if text.startswith(_NAMED):
        text = secret(text, named)
    elif _CREDENTIAL.search(header):
        raise TaplineError(f"{named}: secrets do not stand in the configuration: write env:NAME or file:PATH")
    if not (text.isascii() and text.isprintable()):
        raise TaplineError(f"{named}: its value is not plain ASCII text")
    return text
