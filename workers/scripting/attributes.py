"""What scripts declare in their classes: which values there can be, and what is wrong with others.

A worker reads these for every record it dispatches: a value it cannot use would end it, and not the script.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partialmethod
from types import FunctionType
from typing import Any, Final, NamedTuple, get_args

from tapline import checks, monitors
from tapline.checks import hooks as check_hooks
from tapline.checks.alert_types import MOST_SCORE, Category
from tapline.checks.flow_check import Direction
from tapline.script import Params, Script


class Declared(NamedTuple):
    """An attribute scripts declare: which values it can have, and how to say it."""

    accepts: Callable[[Any], bool]
    said: str


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, str) for each in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int)


def _is_wanted(value: Any) -> bool:
    several = value if isinstance(value, tuple | list | set | frozenset) else (value,)
    return all(isinstance(each, str | re.Pattern) for each in several)


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


def _is_up_to(most: int) -> Callable[[Any], bool]:
    return lambda value: _is_number(value) and not isinstance(value, bool) and 0 <= value <= most


def _is_or_none(kind: type[Any]) -> Callable[[Any], bool]:
    return lambda value: value is None or isinstance(value, kind)


_A_FILTER: Final = "a display filter of Wireshark's, as 'dns.flags.rcode == 3', or 'frame' for all packets"
_SWITCH: Final = Declared(_is_switch, "True or False")
_BESIDE_HOOKS: Final = ("setup", "teardown", "measured", "of_interest")

DECLARED: Final[dict[str, Declared]] = {
    "name": Declared(_is_text, "a text"),
    "l4_proto": Declared(_is_text, "a text, as 'TCP'"),
    "l7_proto": Declared(_is_text, "a text, as 'SSH'"),
    "subscriptions": Declared(_is_texts, "a tuple of texts, as ('subject',)"),
    "display_filter": Declared(lambda value: _is_text(value) and bool(value.strip()), _A_FILTER),
    "meters": Declared(_is_texts, "a tuple of texts, as ('bytes',)"),
    "bucket_seconds": Declared(_is_number, "a whole number of seconds"),
    "top": Declared(_is_number, "a whole number"),
    "group": Declared(_is_wanted, "a name, a GUID, a pattern or several of these"),
    "params": Declared(lambda value: isinstance(value, Params), "a class: class params(Params)"),
    "gui": Declared(lambda value: isinstance(value, checks.Gui), "a Gui, as Gui(title='…')"),
    "category": Declared(lambda value: value in get_args(Category), f"one of {', '.join(get_args(Category))}"),
    "alert_type": Declared(_is_or_none(checks.AlertType), "an AlertType, as AlertType(name='…')"),
    "status": Declared(_is_or_none(checks.FlowStatus), "a FlowStatus, as FlowStatus(name='…')"),
    "patience": Declared(lambda value: isinstance(value, checks.Patience), "a Patience, as Patience(for_runs=2)"),
    "score": Declared(_is_up_to(MOST_SCORE), f"a whole number from 0 to {MOST_SCORE}"),
    "client_share": Declared(_is_up_to(100), "a whole number of percent, 0 to 100"),
    "priority": Declared(_is_number, "a whole number"),
    "default_enabled": _SWITCH,
    "default_value": Declared(
        lambda value: isinstance(value, str | Mapping), "a text 'key;operator;value' or a mapping"
    ),
    "packet_interface_only": _SWITCH,
    "nedge_only": _SWITCH,
    "nedge_exclude": _SWITCH,
    "local_only": _SWITCH,
    "three_way_handshake_ok": _SWITCH,
    "direction": Declared(
        lambda value: value in get_args(Direction), f"one of {', '.join(filter(None, get_args(Direction)))}"
    ),
    "risks": Declared(_is_texts, "a tuple of names of nDPI's risks, as ('tls_certificate_expired',)"),
    "groups": Declared(_is_texts, "a tuple of names of counter groups, as ('Hosts',)"),
    "producer": Declared(_is_text, "a text, as 'suricata'"),
}
"""The attributes scripts declare."""


def type_of(monitor: type[Script]) -> type[Script]:
    """The class of Tapline's that a script derives from."""
    return next(base for base in monitor.__mro__ if base.__module__.startswith("tapline."))


