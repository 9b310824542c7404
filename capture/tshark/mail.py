"""Mails carried over SMTP, IMAP and POP3, and what is attached to them."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header

from capture.tshark.assembly import file_of, file_resource
from capture.tshark.frame import Conversation, Frame
from capture.tshark.minting import Mint
from topics.records import File, Resource

FILTER = "imf"

_SERVER_PORTS = {"imap": (143,), "pop": (110,), "smtp": (25, 587)}


def read(frame: Frame, mint: Mint) -> Iterator[Resource]:
    """Each mail of a frame as a file, and each file attached to it."""
    mails = frame.content.mail
    if not mails:
        return
    names = frame.protocols
    protocol = next((name for name in _SERVER_PORTS if name in names), "imf")
    conversation = _client_first(frame.conversation, _SERVER_PORTS.get(protocol, ()))
    for encoded, size in mails:
        if not encoded:
            mint.counts["truncated.file"] += 1
            file = File(protocol=protocol, mime_type="message/rfc822", size=size, complete=False)
            yield file_resource(frame, conversation, mint, file)
            continue
        for file in _files(bytes.fromhex(encoded), protocol, mint):
            yield file_resource(frame, conversation, mint, file)


def _client_first(conversation: Conversation, server_ports: tuple[int, ...]) -> Conversation:
    return conversation.reversed() if conversation.source_port in server_ports else conversation


def _files(raw: bytes, protocol: str, mint: Mint) -> Iterator[File]:
    try:
        mail = message_from_bytes(raw)
        subject = str(make_header(decode_header(mail.get("Subject", ""))))
        attached = [
            (name, part.get_content_type(), content)
            for part in mail.walk()
            if (name := part.get_filename()) and isinstance(content := part.get_payload(decode=True), bytes)
        ]
    except (MessageError, ValueError, LookupError, TypeError, AttributeError):
        mint.counts["malformed.mail"] += 1
        subject, attached = "", []
    yield file_of(raw, protocol, " ".join(subject.split()), mime_type="message/rfc822")
    for name, mime_type, content in attached:
        yield file_of(content, protocol, name, mime_type=mime_type)
