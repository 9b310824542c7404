"""HTTP/2 in clear text: URLs, headers in order, and the files its streams carry."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from capture.tshark.assembly import file_resource
from capture.tshark.frame import Conversation, Frame
from capture.tshark.http import NO_BODY, Body, body_file, fill, label, without_credentials
from capture.tshark.logins import HttpLogins
from capture.tshark.minting import Mint
from capture.tshark.recent import Recent
from topics.records import Document, Http, Resource

FILTER = "http2.type in {0, 1}"
FIELDS = (
    "http2.type",
    "http2.streamid",
    "http2.flags.end_stream",
    "http2.length",
    "http2.header.name",
    "http2.header.value",
)

HEADERS_LIMIT = 256
"""Most headers of a block that a record carries; header compression makes a hostile block large."""

VALUE_LIMIT = 8192
"""Most characters of a header that a record carries."""

_DATA, _HEADERS = "0", "1"


class _Stream(Struct):
    """One direction of an HTTP/2 stream."""

    url: str
    http: Http
    conversation: Conversation
    carried: bool = False


class Http2:
    """Reads HTTP/2 frames; a body is reported when its stream ends."""

    def __init__(self, mint: Mint, logins: HttpLogins) -> None:
        self._mint = mint
        self._logins = logins
        self._urls: Recent[str] = Recent(forgotten=lambda _: mint.counts.update({"forgotten.http2": 1}))
        self._streams: Recent[_Stream] = Recent(forgotten=lambda _: mint.counts.update({"forgotten.http2": 1}))

    def read(self, frame: Frame) -> Iterator[Resource | Document]:
        """The header blocks of a frame as URLs and documents, and the bodies it completed as files."""
        types = frame.all("http2_type")
        if not types:
            return
        blocks = iter(_blocks(frame))
        bodies = iter(frame.content.http2)
        # Only these two types have the flag.
        ends = iter(frame.all("http2_flags_end_stream"))
        streams, lengths = frame.all("http2_streamid"), frame.all("http2_length")
        for kind, stream, length in zip(types, streams, lengths, strict=False):
            if kind not in (_DATA, _HEADERS):
                continue
            ended = next(ends, "0") == "1"
            key = f"{frame.stream}/{stream}"
            direction = f"{key}/{frame.conversation.source_port}"
            if kind == _HEADERS:
                headers = next(blocks, None)
                if headers is None:
                    self._mint.counts["unpaired.http2"] += 1
                elif headers[0][0].startswith(":"):
                    yield from self._head(frame, key, direction, self._limited(headers))
                if ended:
                    self._streams.pop(direction)
            else:
                yield from self._data(frame, direction, bodies, empty=length == "0", ended=ended)

    def _limited(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        if len(headers) <= HEADERS_LIMIT and all(len(value) <= VALUE_LIMIT for _, value in headers):
            return headers
        self._mint.counts["truncated.headers"] += 1
        return [(name[:VALUE_LIMIT], value[:VALUE_LIMIT]) for name, value in headers[:HEADERS_LIMIT]]

    def _data(
        self, frame: Frame, direction: str, bodies: Iterator[Body], *, empty: bool, ended: bool
    ) -> Iterator[Resource]:
        """Tshark gives the whole body, decompressed, with the frame that ends the stream."""
        stream = self._streams.get(direction)
        carried = stream is not None and stream.carried
        body = NO_BODY if empty and not (ended and carried) else next(bodies, NO_BODY)
        if stream is None:
            return
        stream.carried = carried or not empty
        if ended:
            self._streams.pop(direction)
            if body[1]:
                file = body_file(stream.http, stream.url, body, self._mint)
                yield file_resource(frame, stream.conversation, self._mint, file)

    def _head(
        self, frame: Frame, key: str, direction: str, headers: list[tuple[str, str]]
    ) -> Iterator[Resource | Document]:
        headers, credentials = _without_credentials(headers)
        pseudo = dict(headers)
        if ":status" in pseudo:
            http = Http(type="response", version="2", status_code=int(pseudo[":status"] or 0), headers=headers)
            conversation = frame.conversation.reversed()
            url = self._urls.get(key) or ""
        else:
            http = Http(type="request", version="2", method=pseudo.get(":method", ""), headers=headers)
            http.uri = pseudo.get(":path", "")
            conversation = frame.conversation
            url = f"{pseudo.get(':scheme') or 'http'}://{pseudo.get(':authority', '')}{http.uri}"
            self._urls.put(key, url)
        fill(http)
        yield self._mint.resource(frame, conversation, "url", uri=url, label=label(http), http=http)
        text = "\r\n".join(f"{name}: {value}" for name, value in headers)
        yield self._mint.document(frame, conversation, "http-headers", url, text)
        yield from self._logins.read(frame, conversation, credentials)
        self._streams.put(direction, _Stream(url, http, conversation))


def _without_credentials(headers: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    kept, hidden = [], []
    for name, value in headers:
        line, credentials = without_credentials(f"{name}: {value}")
        kept.append((name, line[len(name) + 2 :]))
        hidden += credentials
    return kept, hidden


def _blocks(frame: Frame) -> list[list[tuple[str, str]]]:
    """The headers of a frame by block: pseudo-headers (RFC 9113, 8.3) come first in each."""
    blocks: list[list[tuple[str, str]]] = []
    previous = ""
    for name, value in zip(frame.all("http2_header_name"), frame.all("http2_header_value"), strict=False):
        if not blocks or (name.startswith(":") and not previous.startswith(":")):
            blocks.append([])
        blocks[-1].append((name, value))
        previous = name
    return blocks
