"""From a recipient of the configuration to what sends to it."""

from __future__ import annotations

from exporters.recipients.senders.chat import (
    DiscordSender,
    MattermostSender,
    SlackSender,
    TeamsSender,
    TelegramSender,
)
from exporters.recipients.senders.mail import MailSender
from exporters.recipients.senders.other import AppriseSender
from exporters.recipients.senders.pagerduty import PagerDutySender
from exporters.recipients.senders.script import ScriptSender
from exporters.recipients.senders.sender import Sender
from exporters.recipients.senders.syslog import SyslogSender
from exporters.recipients.senders.webhook import WebhookSender
from exporters.recipients.settings import (
    AnyRecipient,
    Discord,
    Email,
    Mattermost,
    PagerDuty,
    Reader,
    Script,
    Slack,
    SyslogServer,
    Teams,
    Telegram,
    Webhook,
)
from exporters.recipients.wording import Wording


def sender_for(recipient: AnyRecipient) -> Sender:
    """What sends to a recipient; it is not opened yet."""
    match recipient:
        case Webhook():
            return WebhookSender(recipient)
        case Email():
            return MailSender(recipient)
        case Slack():
            return SlackSender(recipient)
        case Mattermost():
            return MattermostSender(recipient)
        case Teams():
            return TeamsSender(recipient)
        case Discord():
            return DiscordSender(recipient)
        case Telegram():
            return TelegramSender(recipient)
        case PagerDuty():
            return PagerDutySender(recipient)
        case SyslogServer():
            return SyslogSender(recipient)
        case Script():
            return ScriptSender(recipient)
        case _:
            return AppriseSender(recipient)


def wording_for(recipient: AnyRecipient, sender: Sender) -> Wording:
    """What puts notifications into words for a recipient; :class:`TaplineError` where a template cannot be used."""
    wording = Wording(
        recipient,
        sender.escape,
        title=recipient.title if isinstance(recipient, Reader | PagerDuty) else "",
        text=recipient.text if isinstance(recipient, Reader) else "",
        most_title=sender.most_title,
        most_text=sender.most_text,
    )
    wording.check()
    return wording
