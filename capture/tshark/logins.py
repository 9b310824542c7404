"""Passwords that are sent in clear text: that one was, and whose; the password itself is let go at once.

Read are HTTP's Basic scheme (RFC 7617), the SASL mechanisms PLAIN (RFC 4616) and LOGIN over SMTP, IMAP and
POP3, the commands ``USER`` and ``PASS`` of POP3 and FTP, ``LOGIN`` of IMAP, and what a Telnet server prompts for.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator

from msgspec import Struct

from capture.tshark.frame import Conversation, Frame
from capture.tshark.minting import Mint
from capture.tshark.recent import Recent
from topics.records import Login, Resource

FILTER = (
    "smtp.auth.username || smtp.auth.password || smtp.auth.username_password"
    " || pop.request.command || imap.isrequest == 1 && tcp.len < 1024 || telnet.data"
)
FIELDS = (
    "smtp.auth.username",
    "smtp.auth.password",
    "smtp.auth.username_password",
    "pop.request.command",
    "pop.request.parameter",
    "imap.line",
    "telnet.data",
)

NAME_LIMIT = 256
"""Most characters of a user's name."""

_LINE_LIMIT = 1024
_PROMPT_LIMIT = 80
_TELNET_PORT = 23
_NAME_PROMPT = re.compile(r"(?:login|user ?name|user|account)(?: name)?\s*[:>]\s*$", re.IGNORECASE)
_PASSWORD_PROMPT = re.compile(r"pass(?:word|code|phrase)[^\n]*:\s*$", re.IGNORECASE)
_BACKSPACES = "\b\x7f"
_IMAP_LINE = re.compile(r"\S+ (?:(login) (.*)|authenticate (\S+)(?: (\S+))?)$", re.IGNORECASE)
_LITERAL = re.compile(r"\{\d+\+?\}$")
_IMAP_STRING = re.compile(r'"((?:\\.|[^"\\])*)"|(\S+)')
_ESCAPED = re.compile(r"\\(.)")


class _Dialogue(Struct):
    """A SASL exchange or a command that goes on in the next line: what is asked for, and whose name came so far."""

    method: str
    user_name: str = ""
    named: bool = False


class _Terminal(Struct):
    """A Telnet connection: what its server said last, what is being typed, and for which of the prompts."""

    server_port: int
    said: str = ""
    typed: str = ""
    asked_for: str = ""
    user_name: str = ""


