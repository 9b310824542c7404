"""Elasticsearch on this machine: one node, on loopback only, without security."""

from __future__ import annotations

import http.client
import json
import re
import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import ClassVar, Final

from tapline.services.account import closed_folder, give, unprivileged_account
from tapline.services.cache import CACHE_VARIABLE, Progress, cache_folder
from tapline.services.elsewhere import check_elsewhere, elsewhere, forget_elsewhere, is_elsewhere, make_elsewhere
from tapline.services.engine import Engine, Launch
from tapline.services.java import java_home
from tapline.services.lock import locked
from tapline.services.preflight import MEBIBYTE, nearest_existing
from tapline.services.processes import Account
from topics.errors import TaplineError

_PROBE_SECONDS: Final = 5.0
# The runtime has no vector module; logs and crash files are to go to our folder.
_DROPPED_OPTION: Final = re.compile(r"jdk\.incubator\.vector|-Xlog:|-XX:HeapDumpPath|-XX:ErrorFile")


class Elasticsearch(Engine):
    """An Elasticsearch node with its data in ``<folder>/elasticsearch``.

    It refuses to run as the superuser; started by the superuser, it runs as whoever owns the folder
    that ``folder`` is in, or as ``nobody``, and its own folder is given to that user. Where that user cannot
    get there, its own folder is a link to one elsewhere (:mod:`tapline.services.elsewhere`).
    """

    name: ClassVar[str] = "elasticsearch"
    memory_needed: ClassVar[int] = 1024 * MEBIBYTE
    port_settings: ClassVar[Mapping[str, str]] = {
        "clients": "elasticsearch_port",
        "transport": "elasticsearch_transport_port",
    }

    @property
    def address(self) -> str:
        """The URL, as ``http://127.0.0.1:9200``."""
        return f"http://127.0.0.1:{self.port}"

    def check(self) -> None:
        super().check()
        self._check_reach()

    def forget(self) -> None:
        if not is_elsewhere(self.folder):
            super().forget()
            return
        self.stop()
        if self.folder.readlink() == elsewhere(self.folder):
            forget_elsewhere(elsewhere(self.folder), self.name)
        self.folder.unlink()

    def _check_reach(self) -> None:
        account = self._account()
        if account is None:
            return
        closed = closed_folder(nearest_existing(cache_folder()), account)
        if closed is not None:
            raise _no_way(account, closed, CACHE_VARIABLE)
        closed = self._closed(account)
        if closed is not None:
            try:
                check_elsewhere(self.folder, account)
            except TaplineError as error:
                raise _no_way(account, closed, "services.folder", f" ({error})") from error

    def _closed(self, account: Account) -> Path | None:
        """The folder on the way to its usual place that ``account`` cannot enter, if there is one."""
        if is_elsewhere(self.folder):
            return self.folder.parent
        return closed_folder(nearest_existing(self.folder), account)

    def _make_folder(self, on_progress: Progress) -> None:
        # It may be this that closes the way: folders that the superuser makes have the superuser's umask.
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        account = self._account()
        closed = self._closed(account) if account else None
        if account is None or closed is None:
            super()._make_folder(on_progress)
            return
        check_elsewhere(self.folder, account)
        place = make_elsewhere(self.folder, account)
        on_progress(f"elasticsearch may not run as root, and user {account.uid} cannot enter {closed}")
        on_progress(f"so its data are in {place}; `tapline down --forget` removes them")

    def _account(self) -> Account | None:
        return unprivileged_account(Path(self.settings.folder).absolute().parent)

    def _prepare(self, installation: Path, ports: Mapping[str, int]) -> Launch:
        home = installation / f"elasticsearch-{locked(self.name).version}"
        account = self._account()
        folder = self.folder.resolve()
        java = self._java(account)
        self._configure(folder, home, ports)
        # Folders made since the first check have the superuser's umask.
        self._check_reach()
        if account is not None:
            give(folder, account)
        configuration = folder / "config"
        command = [
            str(java / "bin" / "java"),
            *("-Xms4m", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"),
            "-Dcli.name=server",
            f"-Dcli.script={home}/bin/elasticsearch",
            "-Dcli.libs=lib/tools/server-cli",
            f"-Des.path.home={home}",
            f"-Des.path.conf={configuration}",
            "-Des.distribution.type=zip",
            "-Des.java.type=ES_JAVA_HOME",
            *("-cp", f"{home}/lib/*:{home}/lib/cli-launcher/*"),
            "org.elasticsearch.launcher.CliToolLauncher",
        ]
        scratch = str(folder / "tmp")
        environment = {
            "ES_JAVA_HOME": str(java),
            "ES_PATH_CONF": str(configuration),
            "ES_TMPDIR": scratch,
            "LIBFFI_TMPDIR": scratch,
        }
        return Launch(command, home, environment)

    def _java(self, account: Account | None) -> Path:
        """The folder of the Java runtime that it runs on."""
        return java_home(account)

    def _configure(self, folder: Path, home: Path, ports: Mapping[str, int]) -> None:
        configuration = folder / "config"
        (configuration / "jvm.options.d").mkdir(parents=True, exist_ok=True)
        # What a killed node left here is of no use.
        shutil.rmtree(folder / "tmp")
        (folder / "tmp").mkdir()
        node = {
            "cluster.name": "tapline",
            "node.name": "tapline",
            "path.data": str(folder / "data"),
            "path.logs": str(folder / "logs"),
            "network.host": "127.0.0.1",
            "http.port": ports["clients"],
            "transport.port": ports["transport"],
            "discovery.type": "single-node",
            "xpack.security.enabled": False,
            # Mapping files needs a kernel setting (vm.max_map_count) that only the superuser can raise.
            "node.store.allow_mmap": False,
            # The defaults are shares of the disk and would refuse to write on a laptop's disk of 95 %.
            "cluster.routing.allocation.disk.watermark.low": "500mb",
            "cluster.routing.allocation.disk.watermark.high": "300mb",
            "cluster.routing.allocation.disk.watermark.flood_stage": "200mb",
        }
        # JSON is YAML, and quotes any path rightly.
        (configuration / "elasticsearch.yml").write_text(json.dumps(node, indent=2), encoding="utf-8")
        logging = resources.files(__package__).joinpath("elasticsearch.log4j2.properties").read_text(encoding="utf-8")
        (configuration / "log4j2.properties").write_text(logging, encoding="utf-8")
        shipped = (home / "config" / "jvm.options").read_text(encoding="utf-8").splitlines()
        options = [line for line in shipped if not _DROPPED_OPTION.search(line)]
        heap = self.settings.elasticsearch_heap
        options += [
            f"-Xms{min(heap, 128)}m",
            f"-Xmx{heap}m",
            # Take memory when it is used, not at once.
            "-XX:-AlwaysPreTouch",
            "-XX:-UsePerfData",
            f"-XX:HeapDumpPath={folder}/logs",
            f"-XX:ErrorFile={folder}/logs/crash.%p.log",
        ]
        (configuration / "jvm.options").write_text("\n".join(options) + "\n", encoding="utf-8")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PROBE_SECONDS)
        try:
            connection.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _no_way(account: Account, closed: Path, setting: str, more: str = "") -> TaplineError:
    return TaplineError(
        f"elasticsearch may not run as root, and user {account.uid} cannot enter {closed}{more}: "
        f"run tapline as an ordinary user or set {setting} to a folder that everyone can enter"
    )
