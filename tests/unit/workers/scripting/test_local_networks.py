"""Which addresses are one's own."""

from __future__ import annotations

import pytest

from topics.errors import TaplineError
from workers.scripting.local_networks import local_networks
from workers.settings import LOCAL_NETWORKS


@pytest.mark.parametrize(
    ("ip", "local"),
    [
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("172.32.0.1", False),
        ("192.168.255.255", True),
        ("127.0.0.1", True),
        ("169.254.1.1", True),
        ("8.8.8.8", False),
        ("192.0.2.1", False),
        ("::1", True),
        ("fe80::1", True),
        ("fd00:1::1", True),
        ("2001:db8::1", False),
        ("::ffff:10.0.0.1", True),
        ("::ffff:8.8.8.8", False),
        ("", False),
        ("no address", False),
    ],
)
def test_private_addresses_are_local(ip: str, local: bool) -> None:  # noqa: FBT001 - a case's outcome
    assert local_networks(LOCAL_NETWORKS)(ip) is local


def test_networks_are_those_configured() -> None:
    is_local = local_networks(("192.0.2.0/24", "2001:db8::/32", "198.51.100.7"))
    assert [is_local(ip) for ip in ("192.0.2.9", "2001:db8::9", "198.51.100.7", "10.0.0.1")] == [True] * 3 + [False]


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(TaplineError, match=r"workers\.local_networks: '10\.0\.0\.0/33'.*give networks as"):
        local_networks(("10.0.0.0/33",))
