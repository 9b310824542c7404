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

    Without a list (``path`` empty) every file may run. With a ``key`` (PEM of an Ed25519 public key) the list has to be
    signed. A list that cannot be used approves nothing.
    """

    def __init__(self, path: str = "", key: str = "") -> None:
        self._path = path
        self._key = key
        self._last: tuple[bytes, ...] = ()
        self._state: tuple[bytes, ...] = ()
        self._approved: frozenset[tuple[str, str]] = frozenset()
        self._problem = ""
        self._last = self._contents()
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
        self._state = last
        try:
            if self._key:
                verify(Path(self._path), Path(self._key))
            self._approved = frozenset((name, digest) for name, digest in read_list(Path(self._path)).items())
            self._problem = ""
        except TaplineError as error:
            self._approved = frozenset()
            self._problem = str(error)
        return True

    def _contents(self) -> tuple[bytes, ...]:
        """The list, its signature and the key, as they are now."""
        if not self._path:
            return ()
        return tuple(_content(Path(name)) for name in (self._path, signature_path(self._path), self._key) if name)

    def require(self, path: Path, content: bytes) -> None:
        """:class:`NotApproved` when a file of this content is not to be run."""
        if not self.allows(path, content):
            raise NotApproved(
                f"{path}: is not approved: "
                + (self._problem or f"{self._path} has no such content of it: see `tapline scripts approve --help`")
            )

    def allows(self, path: Path, content: bytes) -> bool:
        """True when a file of this content may run."""
        return not self._path or (path.name, digest_of(content)) in self._approved


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
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TaplineError(f"{path} cannot be read ({_why(error)}): write it with `tapline scripts approve`") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in found:
            wrong = "names a file again" if match else "is no SHA-256, two spaces and a file's name"
            raise TaplineError(f"{path}:{number}: {wrong}: remove the list and write it with `tapline scripts approve`")
        found[match[2]] = match[1]
    return found


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
    key = _public(public_key)
    place = Path(signature_path(path))
    try:
        key.verify(base64.b64decode(place.read_bytes()), path.read_bytes())
    except OSError as error:
        todo = "sign the list with `tapline scripts approve --key`"
        raise TaplineError(f"{error.filename} cannot be read ({_why(error)}): {todo}") from error
    except (InvalidSignature, binascii.Error) as error:
        raise TaplineError(f"{place} is no signature of {path} by the owner of {public_key}: sign it again") from error


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


def _public(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(_readable(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TaplineError(f"{path} is no public key: take the one that `openssl pkey -pubout` writes") from error
    if not isinstance(key, Ed25519PublicKey):
        raise TaplineError(f"{path} is a key of another kind: {_MAKE_ONE}")
    return key


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that nobody sees half of it."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


def _readable(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TaplineError(f"{path} cannot be read ({_why(error)})") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "it is no UTF-8") or str(error)
