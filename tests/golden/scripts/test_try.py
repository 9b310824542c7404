"""`tapline try` of every sample on the demo capture: it works, and its hooks are called as often as they should be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tapline.commands import run
from tests.golden.scripts.agent import free_port
from tests.golden.scripts.samples import DEMO, FEATURED, SAMPLES, needs_tshark, sample
from tests.golden.scripts.stub import elasticsearch

pytestmark = needs_tshark

IDS = """
from tapline import SessionMonitor
class Ids(SessionMonitor):
    l7_proto = "SNMP"
    def on_terminate(self, flow):
        self.alert("ids", flow, "SNMP seen", group="External IDS")
"""

CALLED = {
    "print_alerts": {"on_new_alert": 6},
    "print_alerts2": {"on_new_alert": 3},
    "dyndns_alert": {"on_load": 1, "on_new_resource": 149},
    "es_curl_flow": {"on_load": 1, "on_begin_flush": 5, "on_flush": 1003, "on_end_flush": 5, "run_async": 5},
    "es_socket_flow": {
        "on_load": 1,
        "on_begin_flush": 5,
        "on_flush": 1003,
        "on_end_flush": 5,
        "run_async": 5,
        "on_unload": 1,
    },
    "sg1": {"on_new_flow": 616},
    "sg2": {"on_load": 1, "on_new_flow": 616, "on_end_flush": 5, "on_unload": 1},
    "sg3": {"on_load": 1, "on_begin_flush": 5, "on_flush": 1003, "on_end_flush": 5, "on_unload": 1},
    "ssh_alerts": {"on_flush": 841},
    "ocsp_check": {"on_new_document": 5},
    "ocsp_check_async": {"on_new_document": 5, "run_async": 2, "on_end_flush": 5},
    "cgmon": {"on_load": 1, "on_begin_flush": 5, "on_flush": 51, "on_end_flush": 5, "on_unload": 1},
    "cgmon_2": {"on_update": 51},
    "cgmon_3": {"on_begin_topper_flush": 40, "on_topper_flush": 599, "on_end_topper_flush": 40},
    "filehash": {"on_new_resource": 23},
    "printcertchain": {"on_new_resource": 9},
    "sha256_x509": {"on_load": 1, "on_new_resource": 9},
    "ssl": {"on_new_resource": 9},
    "snmp": {"on_begin_flush": 5, "run_async": 5},
}
"""Hooks with how often they are called, and results of ``run_async``; ``snmp_cg`` has none.

Of 616 flows there are 1003 records in 5 windows, 841 of them of TCP; 149 DNS messages, 23 files, 9
certificates in 5 chains; the Apps group has 51 keys in these windows.
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with elasticsearch() as url:
        yield url


def parameters(name: str, folder: Path, server: str) -> list[str]:
    given = {
        "es_curl_flow": [f"url={server}"],
        "es_socket_flow": [f"url={server}"],
        "sg2": [f"folder={folder}"],
        "sg3": [f"folder={folder}"],
        "sha256_x509": [f"folder={folder}"],
        "ocsp_check": ["responder=http://127.0.0.1:1/"],
        "ocsp_check_async": ["responder=http://127.0.0.1:1/"],
        "snmp": [f"port={free_port()}", "timeout=0.05"],
    }
    return [word for value in given.get(name, []) for word in ("--param", value)]


@pytest.mark.parametrize("name", FEATURED)
def test_it_works(name: str, tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    ids = tmp_path / "ids.py"
    ids.write_text(IDS, encoding="utf-8")
    beside = {"print_alerts": [sample("ssh_alerts")], "print_alerts2": [ids], "snmp_cg": [sample("sg1")]}
    scripts = [str(path) for path in (sample(name), *beside.get(name, []))]
    code = run(("try", *scripts, str(DEMO), "--json", *parameters(name, tmp_path, server)))
    printed = capsys.readouterr()
    told: list[dict[str, Any]] = [json.loads(line) for line in printed.out.splitlines()]
    assert code == 0
    assert not [line for line in printed.err.splitlines() if '"log.level": "info"' not in line]
    assert not [each for each in told if each["kind"] == "error"]
    assert not [each for each in told if each["kind"] == "alert" and each["record"]["type"] == "flows-not-sent"]
    calls = {each["hook"]: each["calls"] for each in told if each["kind"] == "hook" and each["script"] == name}
    assert {hook: count for hook, count in calls.items() if hook != "__init__"} == CALLED.get(name, {})


def test_every_sample_is_featured() -> None:
    assert {path.stem for path in SAMPLES.glob("*.py") if path.name[0] != "_"} == set(FEATURED)
