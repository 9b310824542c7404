#!/opt/tapline/bin/python
"""Imports all of Tapline: whether everything that it needs is in the image, and for its byte code.

Byte code is written of what is imported, and of nothing else: a read-only root file system keeps no more later.
"""

import pkgutil
from importlib import import_module

LATER = ("apprise", "faust", "pyarrow.parquet", "pyshark.packet.packet", "rich.progress", "uvicorn")
"""What is imported where it is used."""

for name in ("topics", "capture", "workers", "exporters", "console", "tapline"):
    for module in pkgutil.walk_packages(import_module(name).__path__, f"{name}."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
for name in LATER:
    import_module(name)
