"""The reference pages of the script API: what all scripts and all checks share, and each type of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, NamedTuple

from tapline import checks, groups, monitors
from tapline.checks import alert_types
from tapline.checks.hooks import hooks_of
from tapline.script import Params, Script
from topics import records

NOTE: Final = "<!-- Written by `make docs` from the code; change it there. -->\n"
FOLDER: Final = "scripts"

_KINDS: Final = (
    ("Alert groups", groups.ALERT_GROUPS),
    ("Resource groups", groups.RESOURCE_GROUPS),
    ("Document groups", groups.DOCUMENT_GROUPS),
    ("Session groups", groups.SESSION_GROUPS),
)


class MonitorPage(NamedTuple):
    """A monitor type, where its page is, and the records its hooks get."""

    name: str
    monitor: type[Script]
    title: str
    also: tuple[type[Any], ...] = ()


MONITORS: Final = (
    MonitorPage("engine-monitor", monitors.EngineMonitor, "Engine monitor"),
    MonitorPage("counter-monitor", monitors.CounterMonitor, "Counter group monitor", (monitors.TopList, monitors.Top)),
    MonitorPage("session-monitor", monitors.SessionMonitor, "Session group monitor"),
    MonitorPage("alert-monitor", monitors.AlertMonitor, "Alert monitor"),
    MonitorPage("resource-monitor", monitors.ResourceMonitor, "Resource monitor"),
    MonitorPage("full-text-monitor", monitors.FullTextMonitor, "Full text monitor"),
    MonitorPage("flow-tracker", monitors.FlowTracker, "Flow tracker"),
    MonitorPage("packet-monitor", monitors.PacketMonitor, "Packet monitor"),
)
CHECKS: Final = (
    MonitorPage("flow-check", checks.FlowCheck, "Flow check", (checks.FlowStatus,)),
    MonitorPage("host-check", checks.HostCheck, "Host check", (checks.Entity,)),
    MonitorPage("interface-check", checks.InterfaceCheck, "Interface check", (checks.Entity,)),
    MonitorPage("network-check", checks.NetworkCheck, "Network check", (checks.Entity,)),
    MonitorPage("system-check", checks.SystemCheck, "System check", (checks.Entity,)),
    MonitorPage("snmp-device-check", checks.SnmpDeviceCheck, "SNMP device check", (checks.Entity,)),
    MonitorPage("snmp-interface-check", checks.SnmpInterfaceCheck, "SNMP interface check", (checks.Entity,)),
    MonitorPage("resource-check", checks.ResourceCheck, "Resource check"),
    MonitorPage("syslog-handler", checks.SyslogHandler, "Syslog handler"),
)
_SHARED: Final = (Script, checks.Check)
"""What has a page of its own, and is left out of those of its types."""

_BUILDERS: Final = (
    alert_types.type_info,
    alert_types.threshold_cross,
    alert_types.anomaly,
    alert_types.absence,
    alert_types.list_contact,
    alert_types.unexpected,
    alert_types.status_change,
)


_GROUPS_INTRODUCTION: Final = """\
A script names a group by any of its names, in any case of letters, or by its GUID with or without braces.
The counter groups are on [their own page](../counters.md).
"""


def monitor_pages() -> dict[str, str]:
    """Every page by its path under the reference folder."""
    pages = {f"{FOLDER}/{page.name}.md": _monitor_page(page) for page in (*MONITORS, *CHECKS)}
    pages[f"{FOLDER}/script.md"] = _script_page()
    pages[f"{FOLDER}/check.md"] = _check_page()
    pages[f"{FOLDER}/groups.md"] = _groups_page()
    return pages


def _script_page() -> str:
    lines = [NOTE, "# What every script has\n", prose(inspect.getdoc(Script) or ""), ""]
    lines += ["Monitor types:\n"]
    lines += [
        f"- [{page.monitor.__name__}]({page.name}.md): {_first_sentence(inspect.getdoc(page.monitor) or '')}"
        for page in MONITORS
    ]
    lines += ["", "Checks are scripts too: [what they share](check.md), and their types.", ""]
    lines += [f"[The groups]({'groups.md'}) that scripts attach to and put things into.", ""]
    lines += ["## Parameters\n", prose(inspect.getdoc(Params) or ""), ""]
    lines += ["```python", _EXAMPLE, "```", ""]
    lines += _attributes(Script) + _hooks(Script) + ["## What it can use\n"]
    lines += [line for name, call in _public(Script) if not _is_hook(name, Script) for line in _section(name, call)]
    return "\n".join(lines)


def _check_page() -> str:
    lines = [NOTE, "# What every check has\n", prose(inspect.getdoc(checks.Check) or ""), ""]
    lines += ["Types of checks:\n"]
    lines += [
        f"- [{page.monitor.__name__}]({page.name}.md): {_first_sentence(inspect.getdoc(page.monitor) or '')}"
        for page in CHECKS
    ]
    lines += ["", "A check can do what every [script](script.md) can.", ""]
    lines += _attributes(checks.Check) + _hooks(checks.Check)
    for kind in (checks.Patience, checks.Threshold, checks.Items, checks.Gui, checks.AlertType, checks.TypeInfo):
        lines += _struct(kind)
    lines += [
        "## Builders of what an alert says\n",
        "`from tapline.checks.alert_types import type_info, threshold_cross, …`\n",
    ]
    lines += [line for call in _BUILDERS for line in _section(call.__name__, call)]
    lines += ["## What it can use\n"]
    own = [(name, call) for name, call in _public(checks.Check) if not _is_hook(name, checks.Check)]
    return "\n".join([*lines, *(line for name, call in own for line in _section(name, call))])


_EXAMPLE: Final = '''\
class ShortSSH(SessionMonitor):
    """Alerts on an SSH session that moved almost nothing."""

    l7_proto = "SSH"

    class params(Params):
        max_bytes: int = 1000

    def on_terminate(self, flow: Flow) -> None:
        if flow.total_bytes < self.params.max_bytes:
            self.alert("short-ssh", flow, f"{flow.total_bytes} bytes")'''


def _monitor_page(page: MonitorPage) -> str:
    monitor = page.monitor
    lines = [NOTE, f"# {page.title}\n", f"`from tapline import {monitor.__name__}`\n"]
    lines += [prose(inspect.getdoc(monitor) or ""), ""]
    got = _records(monitor)
    if got:
        lines += [f"Its hooks get {', '.join(f'[{name}](../records.md#{name.lower()})' for name in got)}.\n"]
    is_check = issubclass(monitor, checks.Check)
    shared = "all checks: [the check](check.md)" if is_check else "all scripts: [the script](script.md)"
    lines += [f"What it shares with {shared}.\n"]
    lines += _attributes(monitor) + _hooks(monitor)
    own = [
        (name, call)
        for name, call in _public(monitor)
        if not _is_hook(name, monitor) and (is_check or isinstance(call, property))
    ]
    lines += ["## What it can use\n"] if own else []
    lines += [line for name, call in own for line in _section(name, call)]
    for kind in page.also:
        lines += _struct(kind)
    return "\n".join(lines)


def _struct(kind: type[Any]) -> list[str]:
    """What a record or a value is made of."""
    lines = [f"## {kind.__name__}\n", prose(inspect.getdoc(kind) or ""), "", "| field | type |", "|---|---|"]
    hints = {name: hint for owner in reversed(kind.__mro__) for name, hint in inspect.get_annotations(owner).items()}
    lines += [f"| `{name}` | `{_plain(str(hint))}` |" for name, hint in hints.items()]
    return [*lines, ""]


def _groups_page() -> str:
    lines = [
        NOTE,
        "# Groups\n",
        _GROUPS_INTRODUCTION,
    ]
    for title, known in _KINDS:
        lines += [f"## {title}\n", "| name | also called | holds | GUID |", "|---|---|---|---|"]
        lines += [
            f"| `{group.name}` | {', '.join(group.aliases)} | {group.description} | {group.guid} |" for group in known
        ]
        lines.append("")
    return "\n".join(lines)


def _records(monitor: type[Script]) -> list[str]:
    """The records that a monitor's own hooks get."""
    hints = [
        hint
        for name, call in _public(monitor)
        if _is_hook(name, monitor)
        for argument, hint in inspect.get_annotations(call).items()
        if argument != "return"
    ]
    return [hint for hint in dict.fromkeys(hints) if isinstance(getattr(records, hint, None), type)]


