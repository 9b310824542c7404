"""How to reach Kibana."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class KibanaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``kibana:`` block: where ``tapline export setup`` brings the dashboards; without a ``url`` nowhere.

    ``url`` is where a browser finds it, with the base path if it has one. Credentials are either ``user`` and
    ``password`` or ``api_key`` (its encoded form). ``ca_file`` is the CA that signed the server's certificate;
    ``verify`` false accepts any. ``space`` is the space whose dashboards they become; ``timeout`` how many
    seconds an answer may take.
    """

    url: str = ""
    user: str = ""
    password: str = ""
    api_key: str = ""
    ca_file: str = ""
    verify: bool = True
    space: Annotated[str, Meta(pattern=r"^[a-z0-9_-]+$")] = "default"
    timeout: Annotated[float, Meta(gt=0, description="Seconds.")] = 60.0
