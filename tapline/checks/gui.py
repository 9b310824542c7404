"""What a form for a check's parameters is made of: a title, a description, and an input for each parameter."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, to_builtins

Unit = Literal[
    "",
    "seconds",
    "bytes",
    "flows",
    "packets",
    "mbits",
    "hosts",
    "syn/s",
    "syn/min",
    "flow/s",
    "packets/s",
    "%",
    "score",
]
"""What a threshold counts, as a form says it behind the field."""


class Input(Struct, frozen=True, kw_only=True, tag_field="builder"):
    """How a value is entered; ``param`` names the parameter."""

    param: str = ""
    label: str = ""


class ThresholdInput(Input, frozen=True, kw_only=True, tag="threshold_cross"):
    """An operator and a number, for parameters ``operator`` and ``threshold``; a fixed operator cannot be chosen."""

    param: str = "threshold"
    unit: Unit = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float = 1
    fixed_operator: Literal["", "gt", "lt"] = ""


class ItemListInput(Input, frozen=True, kw_only=True, tag="items_list"):
    """A list of texts: addresses, networks, names, countries, as ``item`` says."""

    param: str = "items"
    item: Literal["text", "address", "network", "address or network", "country", "domain", "application"] = "text"


class Choice(Struct, frozen=True, kw_only=True):
    """One value that can be chosen, and what people call it."""

    value: str
    label: str = ""


class MultiSelectInput(Input, frozen=True, kw_only=True, tag="multi_select"):
    """Several of these values."""

    param: str = "items"
    choices: tuple[Choice, ...] = ()


class NumberInput(Input, frozen=True, kw_only=True, tag="number"):
    """A number."""

    unit: Unit = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float = 1


class DurationInput(Input, frozen=True, kw_only=True, tag="long_lived"):
    """A length of time in seconds, entered in minutes, hours or days."""

    param: str = "seconds"
    minimum: int = 60


class VolumeInput(Input, frozen=True, kw_only=True, tag="elephant_flows"):
    """Bytes, entered in MB or GB, for each direction: ``param`` from local to remote, ``other_param`` back."""

    param: str = "local_to_remote_bytes"
    other_param: str = "remote_to_local_bytes"
    minimum: int = 1024 * 1024


class SwitchInput(Input, frozen=True, kw_only=True, tag="switch"):
    """Yes or no."""


class Gui(Struct, frozen=True, kw_only=True):
    """What people see of a check: without a title its name, without a description its docstring."""

    title: str = ""
    description: str = ""
    inputs: tuple[Input, ...] = ()

    def form(self) -> dict[str, Any]:
        """The form as JSON can hold it, for a console that draws it."""
        form: dict[str, Any] = to_builtins(self)
        return form
