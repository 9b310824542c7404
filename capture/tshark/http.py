"""HTTP/1 messages: URLs, headers in order, and the files their bodies are."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from email.message import Message
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from capture.tshark.assembly import file_of, file_resource
from capture.tshark.frame import Conversation, Frame
from capture.tshark.logins import HttpLogins
from capture.tshark.minting import Mint
from capture.tshark.recent import Recent
from topics.records import Document, File, Http, Resource

FILTER = "http"

_REQUEST = re.compile(r"([A-Za-z][A-Za-z_-]*) +(\S.*?) +HTTP/(\d(?:\.\d)?)$|(GET) +(\S+)$")
_STATUS = re.compile(r"HTTP/(\d(?:\.\d)?) +(\d{3})")
_RANGE = re.compile(r"bytes +(\d+)-(\d+)/(\d+)")
_PENDING_LIMIT = 256
_SPACE = r"(?:[ \t]|\r?\n[ \t])"
"""What may stand between words of a header that goes on in the next line."""

_AUTHORIZATION = re.compile(
    rf"^((?:proxy-)?authorization[ \t]*:{_SPACE}*)(?:(\S+){_SPACE}+)?(\S(?:[^\r\n]|{_SPACE})*)",
    re.IGNORECASE | re.MULTILINE,
)
_USER_INFORMATION = re.compile(r"(//[^/?#\s:@]*):[^/?#\s@]+@")

HIDDEN = "***"
"""Stands for what proves who asks, which no record carries."""

Body = tuple[str, int]
"""Content in hex, ``""`` when too large, and its size."""

NO_BODY: Body = ("", 0)


class Head(Struct):
    """The start line and the headers of a message, and the text they were read from.

    ``credentials`` are what was hidden in both of ``Authorization``, as ``(scheme, credentials)``.
    """

    http: Http
    text: str
    credentials: list[tuple[str, str]] = []


class _Message(Struct):
    head: Head
    following: int
    url: str
    conversation: Conversation

    @property
    def may_carry(self) -> bool:
        """False when there cannot be a body after this head (RFC 9112, 6.3)."""
        http = self.head.http
        if http.status_code in (204, 304) or 100 <= http.status_code < 200:
            return False
        return self.following > 0 and header(http, "content-length") != "0"


class Http1:
    """Reads HTTP/1 messages; remembers the requests that wait for a response, per connection."""

    def __init__(self, mint: Mint, logins: HttpLogins) -> None:
        self._mint = mint
        self._logins = logins
        self._pending: Recent[deque[str]] = Recent(forgotten=lambda _: mint.counts.update({"forgotten.http": 1}))

    def read(self, frame: Frame) -> Iterator[Resource | Document]:
        """The messages of a frame, each as a URL, a document of its head and, if it has a body, a file."""
        messages = self._messages(frame)
        for message, body in zip(messages, self._paired(messages, frame.content.body), strict=True):
            if message is None:
                continue
            http, conversation = message.head.http, message.conversation
            http.body_bytes = body[1]
            yield self._mint.resource(frame, conversation, "url", uri=message.url, label=label(http), http=http)
            yield self._mint.document(frame, conversation, "http-headers", message.url, message.head.text)
            yield from self._logins.read(frame, conversation, message.head.credentials)
            if body[1]:
                yield file_resource(frame, conversation, self._mint, body_file(http, message.url, body, self._mint))

    def _paired(self, messages: list[_Message | None], bodies: list[Body]) -> list[Body]:
        """The body of each message: tshark lists those of a frame without saying whose they are."""
        if len(bodies) == len(messages):
            return bodies
        carriers = [len(messages) == 1 or (message is not None and message.may_carry) for message in messages]
        if len(bodies) != sum(carriers) and bodies:
            self._mint.counts["unpaired.http-body"] += 1
        remaining = iter(bodies)
        return [next(remaining, NO_BODY) if carrier else NO_BODY for carrier in carriers]

    def _messages(self, frame: Frame) -> list[_Message | None]:
        messages: list[_Message | None] = []
        for encoded, following in frame.content.http:
            head = parse_head(bytes.fromhex(encoded))
            if head is None:
                self._mint.counts["skipped.http-continuation"] += 1
                messages.append(None)
                continue
            if head.http.type == "request":
                conversation = frame.conversation
                url = _url(head.http, conversation)
                self._remember(frame.stream, url)
            else:
                conversation = frame.conversation.reversed()
                url = self._answered(frame.stream, head.http)
            messages.append(_Message(head, following, url, conversation))
        return messages

    def _remember(self, stream: str, url: str) -> None:
        pending = self._pending.get(stream)
        if pending is None:
            pending = deque(maxlen=_PENDING_LIMIT)
            self._pending.put(stream, pending)
        pending.append(url)

    def _answered(self, stream: str, http: Http) -> str:
        pending = self._pending.get(stream)
        if not pending:
            return ""
        if 100 <= http.status_code < 200 and http.status_code != 101:
            return pending[0]
        return pending.popleft()


def body_file(http: Http, url: str, body: Body, mint: Mint) -> File:
    """The file that a message's body is; without hashes, and counted, when it was too large to be handed over."""
    encoded, size = body
    name = file_name(http, url)
    if not encoded:
        mint.counts["truncated.file"] += 1
        return File(name=name, protocol="http", mime_type=http.content_type, size=size, complete=False)
    return file_of(bytes.fromhex(encoded), "http", name, complete=_is_whole(http), mime_type=http.content_type)


