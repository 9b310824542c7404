"""How people get in: log-ins in clear text, old SSH, SMB 1."""

import re

from tapline import Params
from tapline.checks import Gui, Items, ResourceCheck
from tapline.checks.gui import ItemListInput, NumberInput
from topics.records import Resource

OPENSSH = re.compile(r"OpenSSH_(\d+)\.(\d+)")
DROPBEAR = re.compile(r"dropbear_(\d{4})")


class ClearTextLogin(ResourceCheck):
    """A password was sent in clear text."""

    name = "clear_text_login"
    group = "login"
    gui = Gui(title="Password in clear text", inputs=(ItemListInput(),))

    class params(Items):
        """``items`` are protocols that may (``http``, ``ftp``, ``telnet``, ``smtp``, ``imap``, ``pop``)."""

    def on_new_resource(self, resource: Resource) -> None:
        login = resource.login
        if login is not None and login.protocol not in self.params.items:
            who = f" of {login.user_name}" if login.user_name else ""
            self.found(resource, f"password{who} over {login.protocol}", subtype=f"{login.protocol}/{login.user_name}")


class SshObsoleteClient(ResourceCheck):
    """An SSH client that is old, or speaks version 1."""

    name = "ssh_client_version"
    group = "ssh"
    gui = Gui(title="Obsolete SSH client", inputs=(NumberInput(param="openssh", minimum=1),))

    class params(Params):
        """The first major version of OpenSSH, and the first year of Dropbear, that are not obsolete."""

        openssh: int = 7
        dropbear: int = 2019

    def on_new_resource(self, resource: Resource) -> None:
        ssh = resource.ssh
        if ssh is not None and ssh.type == "version" and ssh.side == "client":
            why = obsolete(ssh.protocol_version, ssh.software, self.params.openssh, self.params.dropbear)
            if why:
                self.found(resource, f"client {why}", subtype=ssh.software)


class SshObsoleteServer(ResourceCheck):
    """An SSH server that is old, or speaks version 1."""

    name = "ssh_server_version"
    group = "ssh"
    gui = Gui(title="Obsolete SSH server", inputs=(NumberInput(param="openssh", minimum=1),))
    score = 50

    class params(Params):
        """The first major version of OpenSSH, and the first year of Dropbear, that are not obsolete."""

        openssh: int = 7
        dropbear: int = 2019

    def on_new_resource(self, resource: Resource) -> None:
        ssh = resource.ssh
        if ssh is not None and ssh.type == "version" and ssh.side == "server":
            why = obsolete(ssh.protocol_version, ssh.software, self.params.openssh, self.params.dropbear)
            if why:
                self.found(resource, f"server {why}", subtype=ssh.software, on_server=True)


class SshWeakCipher(ResourceCheck):
    """An SSH server offers ciphers that do not protect."""

    name = "ssh_weak_cipher"
    group = "ssh"
    gui = Gui(title="Weak SSH cipher")
    score = 50
    weak = ("3des-", "arcfour", "blowfish-", "cast128-", "des-", "none", "rc4")

    def on_new_resource(self, resource: Resource) -> None:
        ssh = resource.ssh
        if ssh is None or ssh.type != "algorithms" or ssh.side != "server":
            return
        offered = [cipher for cipher in ssh.ciphers if cipher.startswith(self.weak)]
        if offered:
            self.found(resource, f"offers {', '.join(offered[:5])}", subtype=ssh.hassh, on_server=True)


class SmbVersion1(ResourceCheck):
    """SMB 1 is spoken, which cannot be protected."""

    name = "smb_version_1"
    group = "smb"
    gui = Gui(title="SMB 1")

    def on_new_resource(self, resource: Resource) -> None:
        smb = resource.smb
        if smb is not None and smb.version == "1":
            self.found(resource, f"SMB 1 ({smb.dialect or 'dialect not seen'})", subtype="SMB 1")


class SmbNotSigned(ResourceCheck):
    """A server does not insist on signed messages: they can be relayed."""

    name = "smb_not_signed"
    group = "smb"
    gui = Gui(title="SMB without signing")
    default_enabled = False
    score = 10

    def on_new_resource(self, resource: Resource) -> None:
        smb = resource.smb
        if smb is not None and not smb.signing_required:
            self.found(resource, f"SMB {smb.dialect or smb.version}", subtype="not signed", on_server=True)


def obsolete(protocol: str, software: str, openssh: int, dropbear: int) -> str:
    """What is obsolete about an SSH side, empty when nothing is."""
    if protocol and not protocol.startswith("2") and protocol != "1.99":
        return f"speaks SSH {protocol}"
    found = OPENSSH.search(software)
    if found and int(found[1]) < openssh:
        return f"is {software:.80}"
    found = DROPBEAR.search(software)
    if found and int(found[1]) < dropbear:
        return f"is {software:.80}"
    return ""
