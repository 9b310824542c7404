"""Network namespaces for the demo recording: hosts, links, the router, and programs run inside them.

Nothing of the machine's own network is touched: every interface is born inside a namespace that this module made, and
every namespace it made is deleted again, whatever happens in between.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tapline.demo import topology
from topics.errors import TaplineError

_PREFIX = "tapline-demo-"
_NETNS = Path("/run/netns")
_COMMAND_SECONDS = 20.0
_OFFLOADS = ("tx", "sg", "tso", "gso", "gro")
_SYSCTLS = (
    "net/ipv4/conf/all/rp_filter=0",
    "net/ipv4/conf/default/rp_filter=0",
    "net/ipv4/tcp_synack_retries=1",
    "net/ipv6/conf/all/disable_ipv6=0",
    "net/ipv6/conf/default/disable_ipv6=0",
    "net/ipv6/conf/default/accept_ra=0",
    "net/ipv6/conf/default/accept_dad=0",
)
_ROUTER_SYSCTLS = ("net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1")

# Runs inside the host's namespace with mounts and host name of its own: the program sees the demo's resolver and names.
_ENTER = """
echo "$1" >/proc/sys/kernel/hostname
for file in resolv.conf hosts nsswitch.conf; do mount --bind "$2/$file" "/etc/$file"; done
shift 2
exec "$@"
"""


class Network:
    """The demo network as a context manager; ``directory`` receives the resolver files and the programs' logs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._prefix = f"{_PREFIX}{os.getpid()}-"
        self._programs: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        _remove_leftovers()
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def start(
        self, host: str, command: Sequence[str | Path], *, log: str, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program on a host; what it prints goes to the file ``log`` in the directory.

        Its environment is only what is given here besides PATH, HOME and LANG, so that nothing of the recording
        machine's own settings reaches the wire.
        """
        home = self._directory / "home"
        entered = ["unshare", "--mount", "--uts", "sh", "-ec", _ENTER, "enter", host, str(self._directory)]
        with self.log(log).open("ab") as output:
            program = subprocess.Popen(
                ["ip", "netns", "exec", self._prefix + host, *entered, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=home,
                env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C"} | (environment or {}),
            )
        self._programs.append(program)
        return program

    def log(self, name: str) -> Path:
        """Return the path of a program's log."""
        return self._directory / f"{name}.log"

    def wait_listening(
        self, host: str, program: subprocess.Popen[bytes], *, log: str, transport: str, port: int
    ) -> None:
        """Wait until something on ``host`` listens on the port; raise if the program ends or ten seconds pass."""
        deadline = time.monotonic() + 10
        flag = "-Hltn" if transport == "tcp" else "-Hlun"
        while not _checked(["ip", "netns", "exec", self._prefix + host, "ss", flag, f"sport = :{port}"]):
            if program.poll() is not None or time.monotonic() > deadline:
                raise TaplineError(f"{log} does not listen on {host} {transport}/{port}: {last_line(self.log(log))}")
            time.sleep(0.05)

    def _build(self) -> None:
        (self._directory / "home").mkdir()
        (self._directory / "resolv.conf").write_text(f"nameserver {topology.DNS_SERVER}\n", encoding="utf-8")
        (self._directory / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n", encoding="utf-8")
        (self._directory / "nsswitch.conf").write_text("passwd: files\nhosts: files dns\n", encoding="utf-8")
        self._add_router()
        for index, host in enumerate(topology.HOSTS):
            self._add_host(host, port=f"port{index}")

    def _add_router(self) -> None:
        self._add_namespace(topology.ROUTER, _SYSCTLS + _ROUTER_SYSCTLS)
        bridges = (
            (topology.LAN, "02:20:00:00:00:01", topology.LAN_GATEWAYS),
            (topology.WAN, "02:80:00:00:00:01", topology.WAN_GATEWAYS),
        )
        for bridge, mac, addresses in bridges:
            self._ip(topology.ROUTER, f"link add {bridge} address {mac} type bridge mcast_snooping 0")
            for address in addresses:
                self._ip(topology.ROUTER, f"addr add {address} dev {bridge}")
            self._plain_frames(topology.ROUTER, bridge)
            self._ip(topology.ROUTER, f"link set {bridge} up")
        self._ip(topology.ROUTER, f"route add blackhole {topology.SPOOFED_SOURCE}/32")

    def _add_host(self, host: topology.DemoHost, *, port: str) -> None:
        self._add_namespace(host.name, _SYSCTLS)
        namespace = self._prefix + host.name
        link = f"link add {port} type veth peer name eth0 address {host.mac} netns {namespace}"
        self._ip(topology.ROUTER, link)
        self._plain_frames(host.name, "eth0")
        self._ip(topology.ROUTER, f"link set {port} master {host.segment} up")
        if host.voice:
            self._sysctl(host.name, "net/ipv6/conf/all/disable_ipv6=1")
        self._ip(host.name, "link set eth0 up")
        for address in host.addresses:
            self._ip(host.name, f"addr add {address} dev eth0")
        for gateway in host.gateways:
            self._ip(host.name, f"route add default via {gateway}")
        if host.voice:
            self._ip(host.name, "tuntap add dev voice mode tap")
            self._ip(host.name, f"link set voice address {host.mac} up")
            self._ip(host.name, f"addr add {host.voice} dev voice")

    def _add_namespace(self, host: str, sysctls: Sequence[str]) -> None:
        _checked(["ip", "netns", "add", self._prefix + host])
        for setting in sysctls:
            self._sysctl(host, setting)
        self._ip(host, "link set lo up")

    def _sysctl(self, host: str, setting: str) -> None:
        name, _, value = setting.partition("=")
        _checked(["ip", "netns", "exec", self._prefix + host, "sh", "-c", f"echo {value} >/proc/sys/{name}"])

    def _plain_frames(self, host: str, interface: str) -> None:
        """Make the kernel send what a wire would carry: frames no longer than the MTU, checksums filled in."""
        switches = [word for offload in _OFFLOADS for word in (offload, "off")]
        _checked(["ip", "netns", "exec", self._prefix + host, "ethtool", "-K", interface, *switches])

    def _ip(self, host: str, arguments: str) -> None:
        family = ["-6"] if arguments.startswith("route add default") and "::" in arguments else []
        _checked(["ip", *family, "-n", self._prefix + host, *arguments.split()])

    def _remove(self) -> None:
        for program in self._programs:
            program.terminate()
        for program in self._programs:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(5)
        _remove_namespaces(self._prefix)
        for program in self._programs:
            program.wait()


def last_line(log: Path) -> str:
    """Return the last line that a program printed, or a remark that it printed nothing."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")


def _checked(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise TaplineError(f"no answer within {_COMMAND_SECONDS:.0f} s from: {' '.join(command)}") from None
    if done.returncode:
        reason = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
        raise TaplineError(f"cannot build the demo network: {' '.join(command)}: {reason}")
    return done.stdout


def _remove_namespaces(prefix: str) -> None:
    """Delete every namespace whose name begins so, with the programs in it; one failure does not keep the others."""
    failures = []
    for path in sorted(_NETNS.glob(f"{prefix}*")):
        try:
            for process in _checked(["ip", "netns", "pids", path.name]).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            _checked(["ip", "netns", "del", path.name])
        except TaplineError as error:
            failures.append(f"{path.name} ({error})")
    if failures:
        raise TaplineError(f"cannot delete these namespaces, use ip netns del: {', '.join(failures)}")


def _remove_leftovers() -> None:
    """Delete the namespaces of a recording that was killed before it could delete them itself."""
    owners = {path.name.removeprefix(_PREFIX).partition("-")[0] for path in _NETNS.glob(f"{_PREFIX}*")}
    for owner in owners:
        if not Path("/proc", owner).exists():
            _remove_namespaces(f"{_PREFIX}{owner}-")
