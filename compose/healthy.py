#!/usr/bin/python3 -IS
"""Whether the component in this container is well: asks its page, ``healthz`` or ``readyz``.

``METRICS_PORT`` is where it serves, 9600 without it. Exit code 1, and the page, when it is not.
"""

import http.client
import os
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("METRICS_PORT", "9600")), timeout=4)
try:
    connection.request("GET", f"/{sys.argv[1]}")
    answer = connection.getresponse()
    sys.stdout.write(answer.read().decode(errors="replace"))
except OSError as error:
    sys.exit(f"it does not answer: {error}")
sys.exit(answer.status != http.client.OK)
