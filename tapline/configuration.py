"""The configuration: one YAML file, every key with a default, environment variables above it."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeGuard, get_type_hints

import msgspec
import yaml
from msgspec import Struct, field

from capture.settings import CaptureSettings
from console.settings import ConsoleSettings
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.files.settings import FilesSettings
from exporters.kibana.settings import KibanaSettings
from exporters.mirror.settings import MirrorSettings
from exporters.prometheus.settings import PrometheusSettings
from exporters.recipients.settings import RecipientsSettings
from tapline.process.settings import ProcessSettings
from tapline.services.settings import ServicesSettings
from topics.errors import TaplineError
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings

FILE_NAME: Final = "tapline.yaml"
SYSTEM_FILE: Final = Path("/etc/tapline/tapline.yaml")
FILE_VARIABLE: Final = "TAPLINE_CONFIG"
PREFIX: Final = "TAPLINE_"

MASK: Final = "********"
_SECRET = re.compile(r"(password|secret|token|api_?key|key\.pem)$", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class Configuration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be configured, one block a component."""

    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    workers: WorkersSettings = field(default_factory=WorkersSettings)
    elasticsearch: ElasticsearchSettings = field(default_factory=ElasticsearchSettings)
    kibana: KibanaSettings = field(default_factory=KibanaSettings)
    recipients: RecipientsSettings = field(default_factory=RecipientsSettings)
    files: FilesSettings = field(default_factory=FilesSettings)
    prometheus: PrometheusSettings = field(default_factory=PrometheusSettings)
    mirror: MirrorSettings = field(default_factory=MirrorSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    services: ServicesSettings = field(default_factory=ServicesSettings)
    process: ProcessSettings = field(default_factory=ProcessSettings)


class Setting(Struct, frozen=True):
    """One key as it holds: ``source`` is ``default``, ``<file>:<line>`` or an environment variable."""

    key: str
    value: Any
    source: str


class Loaded(Struct, frozen=True):
    """A configuration and where each of its values came from (keys without an entry are defaults)."""

    configuration: Configuration
    file: Path | None
    sources: dict[str, str]

    def settings(self, *, masked: bool = True) -> Iterator[Setting]:
        """Every key with its value and source; secrets are masked unless asked for."""
        for key, value in _flatten(self.configuration):
            yield Setting(key, _masked(key, value) if masked else value, self.sources.get(key, "default"))


def find_file(given: str | None, environment: Mapping[str, str]) -> Path | None:
    """The configuration file that holds: the one given, the environment's, the folder's, the system's."""
    for named, by in ((given, "--config"), (environment.get(FILE_VARIABLE), FILE_VARIABLE)):
        if named:
            path = Path(named)
            if not path.is_file():
                raise TaplineError(f"{path}, named by {by}, is no file: name one that exists, or leave it out")
            return path
    for path in (Path(FILE_NAME), SYSTEM_FILE):
        if path.is_file():
            return path
    return None


def load(given: str | None = None, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read file and environment; :class:`TaplineError` says where a mistake is and what would be right."""
    environment = os.environ if environment is None else environment
    path = find_file(given, environment)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    if path is not None:
        _take_file(path, values, sources)
    _take_environment(environment, values, sources)
    return Loaded(_build(Configuration, values, sources), path, sources)


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors and other programs."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(Configuration)


def _build(kind: type[Struct], values: Mapping[str, Any], sources: Mapping[str, str], prefix: str = "") -> Any:
    keys = _keys(kind)
    given = {
        name: _build(keys[name], value, sources, f"{prefix}{name}.") if _is_struct(keys[name]) else value
        for name, value in values.items()
    }
    try:
        return kind(**given)
    except ValueError as error:
        named = next((sources[prefix + name] for name in given if prefix + name in sources), "the configuration")
        raise TaplineError(f"{named}: {prefix.rstrip('.')}: {error}") from error


def _take_file(path: Path, values: dict[str, Any], sources: dict[str, str]) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TaplineError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is no UTF-8 text'}"
        ) from error
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise TaplineError(f"{path}:{line}: not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise TaplineError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if root is not None:
        _FileReader(path, loader, sources).take(root, Configuration, "", values)


class _FileReader:
    """Checks the values of a file one by one, each against its type as it is met."""

    def __init__(self, path: Path, loader: yaml.SafeLoader, sources: dict[str, str]) -> None:
        self._path = path
        self._loader = loader
        self._sources = sources

    def take(self, node: yaml.Node, kind: type[Struct], prefix: str, values: dict[str, Any]) -> None:
        """Put the block at ``node`` into ``values``."""
        if isinstance(node, yaml.ScalarNode) and not node.value:
            return
        if not isinstance(node, yaml.MappingNode):
            block = prefix.rstrip(".") or "the file"
            raise TaplineError(f"{self._place(node)}: {block} has to be a block of `key: value` lines")
        keys = _keys(kind)
        for name_node, value_node in node.value:
            name, place = str(name_node.value), self._place(name_node)
            key = prefix + name
            if name not in keys:
                raise TaplineError(f"{place}: {key} is no known key{_nearest(name, keys, prefix)}")
            if key in self._sources:
                raise TaplineError(f"{place}: {key} is given twice, first at {self._sources[key]}: remove one")
            self._sources[key] = place
            if _is_struct(keys[name]):
                self.take(value_node, keys[name], f"{key}.", values.setdefault(name, {}))
                continue
            try:
                given = self._loader.construct_object(value_node, deep=True)
            except yaml.MarkedYAMLError as error:
                raise TaplineError(f"{place}: {key}: {error.problem}") from error
            values[name] = _converted(f"{place}: {key}", given, keys[name])

    def _place(self, node: yaml.Node) -> str:
        return f"{self._path}:{node.start_mark.line + 1}"


def _take_environment(environment: Mapping[str, str], values: dict[str, Any], sources: dict[str, str]) -> None:
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or "__" not in variable:
            continue
        *blocks, name = variable.removeprefix(PREFIX).lower().split("__")
        kind: type[Struct] = Configuration
        target, prefix = values, ""
        for block in blocks:
            hint = _keys(kind).get(block)
            if not _is_struct(hint):
                near = _nearest(block, _blocks(kind), prefix)
                raise TaplineError(f"{variable}: {prefix}{block} is no known block{near}")
            kind, target, prefix = hint, target.setdefault(block, {}), f"{prefix}{block}."
        hints = _keys(kind)
        if name not in hints or _is_struct(hints[name]):
            raise TaplineError(f"{variable}: {prefix}{name} is no known key{_nearest(name, hints, prefix)}")
        given = _parsed(variable, environment[variable], hints[name])
        target[name] = _converted(f"{variable}: {prefix}{name}", given, hints[name])
        sources[prefix + name] = variable


def _parsed(variable: str, text: str, kind: Any) -> Any:
    if getattr(kind, "__origin__", kind) is str:
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TaplineError(f"{variable}: {text!r} is not YAML") from error


def _converted(where: str, given: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        expected = text[0].lower() + text[1:]
        raise TaplineError(f"{where}: {expected} (given: {_masked(where, given)!r})") from error


def _flatten(block: Struct, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for info in msgspec.structs.fields(block):
        value = getattr(block, info.name)
        if isinstance(value, Struct):
            yield from _flatten(value, f"{prefix}{info.name}.")
        else:
            yield prefix + info.name, msgspec.to_builtins(value)


def _masked(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked(f"{key}.{name}", item) for name, item in value.items()}
    if isinstance(value, list):
        return [_masked(key, item) for item in value]
    if isinstance(value, str):
        return MASK if value and _SECRET.search(key) else _CREDENTIALS.sub(MASK, value)
    return value


def _nearest(name: str, known: Mapping[str, Any], prefix: str) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=1)
    if close:
        return f": did you mean {prefix}{close[0]}?"
    return f": known are {', '.join(known)}"


def _blocks(kind: type[Struct]) -> dict[str, Any]:
    return {name: hint for name, hint in _keys(kind).items() if _is_struct(hint)}


def _keys(kind: type[Struct]) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _is_struct(kind: Any) -> TypeGuard[type[Struct]]:
    return isinstance(kind, type) and issubclass(kind, Struct)
