"""How long the console's server takes for each page, with so many flows and hosts in Elasticsearch and so many viewers.

An Elasticsearch of its own (or the one at URL) is filled with flows of so many hours that ended yesterday, their
counters, names, alerts and tracks. Then viewers look at all pages, in an order of their own, each at one every
``--pause`` seconds, as people do who read what they see. The time of an answer is the server's: from the request's
arrival in the console's process until the last of its body was handed over, with the waiting for a turn. Kafka is not
there: what waits in it and what is engaged are no part of this. Elasticsearch keeps no answers. Pages look at the
newest hour, those with ``24h`` at a day. The bar is 500 ms at p95.

    python -m bench.console --flows 500000
    python -m bench.console --flows 5000000 --hosts 100000
"""

from __future__ import annotations

import argparse
import http.client
import math
import multiprocessing
import random
import socket
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvicorn

from bench.console_data import fill
from console.application import application
from console.parts import Console
from console.security.users import User
from console.settings import ConsoleSettings
from console.web.access import cookie_name
from exporters.elasticsearch.connection import client
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.setup import setup
from exporters.kibana.settings import KibanaSettings
from tapline.commands.console_scripts import ScriptWorkshop
from tapline.services.elasticsearch import Elasticsearch
from tapline.services.settings import ServicesSettings
from topics.records import WINDOW_SECONDS
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings

BAR_MS = 500
HOST = "10.0.0.1"
PAGES = (
    "/",
    "/?range=24h",
    "/flows",
    "/flows?range=24h&address=10.0.0.0/24&application=TLS*",
    "/flows?range=24h&port=53&name=*.example.net",
    "/hosts",
    "/hosts?range=24h",
    "/hosts?search=10.0.1.0/24",
    f"/hosts/{HOST}",
    f"/hosts/{HOST}?range=24h",
    "/alerts",
    "/alerts?which=past&range=24h",
    "/alerts/exclusions",
    "/resources?kind=dns",
    "/resources?kind=dns&range=24h&search=host123",
    "/trackers",
    "/trackers?range=24h",
    "/pipeline",
    "/pipeline?range=24h",
    "/audit",
)


class Timed:
    """An application whose answers are timed, by path with its query, in milliseconds."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.taken: dict[str, list[float]] = defaultdict(list)
        self.failed: dict[str, int] = defaultdict(int)

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answer, and take the time."""
        began = time.perf_counter()
        path = scope["path"] + (f"?{scope['query_string'].decode()}" if scope.get("query_string") else "")

        async def watched(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] != 200:
                self.failed[f"{path} ({message['status']})"] += 1
            await send(message)

        await self._app(scope, receive, watched)
        self.taken[path].append((time.perf_counter() - began) * 1000)


def serve(pipe: Connection, settings: ElasticsearchSettings, folder: str) -> None:
    """Serve the console until the pipe says to end; then tell what was timed since it last said to begin."""
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))
    console = Console(
        ConsoleSettings(folder=folder),
        # A port at which nobody answers.
        KafkaSettings(bootstrap=f"127.0.0.1:{nobody.getsockname()[1]}"),
        settings,
        KibanaSettings(),
        list,
        ScriptWorkshop(WorkersSettings(scripts=[])),
        [],
    )
    console.start()
    app = Timed(application(console))
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    # Who comes before the server has begun waits for it.
    listening.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    token, _ = console.sessions.open(User(name="viewer", role="administrator", password=""))
    pipe.send((listening.getsockname()[1], f"{cookie_name(console)}={token}"))
    while pipe.recv() != "end":
        app.taken.clear()
        app.failed.clear()
    server.should_exit = True
    thread.join()
    console.stop()
    pipe.send((dict(app.taken), dict(app.failed)))


def look(port: int, cookie: str, seed: int, pause: float, until: float) -> None:
    """Look at pages as one viewer until a time of the monotonic clock."""
    draw = random.Random(seed)
    time.sleep(draw.random() * pause)
    while time.monotonic() < until:
        for path in draw.sample(PAGES, len(PAGES)):
            if time.monotonic() >= until:
                break
            began = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("GET", path, headers={"cookie": cookie})
            connection.getresponse().read()
            connection.close()
            time.sleep(max(0.0, pause * draw.uniform(0.5, 1.5) - (time.monotonic() - began)))


