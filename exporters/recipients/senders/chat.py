"""Chats that take a message as one JSON object: Slack, Mattermost, Microsoft Teams, Discord, Telegram."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import msgspec

from exporters.recipients import markup
from exporters.recipients.notification import Message
from exporters.recipients.senders.http import Poster
from exporters.recipients.senders.sender import Rejected, Sender
from exporters.recipients.settings import Discord, Mattermost, Slack, Teams, Telegram
from tapline.process.secrets import secret


class ChatSender(Sender):
    """Posts messages to a chat, each with its key as ``Idempotency-Key``."""

    def __init__(self, recipient: Slack | Mattermost | Teams | Discord | Telegram) -> None:
        self._recipient = recipient
        self._poster: Poster | None = None

    def open(self) -> None:
        recipient = self._recipient
        self._poster = Poster(recipient.name, self.url(), recipient.ca_file, recipient.timeout, recipient.proxy)

    def url(self) -> str:
        """Where messages are posted."""
        recipient = self._recipient
        if isinstance(recipient, Telegram):
            raise TypeError("Telegram has a token")
        return secret(recipient.url, f"recipient {recipient.name}: url")

    @abstractmethod
    def payload(self, message: Message) -> dict[str, Any]:
        """The object that shows a message."""

    def send(self, message: Message) -> None:
        if self._poster is None:
            raise RuntimeError("not open")
        try:
            body = msgspec.json.encode(self.payload(message))
        except ValueError as error:
            raise Rejected("template", str(error)) from error
        self._poster.post(body, {"Idempotency-Key": message.key})

    def close(self) -> None:
        if self._poster is not None:
            self._poster.close()


class SlackSender(ChatSender):
    """Slack: blocks of plain text, in which nothing is markup."""

    most_title: ClassVar[int] = 150
    most_text: ClassVar[int] = 3000

    def payload(self, message: Message) -> dict[str, Any]:
        title = {"type": "plain_text", "text": message.title, "emoji": False}
        text = {"type": "plain_text", "text": message.text, "emoji": False}
        blocks: list[dict[str, Any]] = [{"type": "header", "text": title}]
        if message.text:
            blocks.append({"type": "section", "text": text})
        return {"text": markup.slack_fallback(message.title), "blocks": blocks}


class MattermostSender(ChatSender):
    """Mattermost: Markdown."""

    most_text: ClassVar[int] = 3800

    def escape(self, text: str) -> str:
        return markup.markdown(text)

    def payload(self, message: Message) -> dict[str, Any]:
        return {"text": f"**{message.title}**\n\n{message.text}"}


class TeamsSender(ChatSender):
    """Microsoft Teams: an Adaptive Card of text runs, which know no markup; text blocks would."""

    def payload(self, message: Message) -> dict[str, Any]:
        bold = {"type": "TextRun", "text": message.title, "weight": "bolder", "size": "medium"}
        lines = [{"type": "RichTextBlock", "inlines": [bold]}] + [
            {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line}]}
            for line in message.text.splitlines()
            if line
        ]
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "fallbackText": message.title,
            "body": lines,
        }
        return {
            "type": "message",
            "attachments": [
                {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
            ],
        }


class DiscordSender(ChatSender):
    """Discord: Markdown, with nobody mentioned and no previews of links (flag 4)."""

    most_text: ClassVar[int] = 1700

    def escape(self, text: str) -> str:
        return markup.markdown(text)

    def payload(self, message: Message) -> dict[str, Any]:
        return {
            "content": f"**{message.title}**\n{message.text}",
            "allowed_mentions": {"parse": []},
            "flags": 4,
        }


class TelegramSender(ChatSender):
    """Telegram: HTML, through a bot, without previews of links."""

    most_text: ClassVar[int] = 3800

    def __init__(self, recipient: Telegram) -> None:
        super().__init__(recipient)
        self._telegram = recipient

    def escape(self, text: str) -> str:
        return markup.telegram(text)

    def url(self) -> str:
        token = secret(self._telegram.token, f"recipient {self._telegram.name}: token")
        return f"{self._telegram.server.rstrip('/')}/bot{token}/sendMessage"

    def payload(self, message: Message) -> dict[str, Any]:
        return {
            "chat_id": self._telegram.chat,
            "text": f"<b>{message.title}</b>\n{message.text}",
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
        }
