"""Templates and sampling rates on disk, so that a capture node that starts again need not wait for them."""

from __future__ import annotations

import fcntl
import logging
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from capture.netflow.domains import Domain, Domains
from capture.netflow.errors import NetflowError
from capture.netflow.options import MOST_RATE
from capture.netflow.templates import SETS, Template, read_templates

_BASE64: Final = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_log = logging.getLogger("tapline.capture")


class _KeptTemplate(Struct, omit_defaults=True):
    raw: str
    options: bool = False


class _KeptDomain(Struct, omit_defaults=True):
    version: int
    exporter: str
    domain: int
    templates: list[_KeptTemplate] = []
    rates: dict[str, Annotated[int, Meta(ge=1, le=MOST_RATE)]] = {}
    applications: dict[Annotated[str, Meta(pattern=_BASE64)], str] = {}
    boot_ms: Annotated[int, Meta(ge=0)] = 0

    @property
    def key(self) -> tuple[int, str, int]:
        return self.version, self.exporter, self.domain


class _Kept(Struct):
    domains: list[_KeptDomain]


_decoder: Final = msgspec.json.Decoder(_Kept)


class TemplateStore:
    """One file in a folder for what listens at one address; it is replaced as a whole.

    Processes that share the address share the file: each adds what it has learned, and learns what others have added.
    """

    def __init__(self, folder: str, observation_point: str) -> None:
        name = re.sub(r"[^A-Za-z0-9.]+", "-", observation_point).strip("-")
        self._path = Path(folder) / f"{name}.json"
        self._seen = 0
        self._failed = False

    def load(self, domains: Domains) -> None:
        """Learn what the file holds; one that cannot be read is as good as none."""
        for kept in self._read():
            if kept.version not in SETS:
                continue
            domain = domains.find(kept.key)
            for each in kept.templates:
                for template in _templates(kept.version, each):
                    if template.number not in domain.templates:
                        domains.learn(domain, template)
            for what, rate in kept.rates.items():
                if what not in domain.rates:
                    domains.set_rate(domain, what, rate)
            for key, name in kept.applications.items():
                domains.set_application(domain, b64decode(key), name)
            if not domain.boot_ms:
                domain.boot_ms = kept.boot_ms
        domains.changed = False

    def keep(self, domains: Domains) -> None:
        """Write what was learned since, or read what another process has."""
        if not domains.changed:
            if self._modified() != self._seen:
                self.load(domains)
            return
        domains.changed = False
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._write(domains)
            self._failed = False
        except OSError as error:
            if not self._failed:
                _log.warning("cannot keep templates in %s: %s", self._path, error.strerror)
            self._failed = True

    def _write(self, domains: Domains) -> None:
        ours = {domain.key: _kept(domain) for domain in domains if domain.key[0] in SETS}
        merged = [*ours.values(), *(kept for kept in self._read() if kept.key not in ours)]
        written = self._path.with_suffix(f".{os.getpid()}")
        written.write_bytes(msgspec.json.encode(_Kept(merged[: domains.most])))
        written.replace(self._path)
        self._seen = self._modified()

    def _read(self) -> list[_KeptDomain]:
        self._seen = self._modified()
        try:
            return _decoder.decode(self._path.read_bytes()).domains
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.warning("cannot use the templates in %s, they are learned again: %s", self._path, error)
            return []

    def _modified(self) -> int:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return 0


def _kept(domain: Domain) -> _KeptDomain:
    version, exporter, number = domain.key
    return _KeptDomain(
        version,
        exporter,
        number,
        [_KeptTemplate(b64encode(each.raw).decode(), each.is_options) for each in domain.templates.values()],
        domain.rates,
        {b64encode(key).decode(): name for key, name in domain.applications.items()},
        domain.boot_ms,
    )


def _templates(version: int, kept: _KeptTemplate) -> Iterable[Template]:
    try:
        found = list(read_templates(version, b64decode(kept.raw), options=kept.options))
    except (NetflowError, ValueError):
        return []
    return [each for each in found if isinstance(each, Template)]
