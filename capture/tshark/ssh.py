"""What the two sides of an SSH connection say before it is encrypted (RFC 4253, 4.2 and 7.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from capture.tshark.frame import Frame
from capture.tshark.minting import Mint
from capture.tshark.recent import Recent
from topics.records import Resource, Ssh

FILTER = "ssh.protocol || ssh.kex_algorithms"
FIELDS = (
    "ssh.protocol",
    "ssh.direction",
    "ssh.kex.hassh",
    "ssh.kex.hasshserver",
    "ssh.kex_algorithms",
    "ssh.server_host_key_algorithms",
    "ssh.encryption_algorithms_client_to_server",
    "ssh.encryption_algorithms_server_to_client",
    "ssh.mac_algorithms_client_to_server",
    "ssh.mac_algorithms_server_to_client",
)

TEXT_LIMIT = 256
"""Most characters of a version line; it may have 255 bytes (RFC 4253, 4.2)."""

LIST_LIMIT = 128
"""Most names of a list that a record carries."""

_FROM_SERVER = "1"


class _Version(Struct, frozen=True):
    protocol: str
    software: str


class Greetings:
    """Reads version lines and lists of algorithms; remembers of each side its version."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._versions: Recent[_Version] = Recent(forgotten=lambda _: mint.counts.update({"forgotten.ssh": 1}))

    def read(self, frame: Frame) -> Iterator[Resource]:
        """The version and the algorithms that a frame tells of its side."""
        side: Literal["client", "server"] = "server" if frame.first("ssh_direction") == _FROM_SERVER else "client"
        if line := frame.first("ssh_protocol"):
            version = _version(line)
            self._versions.put(f"{frame.stream}/{side}", version)
            ssh = Ssh(type="version", side=side, protocol_version=version.protocol, software=version.software)
            yield self._resource(frame, ssh, version.software)
        if frame.first("ssh_kex_algorithms"):
            algorithms = self._algorithms(frame, side)
            yield self._resource(frame, algorithms, algorithms.hassh)

    def _algorithms(self, frame: Frame, side: Literal["client", "server"]) -> Ssh:
        version = self._versions.get(f"{frame.stream}/{side}") or _Version("", "")
        sent = "client_to_server" if side == "client" else "server_to_client"
        return Ssh(
            type="algorithms",
            side=side,
            protocol_version=version.protocol,
            software=version.software,
            hassh=frame.first("ssh_kex_hassh" if side == "client" else "ssh_kex_hasshserver"),
            key_exchange=_list(frame.first("ssh_kex_algorithms")),
            host_keys=_list(frame.first("ssh_server_host_key_algorithms")),
            ciphers=_list(frame.first(f"ssh_encryption_algorithms_{sent}")),
            macs=_list(frame.first(f"ssh_mac_algorithms_{sent}")),
        )

    def _resource(self, frame: Frame, ssh: Ssh, looked_up: str) -> Resource:
        conversation = frame.conversation if ssh.side == "client" else frame.conversation.reversed()
        label = f"{ssh.side} {ssh.type} SSH-{ssh.protocol_version}-{ssh.software}"
        return self._mint.resource(frame, conversation, "ssh", uri=looked_up, label=label, ssh=ssh)


def _version(line: str) -> _Version:
    """A version line is ``SSH-protocol-software comments``."""
    _, _, rest = line[:TEXT_LIMIT].strip().partition("-")
    protocol, _, software = rest.partition("-")
    return _Version(protocol, software)


def _list(names: str) -> list[str]:
    return names.split(",", LIST_LIMIT)[:LIST_LIMIT] if names else []