def parse_head(raw: bytes) -> Head | None:
    """Start line and headers of a message, or None where the bytes begin in the middle of one."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    text, credentials = without_credentials(text.strip("\r\n"))
    start, _, rest = text.partition("\n")
    start = start.rstrip("\r")
    status = _STATUS.match(start)
    request = None if status else _REQUEST.match(start)
    if status:
        http = Http(type="response", version=status.group(1), status_code=int(status.group(2)))
    elif request:
        method, uri, version, old_method, old_uri = request.groups()
        http = Http(type="request", version=version or "0.9", method=method or old_method, uri=uri or old_uri)
    else:
        return None
    http.headers = _headers(rest)
    fill(http)
    return Head(http, text, credentials)


def without_credentials(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Headers, one a line, without what proves who asks: of ``Authorization`` all but the scheme, passwords of URLs."""
    credentials: list[tuple[str, str]] = []

    def hide(found: re.Match[str]) -> str:
        scheme = found[2] or ""
        credentials.append((scheme.lower(), found[3].strip()))
        return f"{found[1]}{scheme and scheme + ' '}{HIDDEN}"

    if "uthorization" in text.lower():
        text = _AUTHORIZATION.sub(hide, text)
    if "@" in text:
        text = _USER_INFORMATION.sub(rf"\1:{HIDDEN}@", text)
    return text, credentials


def fill(http: Http) -> None:
    """Take what has a member of its own out of the headers."""
    for name, value in http.headers:
        match name.lower():
            case "host" | ":authority":
                http.host = http.host or value
            case "user-agent":
                http.user_agent = http.user_agent or value
            case "referer":
                http.referrer = http.referrer or value
            case "server" if http.type == "response":
                http.server = http.server or value
            case "content-type":
                http.content_type = http.content_type or value.partition(";")[0].strip().lower()


def _headers(text: str) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line[:1] in (" ", "\t") and headers:
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip(), value.strip()))
    return headers


def _url(http: Http, conversation: Conversation) -> str:
    if "://" in http.uri.partition("?")[0]:
        return http.uri
    if http.method == "CONNECT":
        return http.uri
    return f"http://{http.host or _authority(conversation)}{http.uri}"


def _authority(conversation: Conversation) -> str:
    address = conversation.destination_ip
    host = f"[{address}]" if ":" in address else address
    return host if conversation.destination_port == 80 else f"{host}:{conversation.destination_port}"


def header(http: Http, name: str) -> str:
    """The value of the first header of this name (lower case), or ``""``."""
    return next((value for key, value in http.headers if key.lower() == name), "")


def file_name(http: Http, url: str) -> str:
    """The name a body would be saved under: as the server says, else the last part of the URL's path."""
    disposition = header(http, "content-disposition")
    if disposition:
        message = Message()
        message["Content-Disposition"] = disposition
        if name := message.get_filename():
            return name
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    return unquote(path.rpartition("/")[2])


def _is_whole(http: Http) -> bool:
    if http.status_code != 206:
        return True
    covered = _RANGE.match(header(http, "content-range"))
    return bool(covered and int(covered[1]) == 0 and int(covered[2]) + 1 == int(covered[3]))


def label(http: Http) -> str:
    """A message in a few words."""
    if http.type == "request":
        return f"{http.method} {http.host}{http.uri}" if "://" not in http.uri else f"{http.method} {http.uri}"
    return f"{http.status_code} {http.content_type}".rstrip()
