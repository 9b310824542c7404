"""What the first bytes of a file say it is."""

from __future__ import annotations

HEAD = 1024
"""How many bytes are looked at."""

_SIGNATURES = (
    (b"MZ", "pe"),
    (b"\x7fELF", "elf"),
    (b"\xfe\xed\xfa\xce", "mach-o"),
    (b"\xfe\xed\xfa\xcf", "mach-o"),
    (b"\xce\xfa\xed\xfe", "mach-o"),
    (b"\xcf\xfa\xed\xfe", "mach-o"),
    (b"dex\n0", "dex"),
    (b"\0asm", "wasm"),
    (b"#!", "script"),
    (b"<?php", "script"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"PK\x03\x04", "zip"),
    (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"MSCF", "cab"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"!<arch>\n", "ar"),
    (b"\xed\xab\xee\xdb", "rpm"),
    (b"L\0\0\0\x01\x14\x02\0", "lnk"),
    (b"%PDF-", "pdf"),
    (b"{\\rtf", "rtf"),
    (b"FWS", "flash"),
    (b"CWS", "flash"),
    (b"ZWS", "flash"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
)
_FAT_BINARY = b"\xca\xfe\xba\xbe"
_OLDEST_JAVA = 45
_MARKUP = (b"<!doctype html", b"<html")


def format_of(head: bytes) -> str:
    """The format whose signature these bytes begin with, ``""`` where that is none known here.

    ``pe`` are programs for DOS and Windows, ``ole`` Windows Installer packages and old Office files, ``zip`` also
    what is built on it (Office, Java and Android packages), ``script`` text that names its interpreter.
    """
    if head.startswith(_FAT_BINARY) and len(head) >= 8:
        # Both begin alike: what follows is a major version there, and here the number of architectures.
        return "java-class" if int.from_bytes(head[6:8], "big") >= _OLDEST_JAVA else "mach-o"
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    return "html" if head[:HEAD].lstrip()[:14].lower().startswith(_MARKUP) else ""
