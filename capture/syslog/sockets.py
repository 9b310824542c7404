"""Sockets to listen on."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Final

from capture.settings import SyslogSettings
from capture.syslog.addresses import Address
from topics.errors import TaplineError

_WHY: Final = {
    errno.EADDRINUSE: "another program listens there: stop it or choose another port",
    errno.EACCES: "no permission: run as root or choose a port above 1023",
    errno.EADDRNOTAVAIL: "this machine has no such address: leave it out to listen on all",
}


def bound(address: Address, kind: socket.SocketKind) -> socket.socket:
    """A socket at this address that does not block; :class:`TaplineError` says why it cannot be."""
    host = address.host or None
    try:
        found = socket.getaddrinfo(host, address.port, type=kind, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise TaplineError(f"cannot listen on {address}: {error.strerror}: name an address of this machine") from error
    if host is None:
        # One socket of IPv6 hears both.
        found.sort(key=lambda each: each[0] != socket.AF_INET6)
    problem: OSError | None = None
    for family, _, protocol, _, name in found:
        opened = socket.socket(family, kind, protocol)
        try:
            if kind == socket.SOCK_STREAM:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host is not None))
            opened.bind(name)
            opened.settimeout(0)
        except OSError as error:
            opened.close()
            problem = error
            continue
        return opened
    assert problem is not None
    why = _WHY.get(problem.errno or 0, problem.strerror)
    raise TaplineError(f"cannot listen on {address}: {why}") from problem


def tls_context(settings: SyslogSettings) -> ssl.SSLContext:
    """What a TLS listener shows and asks for (RFC 5425, 4.2); :class:`TaplineError` when its files cannot be used."""
    if not settings.certificate_file:
        raise TaplineError(
            "capture.syslog.certificate_file is not set: name the certificate (PEM) that the listener shows"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    named = settings.certificate_file
    try:
        context.load_cert_chain(settings.certificate_file, settings.key_file or None, password=_no_password)
        if settings.client_ca_file:
            named = settings.client_ca_file
            context.load_verify_locations(settings.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except FileNotFoundError as error:
        names = ", ".join(filter(None, (settings.certificate_file, settings.key_file, settings.client_ca_file)))
        raise TaplineError(f"one of {names} does not exist: check capture.syslog") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise TaplineError(f"{named} cannot be used for TLS ({why}): check the files in capture.syslog") from error
    return context


def _no_password() -> str:
    raise ValueError("its key is encrypted: decrypt it with `openssl pkey`")
