"""Where the scripts of the library are."""

from pathlib import Path

import scripts

LIBRARY = Path(scripts.__file__).parent / "library"


def library(name: str) -> Path:
    """The file of a script of the library."""
    return LIBRARY / f"{name}.py"
