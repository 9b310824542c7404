"""What a script has raised, in words."""

from __future__ import annotations

from tapline.process.printable import printable


def said(error: BaseException) -> str:
    """Type and text of an error, fit for a terminal; a script's own exception may be unable to give its text."""
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001 - a script's exception may raise anything here
        text = f"its text cannot be had ({type(second).__name__})"
    return printable(f"{kind}: {text}" if text else kind)
