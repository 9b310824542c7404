"""Files that dumpcap rotates, in a network of the test's own: every packet is read once."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.unit.capture_folder.test_reading import Folder
from tests.waiting import wait_for
from topics.catalog import FLOW
from topics.records import Flow

PACKETS = 120
TO_A_FILE = 25

WRITING = f"""
set -e
ip link set lo up
dumpcap -q -i lo -f 'udp and dst port 53' -b packets:{TO_A_FILE} -w cap.pcapng 2> ../said &
until grep -q '^File: ' ../said; do sleep 0.05; done
for number in $(seq {PACKETS}); do echo $number > /dev/udp/127.0.0.1/53 || true; done
until [ "$(ls cap*.pcapng | wc -l)" -ge {-(-PACKETS // TO_A_FILE)} ]; do sleep 0.05; done
kill -INT %1
wait %1
"""

needed = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("dumpcap", "unshare", "ip"))),
    reason="a network of its own needs root, unshare, iproute2 and dumpcap (apt install tshark)",
)


@needed
def test_every_packet_of_a_rotation_is_read_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    command = ["unshare", "--net", "bash", "-c", WRITING]
    with folder.watched() as reader:
        subprocess.run(command, cwd=folder.path, check=True, timeout=60)
        files = -(-PACKETS // TO_A_FILE)
        wait_for(lambda: reader.counts["files"] == files, "every file to be read")
    flows = [
        record
        for message in folder.publisher.batches
        if message.topic is FLOW
        for record in message.records
        if isinstance(record, Flow)
    ]
    assert sum(flow.delta_packets for flow in flows) == PACKETS
    assert max(Counter(flow.id for flow in flows).values()) == 1
    assert reader.counts == {"files": files}
