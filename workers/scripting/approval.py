"""Which script files may run: where a list of approved ones is kept, no other file's code is run.

The list has the form of ``sha256sum``: a line for each file, its SHA-256 in hex, two spaces and its name without
folders. It may be signed: ``LIST.sig`` then holds the Ed25519 signature of the list's bytes in Base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from topics.errors import TaplineError
from workers.settings import WorkersSettings

_LINE: Final = re.compile(r"([0-9a-f]{64})  ([^/\s][^/]*)")
_MAKE_ONE: Final = "make one with `openssl genpkey -algorithm ed25519`"


class NotApproved(TaplineError):
    """A file that is not to be run."""


class Approval:
    """The approved files, as of the last :meth:`read`.

    Without a list and a key (``path`` and ``key`` empty) every file may run. With a ``key`` (PEM of an Ed25519 public
    key) the list has to be signed. A list that cannot be used approves nothing.
    """

    def __init__(self, path: str = "", key: str = "") -> None:
        self._path = path
        self._key = key
        self._last = self._contents()
        self._state: tuple[bytes | None, ...] | None = None
        self._approved: frozenset[tuple[str, str]] = frozenset()
        self._problem = ""
        self.read()

    @classmethod
    def of(cls, settings: WorkersSettings) -> Approval:
        """What the workers run."""
        return cls(settings.approved_scripts, settings.approval_key)

    def read(self) -> bool:
        """Take the list, when two looks in a row see it the same; true when it is another one than before."""
        last, self._last = self._last, self._contents()
        if self._last != last or last == self._state:
            return False
        self._state = content, signature, key = last
        try:
            if self._path:
                # What is verified and what is read are the same bytes, whatever becomes of the files meanwhile.
                if self._key:
                    _verify(content, signature, key, self._path, self._key)
                self._approved = frozenset((name, digest) for name, digest in _parsed(content, self._path).items())
            self._problem = (
                "" if self._path else "workers.approval_key is set, and workers.approved_scripts names no list"
            )
        except TaplineError as error:
            self._approved = frozenset()
            self._problem = str(error)
        return True

    def _contents(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """The list, its signature and the key as they are now; ``None`` for what is not there or not asked for."""
        return (
            _content(Path(self._path)) if self._path else None,
            _content(Path(signature_path(self._path))) if self._path and self._key else None,
            _content(Path(self._key)) if self._key else None,
        )

    def require(self, path: Path, content: bytes) -> None:
        """:class:`NotApproved` when a file of this content is not to be run."""
        if not self.allows(path, content):
            raise NotApproved(
                f"{path}: is not approved: "
                + (self._problem or f"{self._path} has no such content of it: see `tapline scripts approve --help`")
            )

    def allows(self, path: Path, content: bytes) -> bool:
        """True when a file of this content may run."""
        return not (self._path or self._key) or (path.name, digest_of(content)) in self._approved


EVERYTHING: Final = Approval()
"""Of those who run what they were given by hand."""


def digest_of(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def signature_path(path: str | Path) -> str:
    """Where the signature of a list is."""
    return f"{path}.sig"


def read_list(path: Path) -> dict[str, str]:
    """The digests of a list, by file name; :class:`TaplineError` with the line that cannot be used."""
    return _parsed(_content(path), str(path))


def write_list(path: Path, digests: Mapping[str, str], private_key: Path | None = None) -> None:
    """Write a list and, with a private key (PEM, Ed25519), its signature; :class:`TaplineError` when it cannot be."""
    content = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode()
    signature = None if private_key is None else base64.b64encode(_private(private_key).sign(content)) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if signature is not None:
            _replace(Path(signature_path(path)), signature)
        _replace(path, content)
    except OSError as error:
        raise TaplineError(f"cannot write {path}: {error.strerror}") from error


def verify(path: Path, public_key: Path) -> None:
    """:class:`TaplineError` when a list is not signed by the owner of this key."""
    signature = _content(Path(signature_path(path)))
    _verify(_content(path), signature, _content(public_key), str(path), str(public_key))


def digests_of(files: Iterable[Path]) -> dict[str, str]:
    """The digests of these files by their names; :class:`TaplineError` where two of one name differ."""
    found: dict[str, str] = {}
    for path in files:
        digest = digest_of(_readable(path))
        if found.setdefault(path.name, digest) != digest:
            raise TaplineError(f"there are two different files named {path.name}: give one of them another name")
    return found


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(_readable(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise TaplineError(f"{path} is no private key without a passphrase: {_MAKE_ONE}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise TaplineError(f"{path} is a key of another kind: {_MAKE_ONE}")
    return key


def _parsed(content: bytes | None, name: str) -> dict[str, str]:
    if content is None:
        raise TaplineError(f"{name} cannot be read: write it with `tapline scripts approve`")
    found: dict[str, str] = {}
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in found:
            wrong = "names a file again" if match else "is no SHA-256, two spaces and a file's name"
            raise TaplineError(f"{name}:{number}: {wrong}: remove the list and write it with `tapline scripts approve`")
        found[match[2]] = match[1]
    return found


def _verify(content: bytes | None, signature: bytes | None, key: bytes | None, name: str, key_name: str) -> None:
    if key is None:
        raise TaplineError(f"{key_name} cannot be read: set workers.approval_key to the public key of who approves")
    if content is None or signature is None:
        missing = name if content is None else signature_path(name)
        raise TaplineError(f"{missing} cannot be read: write and sign the list with `tapline scripts approve --key`")
    try:
        public = load_pem_public_key(key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TaplineError(f"{key_name} is no public key: take what `openssl pkey -pubout` writes") from error
    if not isinstance(public, Ed25519PublicKey):
        raise TaplineError(f"{key_name} is a key of another kind: {_MAKE_ONE}")
    try:
        public.verify(base64.b64decode(signature), content)
    except (InvalidSignature, binascii.Error) as error:
        place = signature_path(name)
        raise TaplineError(f"{place} is no signature of {name} by the owner of {key_name}: sign it again") from error


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that nobody sees half of it."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


def _readable(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TaplineError(f"{path} cannot be read: {error.strerror or error}") from error


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
