"""A port chosen for an engine stays the engine's."""

import socket
from pathlib import Path

from tapline.services.ports import free_port


def test_it_lies_below_the_ports_of_outgoing_connections() -> None:
    lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(15000 <= free_port() < lowest_outgoing for _ in range(100))


def test_it_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass


def test_it_is_none_of_those_given_already() -> None:
    chosen: list[int] = []
    for _ in range(50):
        chosen.append(free_port(chosen))
    assert len(set(chosen)) == len(chosen)
