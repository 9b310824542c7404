"""Pods without a kubelet: their containers' commands as processes of this machine, with the volumes as folders.

Paths of the container lead below a folder of the test's own, in arguments, variables and configuration alike. What is
not played: images, users and limits.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.error import URLError

from tests.config_maps import MountedConfigMap
from tests.docs.pages import ROOT
from tests.helm.chart import Manifest, named

_FIELDS: Final = {"metadata.name": "pod-0", "spec.nodeName": "node-1"}
_SERVICE: Final = re.compile(r"(?<=http://)tapline-[a-z-]+(?=:\d)")
"""The chart's own services, which here are all on this machine."""

_STOP_SECONDS: Final = 45.0


class Pod:
    """The pod of a workload."""

    def __init__(self, found: list[Manifest], kind: str, name: str, scratch: Path) -> None:
        self.name = name
        self.spec: Manifest = named(found, kind, name)["spec"]["template"]["spec"]
        self.container: Manifest = self.spec["containers"][0]
        self.log = scratch / f"{name}.log"
        self._root = scratch / name
        self._mounted: dict[str, MountedConfigMap] = {}
        self._process: subprocess.Popen[bytes] | None = None
        claims = [each["metadata"]["name"] for each in named(found, kind, name)["spec"].get("volumeClaimTemplates", ())]
        paths = {each["name"]: each["mountPath"] for each in self.container["volumeMounts"]}
        config_maps = {each["name"]: each.get("configMap", {}).get("name") for each in self.spec["volumes"]}
        for volume in [*claims, *config_maps]:
            folder = self._path(paths[volume])
            config_map = config_maps.get(volume)
            if config_map is None:
                folder.mkdir(parents=True)
            else:
                self._mounted[config_map] = MountedConfigMap(folder)
                self.change(found, config_map)

    def change(self, found: list[Manifest], config_map: str) -> None:
        """Let a mounted ConfigMap hold what it does in these manifests, as the kubelet has it."""
        data = named(found, "ConfigMap", config_map).get("data", {})
        self._mounted[config_map].write({name: self._here(text) for name, text in data.items()})

    def complete(self) -> None:
        """Run the containers of a job's pod, one after the other; each has to succeed."""
        for container in [*self.spec.get("initContainers", ()), self.container]:
            with self.log.open("ab") as log:
                code = subprocess.run(
                    self._command(container),
                    cwd=self._root,
                    env=self._environment(container),
                    stdout=log,
                    stderr=log,
                    check=False,
                ).returncode
            assert code == 0, f"{self.name}/{container['name']}: {self.said()}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """The pod's container, running within the block; it has to end in order when it is asked to."""
        with self.log.open("ab") as log:
            process = self._process = subprocess.Popen(
                self._command(self.container),
                cwd=self._root,
                env=self._environment(self.container),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(_STOP_SECONDS) == 0, self.said()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def passes(self, probe: str) -> bool:
        """Whether the pod's `livenessProbe` or `readinessProbe` is answered well."""
        assert self._process is not None
        assert self._process.poll() is None, f"{self.name} has left: {self.said()}"
        asked = self.container[probe]["httpGet"]
        (port,) = [each["containerPort"] for each in self.container["ports"] if each["name"] == asked["port"]]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{asked['path']}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, TimeoutError, ConnectionError):
            return False

    def said(self) -> str:
        """What the containers have printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _command(self, container: Manifest) -> list[str]:
        program, *rest = [*container["command"], *container["args"]]
        ours = [sys.executable, "-m", "tapline"] if program == "tapline" else [sys.executable]
        return [*ours, *(self._here(part) for part in rest)]

    def _environment(self, container: Manifest) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TAPLINE_")}
        for each in container["env"]:
            field = each.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            environment[each["name"]] = _FIELDS[field] if field else self._here(each["value"])
        return environment | {"TMPDIR": str(self._path("/tmp")), "PYTHONPATH": str(ROOT)}

    def _path(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _here(self, text: str) -> str:
        return _SERVICE.sub("127.0.0.1", text).replace("/tapline/", f"{self._root}/tapline/")
