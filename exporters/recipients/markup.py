"""Values from the network in the markup of services: what they hold is shown, and does nothing.

Each function takes any text and gives one line. Values are what is escaped, never a template: its author may use the
service's markup.
"""

from __future__ import annotations

import html
import re
from typing import Final

from tapline.process.printable import printable

_ZERO_WIDTH_SPACE: Final = "\u200b"
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_MENTION: Final = re.compile(r"@(?=\w)")
_MARKDOWN: Final = re.compile(r"([\\`*_~|<>\[\]#])|^([-+])")


def plain(text: str) -> str:
    """For services that show text as it is: one line, without what commands a terminal."""
    return _SURROGATES.sub("\ufffd", printable(" ".join(text.split())))


def slack_fallback(text: str) -> str:
    """For the line Slack shows where it shows no blocks: without links and mentions, which stand in angle brackets."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown(text: str) -> str:
    """For Markdown as Mattermost and Discord know it, with nobody mentioned."""
    return _MENTION.sub(f"@{_ZERO_WIDTH_SPACE}", _MARKDOWN.sub(r"\\\1\2", plain(text)))


def telegram(text: str) -> str:
    """For the HTML of Telegram, with nobody mentioned."""
    return _MENTION.sub(f"@{_ZERO_WIDTH_SPACE}", html.escape(plain(text), quote=False))
