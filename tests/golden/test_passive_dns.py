"""The names that answers tell, beside tshark's reading of the same captures."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_ntop

import pytest

from capture.packets.decode import UDP, Header, decode
from capture.packets.dns import read_answer
from capture.packets.files import PacketFile

CAPTURES = Path(__file__).parents[3] / "shared" / "captures"
UDP_HEADER = 8


def told(path: Path) -> set[tuple[str, str]]:
    found = set()
    with PacketFile(str(path)) as packets:
        for _, _, link, buffer, start, end in packets.packets():
            header = decode(link, buffer, start, end)
            if isinstance(header, Header) and header.protocol == UDP and header.ports[:2] == b"\x00\x35":
                answer = read_answer(buffer[start + header.transport + UDP_HEADER : end])
                for address, _ in answer.addresses if answer is not None else []:
                    found.add((answer.name, inet_ntop(AF_INET if len(address) == 4 else AF_INET6, address)))
    return found


def told_by_tshark(path: Path) -> set[tuple[str, str]]:
    wanted = "udp.srcport == 53 && dns.flags.response == 1 && dns.flags.rcode == 0"
    fields = ("-e", "dns.qry.name", "-e", "dns.a", "-e", "dns.aaaa")
    output = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-Y", wanted, "-T", "fields", *fields],
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    ).stdout
    rows = [line.split("\t") for line in output.splitlines()]
    return {(name.lower(), ip) for name, *ips in rows for ip in ",".join(ips).split(",") if ip}


@pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"the captures are not there: {CAPTURES}")
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed (apt install tshark)")
@pytest.mark.parametrize("name", ["dns-packets.pcap", "http-browsing-4k6.pcap"])
def test_every_name_and_address_that_tshark_sees(name: str) -> None:
    found = told(CAPTURES / name)
    assert len(found) > 100
    assert found == told_by_tshark(CAPTURES / name)
