"""TLS for those who send lines."""

from __future__ import annotations

import ssl

from capture.settings import SyslogSettings
from topics.errors import TaplineError


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
