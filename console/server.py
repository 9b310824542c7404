"""The console's server: it binds, says where it is, and serves until it is asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Self

import uvicorn

from console.application import application
from console.parts import Console
from tapline.process.health import Health
from topics.errors import TaplineError

_GRACE_SECONDS: Final = 3
_BEAT_SECONDS: Final = 1.0
_STALL_SECONDS: Final = 30.0


class ConsoleServer:
    """Serves a console; a context manager that binds when it is entered, so that what is wrong is said at once.

    ``say`` is told the lines that whoever starts it has to see: where it is, and the token of the first start.
    """

    def __init__(self, console: Console, health: Health, say: Callable[[str], None]) -> None:
        self._console = console
        self._say = say
        self._component = health.component("console", stall_seconds=_STALL_SECONDS)
        self._socket: socket.socket | None = None
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._socket = self._bind()
        try:
            self._console.start()
            self._server = _Server(self._settings())
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._console.stop()
        if self._socket is not None:
            self._socket.close()

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        if self._socket is None:
            raise RuntimeError("it has not been entered")
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if self._console.settings.certificate_file else "http"
        return self._console.settings.public_url or f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def run(self) -> None:
        """Serve until :meth:`leave`."""
        if self._server is None or self._socket is None:
            raise RuntimeError("it has not been entered")
        if self._console.users.empty:
            self._say(f"first start: open {self.url}/setup and enter the token {self._console.first_start.begin()}")
        self._say(f"the console is at {self.url}")
        asyncio.run(self._serve(self._server, self._socket))

    def leave(self) -> None:
        """End in good order, from any thread or signal handler."""
        self._console.hub.close()
        if self._server is not None:
            self._server.should_exit = True

    async def _serve(self, server: uvicorn.Server, bound: socket.socket) -> None:
        beating = asyncio.create_task(self._beat())
        try:
            await server.serve(sockets=[bound])
        finally:
            beating.cancel()

    async def _beat(self) -> None:
        self._component.ready()
        while True:
            self._component.progress()
            await asyncio.sleep(_BEAT_SECONDS)

    def _bind(self) -> socket.socket:
        settings = self._console.settings
        for key, name in (("certificate_file", settings.certificate_file), ("key_file", settings.key_file)):
            if name and not Path(name).is_file():
                raise TaplineError(f"console.{key} {name} is no file: name one in PEM form")
        if bool(settings.certificate_file) != bool(settings.key_file):
            raise TaplineError("console.certificate_file and console.key_file go together: set both, or neither")
        if settings.certificate_file:
            _check_pair(settings.certificate_file, settings.key_file)
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((settings.host, settings.port))
        except OSError as error:
            made.close()
            raise TaplineError(
                f"the console cannot listen on {settings.host}:{settings.port} ({error.strerror}): set console.host or"
                " console.port"
            ) from error
        return made

    def _settings(self) -> uvicorn.Config:
        settings = self._console.settings
        return uvicorn.Config(
            application(self._console),
            ssl_certfile=settings.certificate_file or None,
            ssl_keyfile=settings.key_file or None,
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=settings.proxies,
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=True,
            ws="none",
            lifespan="off",
            limit_concurrency=500,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )


def _check_pair(certificate: str, key: str) -> None:
    """See that these are a certificate and its key, before anybody comes."""
    try:
        # Without a password for the key it would be asked for on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except OSError as error:
        why = error.reason if isinstance(error, ssl.SSLError) and error.reason else error.strerror or str(error)
        raise TaplineError(
            f"console.certificate_file {certificate} and console.key_file {key} cannot be used for TLS ({why}): name a"
            " certificate and its own key in PEM form, without a password"
        ) from error


class _Server(uvicorn.Server):
    """One that leaves signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
