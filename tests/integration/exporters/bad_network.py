"""A network between a client and a server that can be made bad: a TCP proxy that drops, delays and truncates."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["", "down", "drop", "delay", "stall", "truncate"]

SHARE = {"down": 1.0, "drop": 0.2, "delay": 0.5, "stall": 0.2, "truncate": 0.2}
"""What share of the pieces that pass is treated so."""

DELAY = 0.05
STALL = 5.0
"""Seconds; a stall is to be longer than the client waits."""


class BadNetwork:
    """The way to ``target``, which is fine until ``fault`` says otherwise; ``befell`` counts what was done.

    ``down`` closes every connection, ``drop`` some of them, in the middle; ``delay`` holds a piece back for a while
    and ``stall`` for long; ``truncate`` passes on half of a piece and closes.
    """

    def __init__(self, target: str) -> None:
        self.fault: Fault = ""
        self.befell: Counter[str] = Counter()
        self.url = ""
        self._target = urlsplit(target)
        self._random = random.Random(7)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_up = threading.Event()
        self._over: asyncio.Event
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()
        self._is_up.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._is_up.set()
        await self._over.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            if self.fault == "down":
                self.befell["down"] += 1
                return
            there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
            writers.append(back)
            pumps = [asyncio.ensure_future(self._pump(*ends)) for ends in ((reader, back), (there, writer))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass
        finally:
            for each in writers:
                each.close()
            for each in writers:
                with contextlib.suppress(OSError, asyncio.TimeoutError):
                    await asyncio.wait_for(each.wait_closed(), 1.0)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            fault = self.fault if self._random.random() < SHARE.get(self.fault, 0.0) else ""
            if fault:
                self.befell[fault] += 1
            if fault in ("down", "drop"):
                writer.transport.abort()
                return
            if fault in ("delay", "stall"):
                await asyncio.sleep(DELAY if fault == "delay" else STALL)
            if fault == "truncate":
                writer.write(data[: len(data) // 2])
                return
            writer.write(data)
            await writer.drain()


@contextmanager
def bad_network(target: str) -> Iterator[BadNetwork]:
    """A way to the server at this URL for as long as the block lasts."""
    network = BadNetwork(target)
    network.start()
    try:
        yield network
    finally:
        network.stop()
