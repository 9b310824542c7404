"""What a network leaves in Elasticsearch, for the benchmark of the console: flows, their counters, and the rest.

The counters are those of the flows: every window has the totals of each host and application that is in it. Documents
are written as the exporter's own code makes them, of which there is one for each shape (:class:`Form`); of the others
only what differs is filled in, as making each anew takes longer than Elasticsearch does to index it.
"""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from bench.console_forms import APPLICATIONS, NODES, REASONS, counter_form, flow_form, name_form, rest_of
from exporters.elasticsearch.connection import client
from exporters.elasticsearch.documents import index_name
from exporters.elasticsearch.settings import ElasticsearchSettings
from topics.catalog import COUNTER, FLOW, RESOURCE
from topics.records import WINDOW_SECONDS

PROCESSES: Final = 2
_IN_FLIGHT: Final = 2
_BULK_BYTES: Final = 4_000_000
_OUTSIDE: Final = 0.8
"""How much of the hosts is outside."""

_CREATE: Final = b'{"create":{}}\n'
_FILLING: Final[dict[str, Any]] = {"refresh_interval": "-1", "translog": {"durability": "async"}}
_FILLED: Final[dict[str, Any]] = {"refresh_interval": None, "translog": {"durability": None}}


class Network:
    """A network of so many hosts: few speak much, and all of them speak."""

    def __init__(self, hosts: int) -> None:
        outside = int(hosts * _OUTSIDE)
        self._inside = [_address(10, number) for number in range(hosts - outside)]
        self._outside = [_address(203, number) for number in range(outside)]

    def window(self, begin: int, flows: int, namespace: str) -> Iterator[tuple[str, bytes]]:
        """All documents of one window that begins at ``begin`` (epoch seconds), each with the kind of its topic."""
        draw = random.Random(begin)
        at = _written(begin * 1_000_000)
        totals = Totals()
        largest: list[tuple[int, str, str]] = []
        for _ in range(flows):
            # The square of a number between 0 and 1 is small most of the time: the first hosts speak most.
            client = self._inside[int(draw.random() ** 2 * len(self._inside))]
            server = self._outside[int(draw.random() ** 2 * len(self._outside))]
            application = APPLICATIONS[int(draw.random() ** 2 * len(APPLICATIONS))]
            sent, back = 60 + int(draw.random() * 20_000), 60 + int(draw.random() * 500_000)
            packets, packets_back = sent // 500 + 1, back // 1000 + 1
            reason = draw.choice(REASONS) if draw.random() < 0.01 else ""
            microseconds = begin * 1_000_000 + int(draw.random() * WINDOW_SECONDS * 1_000_000)
            identity = b"%032x" % draw.getrandbits(128)
            values = {
                b"id": identity,
                b"time": _written(microseconds),
                b"start": _written(microseconds - 1_000_000),
                b"window": at,
                b"client": client.encode(),
                b"server": server.encode(),
                b"name": server.replace(".", "-").encode() + b".example.net",
                b"port": 1024 + int(draw.random() * 64_000),
                b"sent": sent,
                b"back": back,
                b"both": sent + back,
                b"packets": packets,
                b"packets_back": packets_back,
                b"packets_both": packets + packets_back,
            }
            node, country = draw.choice(NODES), draw.choice(("DE", "US", "FR", "NL"))
            yield FLOW.kind, flow_form(namespace, application, node, country, reason).filled(values)
            totals.add(client, server, application, sent, back, packets + packets_back, scored=bool(reason))
            largest.append((back, identity.decode(), client))
            if application == "DNS":
                asked = b"host%d.example.org" % int(draw.random() * 50_000)
                yield RESOURCE.kind, name_form(namespace).filled(values | {b"asked": asked})
        for group, key, meters in totals.counters(flows):
            form = counter_form(namespace, group, tuple(meters))
            identity = b"%032x" % draw.getrandbits(128)
            values = {b"id": identity, b"window": at, b"key": key.encode(), **_named(meters)}
            yield COUNTER.kind, form.filled(values)
        yield from rest_of(namespace, begin, [(identity, client) for _, identity, client in largest[:3]], largest)


