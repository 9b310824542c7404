"""Several processes that capture the same interfaces, each the packets of other flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from capture.packets.fanout import Fanout, new_group
from capture.packets.interfaces import is_interface
from capture.packets.live import LiveCapture
from capture.settings import CaptureSettings
from tapline.configuration import Configuration
from tapline.process.signals import on_stop_signal
from tapline.process.supervisor import Supervisor, ourselves
from topics import admin
from topics.errors import TaplineError

_STOP_SECONDS = 120.0
"""How long a process may take to send what it has when it is asked to stop."""


def is_shared(settings: CaptureSettings, captures: Sequence[str]) -> bool:
    """True when these captures are interfaces that several processes are to share."""
    if settings.fanout == 1 or not any(is_interface(name) for name in captures):
        return False
    if not all(is_interface(name) for name in captures):
        raise TaplineError("only interfaces can be shared (capture.fanout): run one command for them, one for the rest")
    return True


def share(
    configuration: Configuration, captures: Sequence[str], options: Sequence[str], flows: str | None, metrics_port: int
) -> None:
    """Run ``capture.fanout`` processes over these interfaces until asked to stop; one that leaves is started again.

    ``options`` are those of `tapline` and of `tapline capture` that each process is to have; the first one is deep
    where that is wanted, the others see flows alone. The ports of their metrics are the one given and those after it.
    """
    settings = configuration.capture
    if (flows or settings.flows) == "suricata":
        raise TaplineError(
            "Suricata has a thread for each core by itself: set capture.fanout to 1 with --flows suricata"
        )
    # What would make every process leave again is said once, here.
    for name in captures:
        LiveCapture(name, settings, lambda: True).check()
    groups = [new_group(name) for name in captures]
    admin.verify(configuration.kafka)

    def member(number: int) -> list[str]:
        port = metrics_port + number if metrics_port > 0 else metrics_port
        depth = ["--depth", "light"] if number else []
        joined = [part for group in groups for part in ("--group", str(group))]
        return ourselves(
            *options, *depth, "--metrics-port", str(port), "--member", str(number + 1), *joined, "--", *captures
        )

    supervisor = Supervisor(member, settings.fanout, name="capture", stop_seconds=_STOP_SECONDS)
    with on_stop_signal(supervisor.stop):
        supervisor.run()


def memberships(captures: Sequence[str], groups: Sequence[int], member: int) -> Mapping[str, Fanout]:
    """The part of this process in each capture's group; nothing where it is no member."""
    return {name: Fanout(group, member) for name, group in zip(captures, groups, strict=True)} if groups else {}
