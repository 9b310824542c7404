"""What scripts pass to what they can call: each check raises an error that names what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from topics.records import Endpoints, Flow, Metric


def check_texts(**values: Any) -> None:
    """Each of these is a text."""
    for name, value in values.items():
        if not isinstance(value, str):
            raise no_text(name, value)


def check_level(name: str, value: Any, most: int, meaning: str) -> None:
    """It is a whole number from 1 to ``most``."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ValueError(f"{name} has to be a whole number from 1 to {most} ({meaning}), not {_shown(value)}")


def check_numbers(**values: Any) -> None:
    """Each of these is a finite number."""
    for name, value in values.items():
        try:
            if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
                continue
        except OverflowError:
            pass
        raise no_number(name, value)


def check_attributes(attributes: Any) -> None:
    """It maps texts to texts, or is ``None``."""
    if attributes is None:
        return
    if not isinstance(attributes, Mapping):
        raise TypeError(f"attributes has to be a mapping of texts to texts, not {_shown(attributes)}")
    for name, value in attributes.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError(f"attributes has to map texts to texts, not {_shown(name)} to {_shown(value)}")


def check_ends(about: Any) -> None:
    """It is a record with two ends."""
    if not isinstance(about, Endpoints):
        raise TypeError(f"about has to be a Flow, Resource, Document or Alert, not {_shown(about)}")


def check_about(about: Any) -> None:
    """It is something that an alert can be about."""
    if about is not None and not isinstance(about, Endpoints | Metric):
        raise TypeError(f"about has to be a Flow, Metric, Resource, Document or Alert, or None, not {_shown(about)}")


def check_record(name: str, value: Any, kind: type[Flow | Metric]) -> None:
    """It is a record of this kind."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} has to be a {kind.__name__}, not {_shown(value)}")


def check_function(name: str, value: Callable[..., Any] | None) -> None:
    """It can be called."""
    if not callable(value):
        raise TypeError(f"{name} has to be a function, not {_shown(value)}")


def no_text(name: str, value: Any) -> TypeError:
    """What is raised for something that is no text."""
    return TypeError(f"{name} has to be a text, not {_shown(value)}")


def no_number(name: str, value: Any) -> ValueError:
    """What is raised for something that is no finite number."""
    return ValueError(f"{name} has to be a finite number, not {_shown(value)}")


def wrong_group(kind: type[Any], group: Any) -> TypeError:
    """What is raised for something that is no group of this kind."""
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    return TypeError(f"group has to be a name, a GUID or {article} {kind.__name__}, not {_shown(group)}")


def _shown(value: Any) -> str:
    if value is None:
        return "None"
    try:
        return f"{type(value).__name__} {value!r:.100}"
    except Exception:  # noqa: BLE001 - a script's own class may raise anything here
        return type(value).__name__
