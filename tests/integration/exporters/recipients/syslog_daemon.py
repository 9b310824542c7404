"""A real syslog daemon on loopback."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import wait_for

RSYSLOGD = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")
TLS_DRIVERS = [
    name
    for name, module in (("ossl", "lmnsd_ossl.so"), ("gtls", "lmnsd_gtls.so"))
    if any(Path("/usr/lib").glob(f"*/rsyslog/{module}"))
]
SERVERS = {
    "udp": ('module(load="imudp")', 'input(type="imudp" address="127.0.0.1" port="{port}" ruleset="here")'),
    "tcp": ('module(load="imtcp")', 'input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="here")'),
}


@contextmanager
def rsyslogd(folder: Path, module: str, listen: str, port: int, proc: str) -> Iterator[Path]:
    """An rsyslogd that writes what it understood of each message as a line of JSON into a file, which it is."""
    assert RSYSLOGD is not None
    lines = folder / "lines"
    fields = {
        "msg": "msg",
        "app": "app-name",
        "event": "msgid",
        "data": "structured-data",
        "severity": "syslogseverity",
    }
    fields |= {"facility": "syslogfacility", "version": "protocol-version", "time": "timereported"}
    template = "".join(
        f' property(name="{name}" format="jsonf" outname="{out}"'
        + (' dateFormat="rfc3339"' if out == "time" else "")
        + ")"
        + ("" if number == len(fields) - 1 else ' constant(value=",")')
        for number, (out, name) in enumerate(fields.items())
    )
    file = folder / "rsyslog.conf"
    file.write_text(
        f"{module}\n"
        'template(name="whole" type="list") { constant(value="{")'
        f'{template} constant(value="}}\\n") }}\n'
        f'ruleset(name="here") {{ action(type="omfile" file="{lines}" template="whole") }}\n'
        f"{listen.format(port=port)}\n",
        encoding="utf-8",
    )
    command = [RSYSLOGD, "-n", "-f", file, "-i", folder / "pid"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            wait_for(lambda: f":{port:04X}" in Path(proc).read_text(encoding="ascii"), "rsyslogd to listen")
            yield lines
        finally:
            process.terminate()
            process.wait(30)