def _attributes(monitor: type[Script]) -> list[str]:
    """The class attributes a script sets, with the values they have when it does not."""
    hints = {
        name: hint
        for owner in reversed(monitor.__mro__)
        if _is_of(owner, monitor)
        for name, hint in inspect.get_annotations(owner).items()
        if "ClassVar" in str(hint) and not name.startswith("_") and name != "params_type"
    }
    found = [(name, hint, getattr(monitor, name)) for name, hint in hints.items()]
    if not found:
        return []
    lines = ["## Attributes\n", "| attribute | type | without it |", "|---|---|---|"]
    lines += [
        f"| `{name}` | `{_plain(str(hint).removeprefix('ClassVar[').removesuffix(']'))}` | `{value!r}` |"
        for name, hint, value in found
    ]
    return [*lines, ""]


def _hooks(monitor: type[Script]) -> list[str]:
    lines = ["## Hooks\n"]
    for name, call in _public(monitor):
        if _is_hook(name, monitor):
            lines += _section(name, call)
    return lines


def _is_of(owner: type[Any], monitor: type[Script]) -> bool:
    """True for a class whose members are told on the page of a type."""
    return issubclass(owner, Script) and (owner not in _SHARED or owner is monitor)


def _public(monitor: type[Script]) -> list[tuple[str, Any]]:
    """Methods and properties, base class first, each once; what all scripts share only for :class:`Script`."""
    found: dict[str, Any] = {}
    for owner in reversed(monitor.__mro__):
        if _is_of(owner, monitor):
            found |= {
                name: value
                for name, value in vars(owner).items()
                if not name.startswith("_")
                and (inspect.isfunction(value) or isinstance(value, property | cached_property))
            }
    return list(found.items())