class Logins:
    """Reads logins over line protocols and Telnet; remembers of a connection how far its login has come."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._names: Recent[str] = Recent()
        self._dialogues: Recent[_Dialogue] = Recent()
        self._terminals: Recent[_Terminal] = Recent()

    def read(self, frame: Frame) -> Iterator[Resource]:
        """The logins that this frame completes."""
        layers = frame.layers
        for login in (
            *self._smtp(frame),
            *(self._pop(frame) if "pop_request_command" in layers else ()),
            *(self._imap(frame) if "imap_line" in layers else ()),
            *(self._ftp(frame) if "ftp_request_command" in layers else ()),
        ):
            yield _resource(frame, frame.conversation, self._mint, login)
        if "telnet_data" in layers:
            yield from self._telnet(frame)

    def _smtp(self, frame: Frame) -> Iterator[Login]:
        if both := frame.first("smtp_auth_username_password"):
            yield _login("smtp", "plain", _plain_name(both))
            return
        if name := frame.first("smtp_auth_username"):
            self._names.put(frame.stream, _decoded(name))
        if frame.first("smtp_auth_password"):
            yield _login("smtp", "login", self._names.pop(frame.stream) or "")

    def _ftp(self, frame: Frame) -> Iterator[Login]:
        for command, argument in _commands(frame, "ftp_request_command", "ftp_request_arg"):
            yield from self._user_and_pass(frame, "ftp", command, argument)

    def _pop(self, frame: Frame) -> Iterator[Login]:
        for command, argument in _commands(frame, "pop_request_command", "pop_request_parameter"):
            if dialogue := self._dialogues.get(frame.stream):
                yield from self._answer(frame, "pop", dialogue, command)
            elif command.upper() == "AUTH":
                mechanism, _, initial = argument.partition(" ")
                yield from self._begin(frame, "pop", mechanism, initial)
            else:
                yield from self._user_and_pass(frame, "pop", command, argument)

    def _user_and_pass(self, frame: Frame, protocol: str, command: str, argument: str) -> Iterator[Login]:
        if command.upper() == "USER":
            self._names.put(frame.stream, argument)
        elif command.upper() == "PASS":
            yield _login(protocol, "pass", self._names.pop(frame.stream) or "")

    def _imap(self, frame: Frame) -> Iterator[Login]:
        for line in frame.all("imap_line"):
            text = line.rstrip("\r\n")
            if dialogue := self._dialogues.get(frame.stream):
                yield from self._answer(frame, "imap", dialogue, text)
            elif found := _IMAP_LINE.match(text):
                if found[1]:
                    yield from self._imap_login(frame, found[2])
                else:
                    yield from self._begin(frame, "imap", found[3], found[4] or "")

    def _imap_login(self, frame: Frame, arguments: str) -> Iterator[Login]:
        """``LOGIN name password``; either may be a literal, which comes in the next line."""
        words = [_ESCAPED.sub(r"\1", quoted) or plain for quoted, plain in _IMAP_STRING.findall(arguments)]
        if not _LITERAL.search(arguments):
            yield _login("imap", "login", words[0] if words else "")
        elif len(words) > 1:
            self._dialogues.put(frame.stream, _Dialogue("literal", words[0], named=True))
        else:
            self._dialogues.put(frame.stream, _Dialogue("literal"))

    def _begin(self, frame: Frame, protocol: str, mechanism: str, initial: str) -> Iterator[Login]:
        """``AUTH`` or ``AUTHENTICATE``: other mechanisms send no password."""
        method = mechanism.lower()
        if method not in {"plain", "login"}:
            return
        dialogue = _Dialogue(method)
        self._dialogues.put(frame.stream, dialogue)
        if initial:
            yield from self._answer(frame, protocol, dialogue, initial)

    def _answer(self, frame: Frame, protocol: str, dialogue: _Dialogue, answer: str) -> Iterator[Login]:
        """What a client says when it is asked; a star ends the exchange without a login."""
        method = dialogue.method
        if answer == "*":
            self._dialogues.pop(frame.stream)
        elif method == "plain":
            self._dialogues.pop(frame.stream)
            yield _login(protocol, method, _plain_name(answer))
        elif dialogue.named:
            self._dialogues.pop(frame.stream)
            yield _login(protocol, "login", dialogue.user_name)
        else:
            # After a literal name the rest of the line is the password, or another literal's length.
            name, _, rest = answer.partition(" ") if method == "literal" else (_decoded(answer), "", "")
            dialogue.user_name, dialogue.named = name, True
            if rest and not _LITERAL.search(rest):
                self._dialogues.pop(frame.stream)
                yield _login(protocol, "login", name)

    def _telnet(self, frame: Frame) -> Iterator[Resource]:
        """Prompts of the server, and lines of the client, which sends each key by itself or the line as a whole."""
        terminal = self._terminals.get(frame.stream)
        conversation = frame.conversation
        if terminal is None:
            ports = conversation.source_port, conversation.destination_port
            terminal = _Terminal(_TELNET_PORT if _TELNET_PORT in ports else min(ports))
            self._terminals.put(frame.stream, terminal)
        for data in frame.all("telnet_data"):
            if conversation.source_port == terminal.server_port:
                self._prompt(terminal, data)
            elif terminal.asked_for and self._typed(terminal, data):
                login = _login("telnet", "prompt", terminal.user_name)
                yield _resource(frame, conversation, self._mint, login)

    def _prompt(self, terminal: _Terminal, data: str) -> None:
        terminal.said = (terminal.said + data)[-_PROMPT_LIMIT:]
        asked_for = "password" if _PASSWORD_PROMPT.search(terminal.said) else ""
        asked_for = asked_for or ("name" if _NAME_PROMPT.search(terminal.said) else "")
        if asked_for and asked_for != terminal.asked_for:
            terminal.asked_for, terminal.typed = asked_for, ""

    def _typed(self, terminal: _Terminal, data: str) -> bool:
        """Take what was typed; True when it ends a password."""
        for key in data:
            if key not in "\r\n":
                terminal.typed = terminal.typed[:-1] if key in _BACKSPACES else (terminal.typed + key)[:_LINE_LIMIT]
                continue
            asked_for, line = terminal.asked_for, terminal.typed
            terminal.asked_for = terminal.typed = terminal.said = ""
            if asked_for == "name":
                terminal.user_name = line
            return asked_for == "password" and bool(line)
        return False


class HttpLogins:
    """Reads ``Authorization`` headers of HTTP; each name is told once a connection, though every request repeats it."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._told: Recent[str] = Recent()

    def read(
        self, frame: Frame, conversation: Conversation, credentials: Iterable[tuple[str, str]]
    ) -> Iterator[Resource]:
        """The logins in a request's credentials, each a scheme in lower case and what follows it."""
        for scheme, encoded in credentials:
            if scheme != "basic":
                continue
            name = _decoded(encoded).partition(":")[0]
            if self._told.get(frame.stream) != name:
                self._told.put(frame.stream, name)
                yield _resource(frame, conversation, self._mint, _login("http", "basic", name))


def _login(protocol: str, method: str, user_name: str) -> Login:
    return Login(protocol=protocol, method=method, user_name=user_name[:NAME_LIMIT])


def _resource(frame: Frame, conversation: Conversation, mint: Mint, login: Login) -> Resource:
    label = f"{login.protocol} {login.method}"
    return mint.resource(frame, conversation, "login", uri=login.user_name, label=label, login=login)


def _commands(frame: Frame, command: str, argument: str) -> Iterator[tuple[str, str]]:
    """The commands of a frame; arguments can be told apart only where each command has one."""
    commands, arguments = frame.all(command), frame.all(argument)
    if len(commands) != len(arguments):
        arguments = arguments if len(commands) == 1 else [""] * len(commands)
    for at, each in enumerate(commands):
        yield each, arguments[at] if at < len(arguments) else ""


def _decoded(text: str) -> str:
    """The text that this is base64 of; "" where it is none."""
    try:
        return b64decode(text.strip() + "=" * (-len(text.strip()) % 4)).decode("utf-8", "replace")
    except ValueError:
        return ""


def _plain_name(message: str) -> str:
    """The name in a message of the mechanism PLAIN: what stands between its two zero bytes."""
    return _decoded(message).partition("\0")[2].partition("\0")[0]
