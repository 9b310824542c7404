"""The server programs of the demo network: DNS, HTTP, TLS, OCSP, SSH, SNMP, syslog and the voice VLAN's ends."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tapline.demo import topology, vlan_tap
from tapline.demo.certificates import Certificate, DemoCertificates
from tapline.demo.network import Network
from topics.errors import TaplineError

SNMP_COMMUNITY = "demo"

_NGINX = """
daemon off;
user root;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  types {{ text/html html; text/css css; image/png png; application/pdf pdf; }}
  server {{
    listen 80;
    listen [::]:80;
    root {root};
    location = /old-report {{ return 301 /report.pdf; }}
    location = /api/orders {{ default_type application/json; return 201 '{{"order": 1}}'; }}
  }}
}}
"""

_SSHD = """
Port 22
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/client_key.pub
PidFile none
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
"""

# The recording machine's accounts and their shells stay out of it: sshd sees a user list of its own.
_SSHD_START = """
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/shadow" /etc/shadow
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 755 /run/sshd
exec "$(command -v sshd)" -D -e -f "$1/sshd.conf"
"""

_SNMPD = """
sysName core-switch
sysDescr Demo core switch
sysLocation Rack 1
sysContact noc@example.net
sysServices 2
view public included .1.3.6.1.2.1.1
view public excluded .1.3.6.1.2.1.1.9
view public included .1.3.6.1.2.1.2
rocommunity {community} 10.20.0.0/16 -V public
"""


@dataclass(frozen=True)
class _Listener:
    host: str
    log: str
    transport: str
    port: int
    program: subprocess.Popen[bytes]


class Servers:
    """Writes the servers' settings under ``directory`` and starts them; the network ends them."""

    def __init__(self, network: Network, directory: Path, web: Path, certificates: DemoCertificates) -> None:
        self._network = network
        self._directory = directory
        self._web = web
        self._certificates = certificates
        self._listeners: list[_Listener] = []

    @property
    def client_key(self) -> Path:
        """Path of the private key that the SSH server lets in."""
        return self._directory / "client_key"

    def start(self) -> None:
        """Start every server and wait until each one listens."""
        self._start_dns()
        self._start_web()
        self._start_tls("shop", self._certificates.good, self._certificates.intermediate)
        self._start_tls("nas", self._certificates.self_signed)
        self._start_tls("old", self._certificates.expired, self._certificates.old_intermediate)
        self._start_ocsp()
        self._start_ssh()
        self._start_snmp()
        self._listen("monitor", "syslog collector", ["nc", "-d", "-k", "-l", "-u", "514"], transport="udp", port=514)
        for host in ("phone", "pbx"):
            relay = [sys.executable, "-I", vlan_tap.__file__, "voice", "eth0", str(topology.VOICE_VLAN)]
            self._network.start(host, relay, log=f"voice VLAN of {host}")
        self._serve_folder("pbx")
        for listener in self._listeners:
            self._network.wait_listening(
                listener.host,
                listener.program,
                log=listener.log,
                transport=listener.transport,
                port=listener.port,
            )

    def _listen(
        self,
        host: str,
        log: str,
        command: list[str],
        *,
        port: int,
        transport: str = "tcp",
        environment: dict[str, str] | None = None,
    ) -> None:
        program = self._network.start(host, command, log=log, environment=environment)
        self._listeners.append(_Listener(host, log, transport, port, program))

    def _start_dns(self) -> None:
        lines = [
            "no-resolv",
            "no-hosts",
            "user=root",
            "pid-file=",
            "local=/com/net/org/arpa/",
            *(f"host-record={','.join(record)}" for record in topology.ADDRESS_RECORDS),
            "cname=files.example.org,downloads.example.org",
            "mx-host=example.com,mail.example.com,10",
            'txt-record=example.com,"v=spf1 mx -all"',
            "srv-host=_sip._udp.example.net,bastion.example.net,5060",
        ]
        settings = self._write("dnsmasq.conf", "\n".join(lines) + "\n")
        self._listen("dns", "dnsmasq", ["dnsmasq", "--keep-in-foreground", f"--conf-file={settings}"], port=53)

    def _start_web(self) -> None:
        for host in ("www", "intranet"):
            directory = self._directory / f"nginx-{host}"
            directory.mkdir()
            settings = self._write(f"nginx-{host}.conf", _NGINX.format(directory=directory, root=self._web / host))
            self._listen(host, f"nginx of {host}", ["nginx", "-c", str(settings), "-e", "stderr"], port=80)
        self._serve_folder("downloads")

    def _serve_folder(self, host: str) -> None:
        server = [sys.executable, "-I", "-m", "http.server", "--directory", str(self._web / host), "80"]
        self._listen(host, f"http.server of {host}", server, port=80)

    def _start_tls(self, host: str, leaf: Certificate, intermediate: Certificate | None = None) -> None:
        command = ["openssl", "s_server", "-accept", "443", "-www", "-quiet"]
        command += ["-cert", str(leaf.certificate), "-key", str(leaf.key)]
        if intermediate:
            command += ["-cert_chain", str(intermediate.certificate)]
        self._listen(host, f"s_server of {host}", command, port=443)

    def _start_ocsp(self) -> None:
        authority = self._certificates.intermediate
        command = ["openssl", "ocsp", "-port", "80", "-index", str(authority.issued / "index.txt")]
        command += ["-CA", str(authority.certificate), "-rsigner", str(authority.certificate)]
        self._listen("ocsp", "OCSP responder", [*command, "-rkey", str(authority.key)], port=80)

    def _start_ssh(self) -> None:
        for key in ("host_key", "client_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(self._directory / key)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
            if done.returncode:
                raise TaplineError(f"ssh-keygen failed: {' '.join(done.stderr.split())}")
        accounts = f"root:x:0:0:root:{self._directory}:/bin/sh\nsshd:x:74:74::/run/sshd:/usr/sbin/nologin\n"
        self._write("passwd", accounts)
        self._write("shadow", "root:*:19000::::::\nsshd:*:19000::::::\n")
        self._write("sshd.conf", _SSHD.format(directory=self._directory))
        self._listen("bastion", "sshd", ["sh", "-ec", _SSHD_START, "sshd", str(self._directory)], port=22)

    def _start_snmp(self) -> None:
        settings = self._write("snmpd.conf", _SNMPD.format(community=SNMP_COMMUNITY))
        state = self._directory / "snmp-state"
        state.mkdir()
        command = ["snmpd", "-f", "-Lo", "-C", "-c", str(settings), "-p", str(state / "pid"), "udp:161"]
        environment = {"SNMP_PERSISTENT_DIR": str(state), "MIBS": ""}
        self._listen("switch", "snmpd", command, transport="udp", port=161, environment=environment)

    def _write(self, name: str, text: str) -> Path:
        path = self._directory / name
        path.write_text(text, encoding="utf-8")
        return path
