"""The files that the demo's web servers offer, made the same byte for byte each time."""

import io
import random
import struct
import zipfile
import zlib
from pathlib import Path

_SEED = 20


def write_web_files(directory: Path) -> None:
    """Write one folder per web server: www, downloads, intranet, pbx."""
    generator = random.Random(_SEED)  # noqa: S311 -- filler bytes, not a secret
    files = {
        "www/index.html": page("Example", 40),
        "www/style.css": b"body { font-family: sans-serif; margin: 2em }\n" * 30,
        "www/logo.png": png(generator, width=96, height=64),
        "www/report.pdf": pdf(generator, 60_000),
        "downloads/index.html": page("Downloads", 12),
        "downloads/tools.zip": archive(generator, 120_000),
        "downloads/setup.exe": executable(generator, 150_000),
        "downloads/manuals/index.html": page("Manuals", 8),
        "downloads/manuals/handbook.pdf": pdf(generator, 90_000),
        "intranet/index.html": page("Intranet", 20),
        "pbx/phone.cfg": b"[line1]\nextension = 41\nserver = 10.30.0.5\ncodec = opus\n" * 20,
    }
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def page(title: str, paragraphs: int) -> bytes:
    """Return an HTML page."""
    body = "".join(f"<p>{title}: paragraph {number} of {paragraphs}.</p>\n" for number in range(1, paragraphs + 1))
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>\n{body}</body></html>\n".encode()


def png(generator: random.Random, *, width: int, height: int) -> bytes:
    """Return a PNG image (8-bit RGB) of random dots."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + generator.randbytes(3 * width) for _ in range(height))
    header = struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pdf(generator: random.Random, filler: int) -> bytes:
    """Return a PDF document of one page, with a stream of ``filler`` random bytes."""
    text = b"BT /F1 24 Tf 72 720 Td (Demo report) Tj ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 %s >> >> >>"
        % b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (filler, generator.randbytes(filler)),
    )
    document = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(document)
    document += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    document += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    document += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(document)


def archive(generator: random.Random, filler: int) -> bytes:
    """Return a ZIP archive with a text and ``filler`` random bytes, dated 2024-01-01."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in (("README.txt", b"Tools for the demo.\n"), ("tools.bin", generator.randbytes(filler))):
            made.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def executable(generator: random.Random, filler: int) -> bytes:
    """Return a blob that begins like a Windows program (MZ and PE signature, x86-64, no sections) and cannot run."""
    dos_header = b"MZ" + bytes(58) + struct.pack("<I", 64)
    coff_header = struct.pack("<HHIIIHH", 0x8664, 0, 0, 0, 0, 0, 0x0022)
    return dos_header + b"PE\0\0" + coff_header + generator.randbytes(filler)