def _is_hook(name: str, monitor: type[Script]) -> bool:
    if issubclass(monitor, checks.Check):
        return name in hooks_of(monitor) or (monitor is checks.Check and name in ("setup", "teardown"))
    return name.startswith("on_") or name.endswith("_filter") or name == "metric"


def _section(name: str, call: Callable[..., Any] | property | cached_property[Any]) -> list[str]:
    if isinstance(call, property | cached_property):
        getter = call.fget if isinstance(call, property) else call.func
        result = _plain(str(inspect.get_annotations(getter).get("return", ""))) if getter else ""
        return [f"### {name}\n", f"```python\nself.{name}: {result}\n```\n", prose(inspect.getdoc(call) or ""), ""]
    signature = re.sub(r"'([^']+)'", r"\1", str(inspect.signature(call)))
    return [f"### {name}\n", f"```python\ndef {name}{signature}\n```\n", prose(inspect.getdoc(call) or ""), ""]


def _first_sentence(text: str) -> str:
    return prose(re.split(r"(?<=[.;:])\s", text.replace("\n", " "), maxsplit=1)[0]).rstrip(";:")


def _plain(hint: str) -> str:
    return hint.replace("|", "\\|")


def prose(text: str) -> str:
    """A docstring as Markdown."""
    text = re.sub(r":\w+:`~?([^`]+)`", lambda found: f"`{found.group(1).rpartition('.')[2]}`", text)
    return text.replace("``", "`")