def name_of(monitor: type[Script]) -> str:
    """The name a script goes by, as :attr:`tapline.script.Script.script_name`."""
    return monitor.name or monitor.__name__


def hooks_of(base: type[Script]) -> dict[str, FunctionType]:
    """The hooks of a monitor type: what it defines itself, and those all scripts have."""
    found: dict[str, FunctionType] = {}
    own = (*check_hooks.hooks_of(base), *_BESIDE_HOOKS) if issubclass(base, checks.Check) else ()
    for owner in base.__mro__:
        for name, value in vars(owner).items():
            is_hook = owner.__module__ == monitors.__name__ or name.startswith("on_") or name in own
            if isinstance(value, FunctionType) and is_hook and name[0] != "_":
                found.setdefault(name, value)
    return found


def misdeclared(monitor: type[Script]) -> Iterator[str]:
    """What a script declares and no worker can use."""
    base = type_of(monitor)
    for name, (accepts, said) in DECLARED.items():
        if hasattr(base, name) and not accepts(getattr(monitor, name)):
            yield f"{name} has to be {said}"
    for name, hook in hooks_of(base).items():
        value = inspect.getattr_static(monitor, name)
        if isinstance(value, property | cached_property) or not (
            callable(value) or isinstance(value, staticmethod | classmethod | partialmethod)
        ):
            yield f"{name} has to be a method"
        elif isinstance(value, FunctionType):
            yield from hook_problems(value, hook, name)
    yield from uncalled(monitor)
    yield from packet_problems(monitor)
    if issubclass(monitor, checks.Check) and not check_hooks.written(monitor):
        yield _no_hook(monitor)


def uncalled(monitor: type[Script]) -> Iterator[str]:
    """Why nothing would call a class that is derived from what is no type of monitor."""
    base = type_of(monitor)
    if base in (Script, monitors.Monitor):
        yield f"nothing calls a {base.__name__}: derive it from one of {', '.join(_callable_types())}"


def packet_problems(monitor: type[Script]) -> Iterator[str]:
    """Why a packet script would see nothing, or wait for messages in vain."""
    base = monitors.PacketMonitor
    if not issubclass(monitor, base) or monitor is base:
        return
    if not any("display_filter" in vars(owner) for owner in monitor.__mro__ if owner is not base):
        yield f"display_filter has to be {_A_FILTER}"
    if monitor.on_message is not Script.on_message:
        yield "on_message is never called: packet scripts run where packets are captured, and hear no messages"


def hook_problems(hook: FunctionType, base: FunctionType, name: str) -> Iterator[str]:
    """Why a hook cannot be called as that of its type is."""
    if inspect.iscoroutinefunction(hook) or inspect.isasyncgenfunction(hook):
        yield f"{name} is never awaited: hooks are plain functions; slow work goes to self.run_async"
    elif inspect.isgeneratorfunction(hook):
        yield f"{name} never runs, since it yields: hooks are plain functions"
    expected = list(inspect.signature(base).parameters)
    try:
        inspect.signature(hook, follow_wrapped=False).bind(*expected)
    except TypeError:
        yield f"{name} is called as {base.__name__}({', '.join(expected)})"


def _callable_types() -> list[str]:
    return [
        name
        for name, value in vars(monitors).items()
        if isinstance(value, type) and issubclass(value, monitors.Monitor) and value is not monitors.Monitor
    ]


def _no_hook(check: type[checks.Check]) -> str:
    hooks = check_hooks.hooks_of(check)
    if not hooks:
        types = ", ".join(base.__name__ for base in check_hooks.HOOKS)
        return f"is no check that anything calls: derive it from one of {types}"
    plain = {name.replace("_", ""): name for name in hooks}
    meant = {name: plain.get(name.replace("_", "").lower()) for name in dir(check) if name[0] != "_"}
    said = "".join(f"; {name} is none, it is called {hook}" for name, hook in meant.items() if hook and name != hook)
    return f"has no hook and does nothing: write one of {', '.join(hooks)}{said}"