class Totals:
    """What the flows of a window come to."""

    def __init__(self) -> None:
        self._hosts: dict[str, list[int]] = defaultdict(lambda: [0] * 5)
        self._applications: dict[str, list[int]] = defaultdict(lambda: [0] * 3)
        self._scores: Counter[str] = Counter()

    def add(
        self, client: str, server: str, application: str, sent: int, back: int, packets: int, *, scored: bool
    ) -> None:
        """Add a flow."""
        for host, out, into in ((client, sent, back), (server, back, sent)):
            meters = self._hosts[host]
            meters[0] += sent + back
            meters[1] += packets
            meters[2] += 1
            meters[3] += out
            meters[4] += into
        meters = self._applications[application]
        meters[0] += sent + back
        meters[1] += packets
        meters[2] += 1
        if scored:
            self._scores[client] += 100

    def counters(self, flows: int) -> Iterator[tuple[str, str, dict[str, int]]]:
        """Each group's counters: group, key, meters."""
        names = ("bytes", "packets", "new_flows", "bytes_out", "bytes_in")
        for key, meters in self._hosts.items():
            yield "Hosts", key, dict(zip(names, meters, strict=True))
        for key, meters in self._applications.items():
            yield "Apps", key, dict(zip(names[:3], meters, strict=True))
        whole = [sum(column) for column in zip(*self._applications.values(), strict=True)]
        yield "Aggregates", "TOTAL", dict(zip(names[:3], whole, strict=True))
        for key, score in self._scores.items():
            yield "Scores", key, {"score": score}
        for node in NODES:
            yield "Conservation", f"flow/{node}", {"announced": flows // 2, "received": flows // 2}
            yield "Capture", f"{node}/eth0", {"bytes": whole[0], "packets": whole[1]}


def fill(settings: ElasticsearchSettings, hosts: int, windows: range, flows: int) -> Counter[str]:
    """Write so many flows over these windows, and what goes with them; how many documents there are of each kind.

    While this goes on nothing is searched and nothing has to outlive the server, so that there is no refresh and
    no waiting for the disk; afterwards the data streams are as they were.
    """
    each = flows // len(windows)
    # Data streams begin with their first document.
    counted = _fill(settings, hosts, windows[:1], each)
    server = client(settings)
    everything = f"*-{settings.namespace}"
    server.indices.put_settings(index=everything, settings={"index": _FILLING}, expand_wildcards="all")
    jobs = [(settings, hosts, windows[1 + part :: PROCESSES], each) for part in range(PROCESSES)]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        for part in pool.starmap(_fill, jobs):
            counted += part
    server.indices.put_settings(index=everything, settings={"index": _FILLED}, expand_wildcards="all")
    server.options(request_timeout=300).indices.refresh(index=everything)
    server.close()
    return counted


def _fill(settings: ElasticsearchSettings, hosts: int, windows: Sequence[int], flows: int) -> Counter[str]:
    counted: Counter[str] = Counter()
    network = Network(hosts)
    waiting: dict[str, list[bytes]] = defaultdict(list)
    sizes: Counter[str] = Counter()
    under_way: list[Future[None]] = []
    server = client(settings)

    def send(kind: str) -> None:
        while len(under_way) >= _IN_FLIGHT:
            under_way.pop(0).result()
        under_way.append(threads.submit(_send, server, index_name(kind, settings.namespace), b"".join(waiting[kind])))
        waiting[kind].clear()
        sizes[kind] = 0

    with ThreadPoolExecutor(_IN_FLIGHT) as threads:
        for begin in windows:
            for kind, document in network.window(begin, flows, settings.namespace):
                counted[kind] += 1
                waiting[kind] += (_CREATE, document)
                sizes[kind] += len(document)
                if sizes[kind] >= _BULK_BYTES:
                    send(kind)
        for kind in [kind for kind, documents in waiting.items() if documents]:
            send(kind)
        for each in under_way:
            each.result()
    server.close()
    return counted


def _send(server: Any, index: str, body: bytes) -> None:
    answer = server.options(request_timeout=120).bulk(
        index=index, operations=body, filter_path="errors,items.create.error"
    )
    if answer["errors"]:
        raise SystemExit(next(str(each) for each in answer["items"] if "error" in each.get("create", {})))


def _address(first: int, number: int) -> str:
    return f"{first}.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _written(microseconds: int) -> bytes:
    seconds, rest = divmod(microseconds, 1_000_000)
    return _second(seconds) + (b".%06dZ" % rest if rest else b"Z")


@cache
def _second(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


def _named(meters: dict[str, int]) -> dict[bytes, int]:
    return {name.encode(): value for name, value in meters.items()}
