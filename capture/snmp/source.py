"""The source that asks devices."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from gufo.snmp import SnmpAuthError, SnmpError

from capture.live_windows import LiveWindows
from capture.snmp import NAME
from capture.snmp.asking import Asking, WrongAnswer
from capture.snmp.credentials import Credentials
from capture.snmp.growth import History
from capture.snmp.reading import DeviceReading, read_device
from capture.snmp.samples import Samples
from capture.snmp.settings import SnmpDevice, SnmpSettings
from capture.source import Observation, Sink

_LOOK: Final = 0.2
_SHARE_OF_SILENT: Final = 4
_log = logging.getLogger("tapline.capture")


class _Watched:
    """One device, and how it is known."""

    def __init__(self, device: SnmpDevice, credentials: Credentials) -> None:
        self.device = device
        self.credentials = credentials
        self.history = History()
        self.asked = False
        self.problem = ""


class SnmpPoller:
    """Asks many devices at once, each once in its interval, until :meth:`stop`.

    A device is first asked at once, then in the middle of each interval as the clock has them, so that every window
    has its share. One that does not answer is told of once, and once again when it does; meanwhile it waits among its
    like, so that it keeps none of the others waiting. So does one of which it is not known yet whether it answers.
    """

    def __init__(
        self, observation: Observation, settings: SnmpSettings, devices: list[tuple[SnmpDevice, Credentials]]
    ) -> None:
        self._observation = observation
        self._settings = settings
        self._devices = devices
        self._stopping = False

    @property
    def name(self) -> str:
        """``snmp``."""
        return NAME

    def run(self, sink: Sink) -> None:
        asyncio.run(self._run(sink))

    def stop(self) -> None:
        self._stopping = True

    async def _run(self, sink: Sink) -> None:
        windows = LiveWindows(NAME, sink)
        polling = _Polling(self._settings, Samples(self._observation, sink), windows, sink)
        tasks = [
            asyncio.create_task(polling.watch(_Watched(device, credentials))) for device, credentials in self._devices
        ]
        try:
            while not self._stopping:
                windows.look()
                ended, _ = await asyncio.wait(tasks, timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
        finally:
            await _end(tasks)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks until all have ended: wait_for of Python 3.11 loses a cancellation that comes with its result."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        ended, left = await asyncio.wait(left, timeout=_LOOK)
        for task in ended:
            if not task.cancelled():
                task.result()


class _Polling:
    """Asks devices when their time has come, not too many at once."""

    def __init__(self, settings: SnmpSettings, samples: Samples, windows: LiveWindows, sink: Sink) -> None:
        self._settings = settings
        self._samples = samples
        self._windows = windows
        self._sink = sink
        self._answering = asyncio.Semaphore(settings.concurrency)
        self._new = asyncio.Semaphore(settings.concurrency)
        self._silent = asyncio.Semaphore(max(1, settings.concurrency // _SHARE_OF_SILENT))

    async def watch(self, watched: _Watched) -> None:
        """Ask one device again and again."""
        interval = watched.device.interval
        while True:
            began = time.time()
            async with self._queue(watched):
                await self._poll(watched)
            wanted = _next_time(began, interval)
            late = time.time() - wanted
            if late > 0:
                missed = int(late // interval) + 1
                self._sink.count(NAME, "skipped", missed)
                wanted += missed * interval
            await asyncio.sleep(max(0.0, wanted - time.time()))

    def _queue(self, watched: _Watched) -> asyncio.Semaphore:
        if not watched.asked:
            return self._new
        return self._silent if watched.problem else self._answering

    async def _poll(self, watched: _Watched) -> None:
        count = self._sink.count
        count(NAME, "polls")
        address = watched.device.address
        answer = await self._ask(watched)
        watched.asked = True
        now, window = self._windows.look(), self._windows.window
        if isinstance(answer, tuple):
            reason, detail = answer
            count(NAME, f"failures.{reason}")
            if watched.problem != reason:
                _log.warning("%s: %s: %s", address, reason, detail)
            watched.problem = reason
            self._samples.failure(address, now, window)
            return
        if watched.problem:
            _log.info("%s answers again", address)
            watched.problem = ""
        reading, grown, restarted = watched.history.take(answer)
        count(NAME, "answers")
        count(NAME, "readings", len(reading.interfaces))
        if restarted:
            count(NAME, "restarts")
            _log.info("%s has restarted", address)
        began_anew = sum(each.began_anew for each in grown.values())
        if began_anew:
            count(NAME, "counters-anew", began_anew)
        self._samples.reading(address, reading, grown, now, window)

    async def _ask(self, watched: _Watched) -> DeviceReading | tuple[str, str]:
        """What a device says, or why it says nothing, as a reason and what to do."""
        settings, credentials = self._settings, watched.credentials
        try:
            async with asyncio.timeout(max(watched.device.interval, settings.timeout * (settings.retries + 1) + 1)):
                session = credentials.session(settings.timeout)
                return await read_device(Asking(session, settings.retries, bulk=credentials.bulk))
        except TimeoutError:
            return "timeout", "it does not answer: check address, port and community, and whether it lets this node ask"
        except SnmpAuthError:
            return "authentication", "it does not know the user or the password: check them"
        except WrongAnswer as error:
            return "wrong-answer", str(error)
        except SnmpError as error:
            return "wrong-answer", f"its answer is an error: {error}"
        except OSError as error:
            return "unreachable", f"{error.strerror or error}: check the address and the way there"


def _next_time(began: float, interval: int) -> float:
    """When a device that was asked at ``began`` (epoch seconds) is asked next: in the middle of an interval."""
    middle = began // interval * interval + interval / 2
    return middle + interval if middle < began + interval / 2 else middle
