"""What the commands share: the options before the command, and the configuration they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tapline.configuration import Configuration, Loaded
    from tapline.process.log import EventHandler


class State:
    """The global options; the configuration is read, and logging begun, when first asked for.

    :meth:`close` ends what was begun.
    """

    def __init__(self, file: str | None, *, debug: bool) -> None:
        self.file = file
        self.debug = debug
        self._loaded: Loaded | None = None
        self._log: EventHandler | None = None

    def arguments(self) -> list[str]:
        """The global options once more, for a process of ours that is to run under the same ones."""
        return [*(["--config", self.file] if self.file else []), *(["--debug"] if self.debug else [])]

    def load(self) -> Loaded:
        """The configuration with the source of each value."""
        from tapline.configuration import load

        if self._loaded is None:
            self._loaded = load(self.file)
        return self._loaded

    @property
    def configuration(self) -> Configuration:
        """The configuration; logging follows it from here on."""
        from tapline.process.log import start_logging

        first = self._loaded is None
        configuration = self.load().configuration
        if first:
            settings = configuration.process
            self._log = start_logging("debug" if self.debug else settings.log_level, settings.log_format)
        return configuration

    def close(self) -> None:
        """End logging, which goes to a stream that others close."""
        if self._log is not None:
            from tapline.process.log import stop_logging

            stop_logging(self._log)
            self._log = None
