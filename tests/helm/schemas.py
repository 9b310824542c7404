"""JSON schemas of Kubernetes' resources, made of its OpenAPI description, for kubeconform.

Strict: what a resource does not have is an error. One file a kind, which holds all that it refers to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

_DEFINITIONS: Final = "#/definitions/"
_KINDS: Final = "x-kubernetes-group-version-kind"
_TEXT_OR_NUMBER: Final = {"type": ["string", "number"]}
_TEXT_OR_INTEGER: Final = {"type": ["string", "integer"]}


def of_kubernetes(openapi: dict[str, Any], folder: Path) -> None:
    """Write ``folder/KIND-GROUP-VERSION.json`` for every kind of a server's description (Swagger 2.0)."""
    folder.mkdir(parents=True)
    definitions = {name: _strict(name, schema) for name, schema in openapi["definitions"].items()}
    for name, schema in openapi["definitions"].items():
        for kind in schema.get(_KINDS, ()):
            needed = _reached(name, definitions)
            whole = {"$ref": _DEFINITIONS + name, "definitions": {each: definitions[each] for each in needed}}
            group = kind["group"].split(".")[0]
            parts = [kind["kind"].lower(), *([group] if group else []), kind["version"]]
            (folder / f"{'-'.join(parts)}.json").write_text(json.dumps(whole), encoding="utf-8")


def of_resource_definitions(definition: dict[str, Any], folder: Path, manifests: Path) -> None:
    """Write ``folder/KIND-GROUP-VERSION.json`` of a CustomResourceDefinition, and the definition itself."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = definition["spec"]
    (manifests / f"{definition['metadata']['name']}.json").write_text(json.dumps(definition), encoding="utf-8")
    for version in spec["versions"]:
        schema = _strict("", version["schema"]["openAPIV3Schema"])
        # The server adds what every resource has.
        schema.setdefault("properties", {})["metadata"] = {"type": "object"}
        name = "-".join([spec["names"]["kind"].lower(), spec["group"].split(".")[0], version["name"]])
        (folder / f"{name}.json").write_text(json.dumps(schema), encoding="utf-8")


def resource_definitions(text: str) -> Iterator[dict[str, Any]]:
    """The CustomResourceDefinitions of a file."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for document in yaml.load_all(text, Loader=loader):
        if document and document.get("kind") == "CustomResourceDefinition":
            yield document


def _strict(name: str, schema: Any) -> Any:
    """A schema that refuses what it does not name."""
    if isinstance(schema, list):
        return [_strict("", each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if name.endswith(".api.resource.Quantity"):
        return _TEXT_OR_NUMBER
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return _TEXT_OR_INTEGER
    strict = {key: _strict("", value) for key, value in schema.items() if not key.startswith("x-")}
    if "properties" in schema:
        strict["properties"] = {key: _strict("", value) for key, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            strict.setdefault("additionalProperties", False)
    return strict


def _reached(name: str, definitions: dict[str, Any]) -> set[str]:
    """The definitions that one refers to, and those that these refer to."""
    found: set[str] = set()
    todo = [name]
    while todo:
        each = todo.pop()
        if each not in found:
            found.add(each)
            todo += _references(definitions[each])
    return found


def _references(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for each in schema for name in _references(each)]
    if not isinstance(schema, dict):
        return []
    own = schema.get("$ref")
    found = [own.removeprefix(_DEFINITIONS)] if isinstance(own, str) else []
    return [*found, *(name for value in schema.values() for name in _references(value))]