@contextmanager
def server_at(url: str, heap: int) -> Iterator[str]:
    """The URL given, or that of an Elasticsearch that is started for this and goes with its data."""
    if url:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="tapline-bench-") as name:
        Path(name).chmod(0o755)
        engine = Elasticsearch(
            ServicesSettings(
                folder=f"{name}/.tapline",
                elasticsearch_port=0,
                elasticsearch_transport_port=0,
                elasticsearch_heap=heap,
            )
        )
        try:
            engine.start()
            engine.wait_ready()
            yield engine.address
        finally:
            engine.stop()


def forget_answers(settings: ElasticsearchSettings) -> None:
    """Have Elasticsearch keep no answers: where records come in all the time it cannot, and here none do."""
    server = client(settings)
    server.indices.put_settings(index=f"*-{settings.namespace}", settings={"index.requests.cache.enable": False})
    server.close()


def measure(
    settings: ElasticsearchSettings, viewers: int, seconds: float, pause: float
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Milliseconds of each answer by page, and how many failed."""
    here, there = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, settings, folder))
        process.start()
        there.close()
        try:
            port, cookie = here.recv()
            # What is compiled and read for the first time is no part of it.
            look(port, cookie, 0, 0, time.monotonic() + 10)
            here.send("begin")
            until = time.monotonic() + seconds
            threads = [
                threading.Thread(target=look, args=(port, cookie, seed, pause, until)) for seed in range(viewers)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            here.send("end")
            found: tuple[dict[str, list[float]], dict[str, int]] = here.recv()
        finally:
            process.join(30)
            process.kill()
        return found


def at(taken: list[float], share: float) -> float:
    """The value below which this share lies."""
    return sorted(taken)[min(len(taken) - 1, math.ceil(len(taken) * share) - 1)]


def main() -> None:
    """Fill, look, and print what each page took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", default="", help="an Elasticsearch to use (default: one of its own)")
    parser.add_argument("--flows", type=int, default=500_000)
    parser.add_argument("--hosts", type=int, default=100_000)
    parser.add_argument("--hours", type=int, default=24, help="over which the flows lie")
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120, help="how long they look")
    parser.add_argument("--pause", type=float, default=5, help="seconds from one page of a viewer to the next")
    parser.add_argument("--heap", type=int, default=1024, help="of its own Elasticsearch, MiB")
    parser.add_argument("--namespace", default="console-bench", help="of the data streams")
    parser.add_argument("--filled", action="store_true", help="what was written before is there")
    given = parser.parse_args()
    with server_at(given.url, given.heap) as url:
        settings = ElasticsearchSettings(hosts=[url], namespace=given.namespace)
        if not given.filled:
            server = client(settings)
            setup(server, settings)
            server.close()
            # So old that every range ends with the newest window, however long the filling takes.
            end = (int(time.time()) - 25 * 3600) // WINDOW_SECONDS * WINDOW_SECONDS
            windows = range(end - given.hours * 3600, end, WINDOW_SECONDS)
            began = time.monotonic()
            counted = fill(settings, given.hosts, windows, given.flows)
            print(", ".join(f"{number:,} {kind}" for kind, number in counted.items()), end="")
            print(f" written in {time.monotonic() - began:.0f} s", flush=True)
        forget_answers(settings)
        taken, failed = measure(settings, given.viewers, given.seconds, given.pause)
    print(f"{'page':<60} {'answers':>7} {'p50':>7} {'p95':>7} {'max':>7} ms")
    for path in PAGES:
        times = taken.get(path, [])
        if times:
            slow = "  over the bar" if at(times, 0.95) > BAR_MS else ""
            figures = " ".join(f"{figure:>7.0f}" for figure in (at(times, 0.5), at(times, 0.95), max(times)))
            print(f"{path:<60} {len(times):>7} {figures}{slow}")
    for path, number in failed.items():
        print(f"{number} times not answered well: {path}")


if __name__ == "__main__":
    main()
