"""What `tapline scripts approve` writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from topics.errors import TaplineError
from workers.kafka.faust_agents import agent_files
from workers.scripting.approval import digests_of, read_list, verify, write_list
from workers.scripting.helpers import imported_beside
from workers.scripting.scripts import script_paths
from workers.settings import WorkersSettings


def approve(settings: WorkersSettings, files: Sequence[Path], key: Path | None) -> list[tuple[str, str]]:
    """Write the list anew, or with these files added; what of it is new, changed, gone or as before, by file name.

    :class:`TaplineError` when no list is configured, or it has to be signed and there is no key.
    """
    if not settings.approved_scripts:
        raise TaplineError(
            "workers.approved_scripts names no list: set it, for instance to /etc/tapline/approved.sha256"
        )
    if settings.approval_key and key is None:
        raise TaplineError("workers.approval_key is set, so the list has to be signed: give the private key with --key")
    path = Path(settings.approved_scripts)
    before = read_list(path) if path.exists() else {}
    if files and before and settings.approval_key:
        # What is signed again must be what was signed.
        verify(path, Path(settings.approval_key))
    chosen = list(files) or [*script_paths(settings.scripts), *agent_files(settings.agents)]
    found = digests_of(dict.fromkeys(each for one in chosen for each in (one, *imported_beside(one))))
    after = {**before, **found} if files else found
    write_list(path, after, key)
    if settings.approval_key:
        verify(path, Path(settings.approval_key))
    return [(_what(before.get(name), after.get(name)), name) for name in sorted(before.keys() | after.keys())]


def _what(before: str | None, after: str | None) -> str:
    if before == after:
        return "as before"
    if before is None:
        return "new"
    return "changed" if after is not None else "gone"
