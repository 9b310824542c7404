"""Reading a policy: YAML files and single entries, with the line of every mistake and what would be right."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import yaml
from msgspec import Struct

from tapline.checks.base import Check
from tapline.checks.entities import SECONDS
from tapline.monitors import PacketMonitor
from tapline.policy.model import (
    Acknowledgement,
    Alerting,
    CheckSettings,
    Exclusion,
    Policy,
    Pool,
    Rule,
    ScriptSettings,
    Selector,
)
from tapline.policy.units import duration, moment, quantity
from tapline.script import Script
from topics.errors import TaplineError

SECTIONS: Final[Mapping[str, type[Struct]]] = {
    "pools": Pool,
    "checks": CheckSettings,
    "scripts": ScriptSettings,
    "rules": Rule,
    "exclusions": Exclusion,
    "acknowledgements": Acknowledgement,
}
"""The sections that hold entries by key."""

ALERTING: Final = "alerting"
"""The section that is one entry itself."""

MOST_LEARNED: Final = 288
"""Most periods that a band remembers of an entity: a day of five minutes each."""

MOST_TOP: Final = 1000
"""Most keys in the list that a rule on the largest looks at."""

_READ: Final[Mapping[type[Struct], Mapping[str, Callable[[Any], Any]]]] = {
    Rule: {"value": quantity, "floor": quantity, "period": duration, "season": duration},
    Exclusion: {"until": moment},
    Alerting: {"repeat_seconds": duration, "silent_seconds": duration},
}
"""How values that people write with units are read."""

_PATH: Final = re.compile(r" - at `(?P<key>key in )?\$(?P<path>.*)`$")
_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]|\[\.\.\.\]")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.+)`")


class BadEntry(ValueError):
    """What is wrong with an entry, and at which step inside it."""

    def __init__(self, message: str, steps: Sequence[str | int] = ()) -> None:
        super().__init__(message)
        self.steps = tuple(steps)


class Read(NamedTuple):
    """A policy that was read, and for each entry (``checks/syn_scan``) its ``file:line``."""

    policy: Policy
    places: Mapping[str, str]


def read_files(paths: Iterable[str | Path], monitors: Mapping[str, type[Script]] | None = None) -> Read:
    """The policy of these files, a later one adding to those before; files that are not there hold nothing.

    With ``monitors``, the scripts and checks there are by name, their names and parameters are looked at too.
    :class:`TaplineError` with file, line and what would be right.
    """
    texts: list[tuple[Path, str]] = []
    for path in map(Path, paths):
        if path.is_file():
            try:
                texts.append((path, path.read_text(encoding="utf-8")))
            except OSError as error:
                raise TaplineError(f"cannot read {path}: {error.strerror or error}") from error
            except UnicodeDecodeError as error:
                raise TaplineError(f"cannot read {path}: it is no UTF-8 text") from error
    return _read(texts, monitors)


def read_text(text: str, name: str, monitors: Mapping[str, type[Script]] | None = None) -> Read:
    """The policy that a text holds, as :func:`read_files` has it of a file of this name."""
    return _read([(Path(name), text)], monitors)


def _read(texts: Iterable[tuple[Path, str]], monitors: Mapping[str, type[Script]] | None) -> Read:
    sections: dict[str, Any] = {name: {} for name in SECTIONS}
    places: dict[str, str] = {}
    nodes: dict[str, tuple[Path, yaml.Node]] = {}
    for path, text in texts:
        _read_text(path, text, sections, places, nodes)
    policy = Policy(**sections)
    for key, problem in problems(policy, monitors):
        path, node = nodes[key]
        raise TaplineError(f"{path}:{_line(node, problem.steps)}: {key.replace('/', '.', 1)}: {problem}")
    return Read(policy, places)


def entry(section: str, key: str, value: Any) -> Struct:
    """One entry of a section from what YAML or JSON held; :class:`BadEntry` when it cannot be one."""
    kind = Alerting if section == ALERTING else SECTIONS[section]
    value = {} if value is None else value
    if not isinstance(value, dict):
        raise BadEntry("has to be a block of `key: value` lines")
    value = dict(value)
    for name, read in _READ.get(kind, {}).items():
        if name in value:
            try:
                value[name] = read(value[name])
            except ValueError as error:
                raise BadEntry(f"{name}: {error}", [name]) from None
    if kind is Rule:
        value.setdefault("name", key)
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _bad(str(error), kind) from None


def problems(policy: Policy, monitors: Mapping[str, type[Script]] | None = None) -> Iterable[tuple[str, BadEntry]]:
    """What in a policy cannot be meant, by the key of its entry; its parts are each right by themselves."""
    for name, pool in policy.pools.items():
        for at, member in enumerate(pool.members):
            if "/" in member and not _is(ip_network, member):
                yield f"pools/{name}", BadEntry(f"{member!r} is no network, as 192.0.2.0/24", ["members", at])
    for name, settings in policy.checks.items():
        key = f"checks/{name}"
        check = monitors.get(name) if monitors is not None else None
        if monitors is not None and (check is None or not issubclass(check, Check)):
            known = [name for name, monitor in monitors.items() if issubclass(monitor, Check)]
            yield key, BadEntry(f"there is no check {name}{_nearest(name, known)}")
            continue
        yield from ((key, problem) for problem in _params_problems(check, settings.params, ["params"]))
        for at, override in enumerate(settings.overrides):
            steps: list[str | int] = ["overrides", at]
            yield from ((key, problem) for problem in _selector_problems(policy, override.match, [*steps, "match"]))
            merged = {**settings.params, **override.params}
            yield from ((key, problem) for problem in _params_problems(check, merged, [*steps, "params"]))
            if override.hook and override.hook not in SECONDS:
                yield key, BadEntry(f"hook has to be one of {', '.join(SECONDS)}", [*steps, "hook"])
    if monitors is not None:
        for name, script in policy.scripts.items():
            yield from ((f"scripts/{name}", problem) for problem in _script_problems(name, script, monitors))
    for name, rule in policy.rules.items():
        key = f"rules/{name}"
        yield from ((key, problem) for problem in _selector_problems(policy, rule.select, ["select"]))
        yield from ((key, problem) for problem in _rule_problems(rule))


def schema() -> dict[str, Any]:
    """The JSON Schema of a policy file, for editors and other programs."""
    found = msgspec.json.schema(Policy)
    text = {"type": "string"}
    definitions = found["$defs"]
    for kind, readers in _READ.items():
        for name in readers:
            was = definitions[kind.__name__]["properties"][name]
            default = {"default": was.pop("default")} if "default" in was else {}
            definitions[kind.__name__]["properties"][name] = {"anyOf": [was, text], **default}
    rule = definitions["Rule"]
    rule["required"] = [name for name in rule.get("required", ()) if name != "name"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | found


def _read_text(
    path: Path, text: str, sections: dict[str, Any], places: dict[str, str], nodes: dict[str, tuple[Path, yaml.Node]]
) -> None:
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
    except RecursionError as error:
        raise TaplineError(f"{path}: not a policy: its blocks are too deep") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise TaplineError(f"{path}:{line}: not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise TaplineError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    for name, section in _block(path, root, "the file"):
        section_name = str(name.value)
        if section_name == ALERTING:
            sections[ALERTING] = _entry(path, ALERTING, "", section, loader)
            places[ALERTING], nodes[ALERTING] = f"{path}:{name.start_mark.line + 1}", (path, section)
            continue
        if section_name not in SECTIONS or section_name == "acknowledgements":
            known = [known for known in (*SECTIONS, ALERTING) if known != "acknowledgements"]
            near = _nearest(section_name, known)
            raise TaplineError(f"{path}:{name.start_mark.line + 1}: {section_name} is no known section{near}")
        for key_node, node in _block(path, section, section_name):
            key, place = str(key_node.value), f"{path}:{key_node.start_mark.line + 1}"
            full = f"{section_name}/{key}"
            if full in places and places[full].rpartition(":")[0] == str(path):
                raise TaplineError(f"{place}: {section_name}.{key} is given twice, first at {places[full]}: remove one")
            sections[section_name][key] = _entry(path, section_name, key, node, loader)
            places[full], nodes[full] = place, (path, node)


def _block(path: Path, node: yaml.Node | None, what: str) -> list[tuple[yaml.Node, yaml.Node]]:
    if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
        return []
    if not isinstance(node, yaml.MappingNode):
        raise TaplineError(f"{path}:{node.start_mark.line + 1}: {what} has to be a block of `key: value` lines")
    return list(node.value)


def _entry(path: Path, section: str, key: str, node: yaml.Node, loader: yaml.SafeLoader) -> Struct:
    named = f"{section}.{key}" if key else section
    try:
        return entry(section, key, loader.construct_object(node, deep=True))
    except BadEntry as error:
        raise TaplineError(f"{path}:{_line(node, error.steps)}: {named}: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else node.start_mark.line + 1
        raise TaplineError(f"{path}:{line}: {named}: {error.problem}") from error
    except ValueError as error:
        raise TaplineError(f"{path}:{node.start_mark.line + 1}: {named}: {error}") from error


def _line(node: yaml.Node, steps: Sequence[str | int]) -> int:
    """The line of what these steps lead to, of the last of them that is there."""
    line = node.start_mark.line + 1
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            found = next(((name, value) for name, value in node.value if str(name.value) == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _bad(text: str, kind: type[Struct]) -> BadEntry:
    """What msgspec found, in our words, with the steps that lead to it."""
    found = _PATH.search(text)
    steps: list[str | int] = []
    if found is not None:
        text = text[: found.start()]
        steps = [int(index) if index else name for name, index in _STEP.findall(found["path"]) if name or index]
    unknown = _UNKNOWN.fullmatch(text)
    if unknown is not None:
        name = unknown[1]
        near = _nearest(name, _fields_at(kind, steps))
        return BadEntry(f"{_dotted([*steps, name])} is no known key{near}", [*steps, name])
    where = f"{_dotted(steps)}: " if steps else ""
    return BadEntry(f"{where}{text[0].lower()}{text[1:]}", steps)


def _fields_at(kind: Any, steps: Sequence[str | int]) -> list[str]:
    """The names of the fields of the struct that these steps lead to."""
    for step in steps:
        if isinstance(step, int):
            continue
        info = next((info for info in msgspec.structs.fields(kind) if info.name == step), None)
        if info is None:
            return []
        kind = next((part for part in _parts(info.type) if isinstance(part, type) and issubclass(part, Struct)), None)
        if kind is None:
            return []
    return [info.encode_name for info in msgspec.structs.fields(kind)]


def _parts(kind: Any) -> list[Any]:
    return [kind, *(part for argument in getattr(kind, "__args__", ()) for part in _parts(argument))]


def _selector_problems(policy: Policy, selector: Selector, steps: list[str | int]) -> Iterable[BadEntry]:
    if selector.host and not _is(ip_address, selector.host):
        yield BadEntry(f"{selector.host!r} is no address, as 192.0.2.1", [*steps, "host"])
    if selector.network and not _is(ip_network, selector.network):
        yield BadEntry(f"{selector.network!r} is no network, as 192.0.2.0/24", [*steps, "network"])
    if selector.pool and selector.pool not in policy.pools:
        yield BadEntry(f"there is no pool {selector.pool!r}{_nearest(selector.pool, policy.pools)}", [*steps, "pool"])
    tags = [tag for pool in policy.pools.values() for tag in pool.tags]
    if selector.tag and selector.tag not in tags:
        yield BadEntry(f"no pool has the tag {selector.tag!r}{_nearest(selector.tag, tags)}", [*steps, "tag"])


def _script_problems(name: str, settings: ScriptSettings, monitors: Mapping[str, type[Script]]) -> Iterable[BadEntry]:
    monitor = monitors.get(name)
    if monitor is None:
        known = [name for name, monitor in monitors.items() if not issubclass(monitor, Check | PacketMonitor)]
        yield BadEntry(f"there is no script {name}{_nearest(name, known)}")
    elif issubclass(monitor, Check):
        yield BadEntry(f"{name} is a check: say it in checks/{name}")
    elif issubclass(monitor, PacketMonitor):
        yield BadEntry(f"{name} runs in capture nodes, which do not go by the policy: say it in workers.params.{name}")
    else:
        yield from _params_problems(monitor, settings.params, ["params"])


def _params_problems(
    check: type[Script] | None, params: Mapping[str, Any], steps: list[str | int]
) -> Iterable[BadEntry]:
    if check is None or not params:
        return
    try:
        msgspec.convert(dict(params), check.params_type)
    except msgspec.ValidationError as error:
        problem = _bad(str(error), check.params_type)
        yield BadEntry(f"params: {problem}", [*steps, *problem.steps])


def _rule_problems(rule: Rule) -> Iterable[BadEntry]:
    if rule.period not in SECONDS.values():
        yield BadEntry(f"period has to be 1 min, 5 min, 1 h or 1 d, not {rule.period} seconds", ["period"])
    if rule.measure == "ratio" and not rule.other_metric:
        yield BadEntry("a ratio is of two metrics: say `other_metric`", ["measure"])
    if rule.season % max(rule.period, 1):
        yield BadEntry("season has to be a multiple of the period", ["season"])
    if rule.measure == "anomaly":
        yield from _anomaly_problems(rule)
    for name in ("value", "floor", "sensitivity"):
        if not math.isfinite(getattr(rule, name)):
            yield BadEntry(f"{name} has to be a finite number", [name])
    if rule.floor < 0:
        yield BadEntry("floor has to be 0 or more", ["floor"])
    if not 1 <= rule.top <= MOST_TOP:
        yield BadEntry(f"top has to lie between 1 and {MOST_TOP}", ["top"])
    if rule.learn_periods < 0:
        yield BadEntry("learn_periods has to be 0 or more", ["learn_periods"])
    if not 0 <= rule.score <= 250:
        yield BadEntry("score has to lie between 0 and 250", ["score"])
    if not 0 <= rule.severity <= 8:
        scale = "between 1 (debug) and 8 (emergency), or be 0 for that of the score"
        yield BadEntry(f"severity has to lie {scale}", ["severity"])


def _anomaly_problems(rule: Rule) -> Iterable[BadEntry]:
    """What a band cannot be learned with; what it remembers of each entity is bounded here."""
    if rule.sensitivity <= 0:
        yield BadEntry("sensitivity has to be greater than 0", ["sensitivity"])
    if not 2 <= rule.learn_periods <= MOST_LEARNED:
        yield BadEntry(f"learn_periods has to lie between 2 and {MOST_LEARNED}", ["learn_periods"])
    if rule.method == "holt_winters" and not 2 <= rule.season // max(rule.period, 1) <= MOST_LEARNED:
        yield BadEntry(
            f"holt_winters needs a season of 2 to {MOST_LEARNED} periods, as `season: 1 d` with `period: 5 min`",
            ["season" if rule.season else "method"],
        )


def _is(read: Callable[[str], object], text: str) -> bool:
    try:
        if read is ip_network:
            ip_network(text, strict=False)
        else:
            read(text)
    except ValueError:
        return False
    return True


def _dotted(steps: Sequence[str | int]) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.lstrip(".")


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name.lower(), names, n=1)
    if close:
        return f": did you mean {close[0]}?"
    return f": known are {', '.join(names[:30])}" if names else ""
