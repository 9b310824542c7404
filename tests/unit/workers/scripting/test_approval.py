"""Only approved scripts are run, where there is a list of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from prometheus_client import REGISTRY

from tapline.commands.approving import approve
from tapline.packets import load_enabled
from tests.config_maps import MountedConfigMap
from topics.errors import TaplineError
from workers.kafka.faust_agents import load_agents
from workers.scripting.approval import Approval, NotApproved
from workers.scripting.budget import Budget
from workers.scripting.reload import ScriptFolders
from workers.scripting.scripts import ScriptSet
from workers.settings import WorkersSettings

SCRIPT = """
from pathlib import Path
from tapline import SessionMonitor
{more}
(Path({mark!r}) / "{name}").touch()
class {name}(SessionMonitor):
    def on_flush(self, flow): pass
"""


class Place:
    """Folders of scripts and agents, a list, and the marks that files leave when they are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marks = folder / "marks"
        for name in ("marks", "scripts", "agents"):
            (folder / name).mkdir()
        self.settings = WorkersSettings(
            scripts=[str(folder / "scripts")],
            agents=[str(folder / "agents")],
            approved_scripts=str(folder / "approved.sha256"),
        )

    def write(self, name: str, more: str = "") -> Path:
        path = self.folder / "scripts" / f"{name.lower()}.py"
        path.write_text(SCRIPT.format(name=name, mark=str(self.marks), more=more), encoding="utf-8")
        return path

    def ran(self) -> list[str]:
        """What has been run since this was last asked."""
        names = sorted(path.name for path in self.marks.iterdir())
        for name in names:
            (self.marks / name).unlink()
        return names

    def folders(self) -> ScriptFolders:
        return ScriptFolders(self.settings, Budget(self.settings))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def names(scripts: ScriptSet | None) -> list[str] | None:
    return None if scripts is None else [script.name for script in scripts.scripts]


def changed(folders: ScriptFolders) -> list[str] | None:
    """The scripts after a change of files or list, which is taken when two looks see the same."""
    found = [folders.look() for _ in range(4)]
    return names(next((each for each in reversed(found) if each is not None), None))


def refused() -> float:
    return REGISTRY.get_sample_value("tapline_script_files_total", {"outcome": "refused"}) or 0.0


def test_what_is_on_the_list_runs_and_nothing_else_is_even_looked_into(place: Place) -> None:
    place.write("One")
    assert approve(place.settings, [], None) == [("new", "one.py")]
    place.write("Two")
    before = refused()
    folders = place.folders()
    assert names(folders.load()) == ["One"]
    assert place.ran() == ["One"]
    assert refused() - before == 1
    (why,) = folders.broken.values()
    assert "two.py: is not approved" in why
    assert "tapline scripts approve" in why
    assert [notice.type for notice in folders.news] == ["script-broken"]


def test_a_changed_file_leaves_the_approved_version_running_until_it_is_approved(place: Place) -> None:
    place.write("One")
    approve(place.settings, [], None)
    folders = place.folders()
    folders.load()
    place.ran()
    place.write("One", "import os")
    assert changed(folders) is None
    assert place.ran() == []
    assert folders.broken
    assert approve(place.settings, [], None) == [("changed", "one.py")]
    assert changed(folders) == ["One"]
    assert place.ran() == ["One"]
    assert not folders.broken


def test_what_is_no_longer_approved_stops(place: Place) -> None:
    place.write("One")
    place.write("Two")
    approve(place.settings, [], None)
    folders = place.folders()
    assert names(folders.load()) == ["One", "Two"]
    listed = Path(place.settings.approved_scripts)
    listed.write_text("".join(line for line in listed.read_text().splitlines(keepends=True) if "one" in line))
    assert changed(folders) == ["One"]
    listed.unlink()
    assert changed(folders) == []
    assert all("cannot be read" in why for why in folders.broken.values())


def test_what_a_script_imports_has_to_be_approved_too(place: Place) -> None:
    helper = place.folder / "scripts" / "_words.py"
    helper.write_text("WORD = 1\n", encoding="utf-8")
    place.write("One", "from _words import WORD")
    assert approve(place.settings, [], None) == [("new", "_words.py"), ("new", "one.py")]
    folders = place.folders()
    assert names(folders.load()) == ["One"]
    place.ran()
    helper.write_text(f"from pathlib import Path\n(Path({str(place.marks)!r}) / 'words').touch()\nWORD = 1\n")
    assert changed(folders) is None, "the version before runs on"
    assert place.ran() == []
    assert names(place.folders().load()) == []
    assert place.ran() == []


def test_names_are_approved_with_their_content(place: Place) -> None:
    one, two = place.write("One"), place.write("Two")
    approve(place.settings, [], None)
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)
    assert names(place.folders().load()) == []


def test_a_script_in_a_config_map_with_its_list(place: Place) -> None:
    path = place.write("One")
    approve(place.settings, [], None)
    text, listed = path.read_text(), Path(place.settings.approved_scripts).read_text()
    mounted = MountedConfigMap(place.folder / "mounted")
    mounted.write({"one.py": text})
    folder = place.folder / "mounted"
    settings = WorkersSettings(scripts=[str(folder)], approved_scripts=str(folder / "approved.sha256"))
    folders = ScriptFolders(settings, Budget(settings))
    assert names(folders.load()) == []
    mounted.write({"one.py": text, "approved.sha256": listed})
    assert changed(folders) == ["One"]
    mounted.write({"one.py": text + "\n", "approved.sha256": listed})
    assert changed(folders) is None
    assert folders.broken


def test_packet_scripts_and_agents_have_to_be_approved(place: Place) -> None:
    agent = place.folder / "agents" / "look.py"
    agent.write_text("def attach(app, topics):\n    pass\n", encoding="utf-8")
    path = place.folder / "scripts" / "pings.py"
    path.write_text("from tapline import PacketMonitor\nclass Pings(PacketMonitor):\n    display_filter = 'icmp'\n")
    approval = Approval.of(place.settings)
    with pytest.raises(NotApproved, match=r"look\.py: is not approved"):
        load_agents([agent], approval)
    with pytest.raises(NotApproved, match=r"pings\.py: is not approved"):
        load_enabled(place.settings)
    assert approve(place.settings, [], None) == [("new", "look.py"), ("new", "pings.py")]
    assert len(load_agents([agent], Approval.of(place.settings))) == 1
    assert names(load_enabled(place.settings)) == ["Pings"]


@pytest.fixture
def signed(place: Place) -> Place:
    """A place whose list has to be signed."""
    for name in ("approver", "other"):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (place.folder / f"{name}.pem").write_bytes(private)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (place.folder / f"{name}.pub").write_bytes(public)
    place.settings = WorkersSettings(
        scripts=place.settings.scripts,
        agents=place.settings.agents,
        approved_scripts=place.settings.approved_scripts,
        approval_key=str(place.folder / "approver.pub"),
    )
    return place


def test_a_list_has_to_be_signed_where_there_is_a_key(signed: Place) -> None:
    one = signed.write("One")
    with pytest.raises(TaplineError, match="give the private key with --key"):
        approve(signed.settings, [], None)
    with pytest.raises(TaplineError, match="no signature of"):
        approve(signed.settings, [], signed.folder / "other.pem")
    approve(signed.settings, [], signed.folder / "approver.pem")
    folders = signed.folders()
    assert names(folders.load()) == ["One"]
    listed = Path(signed.settings.approved_scripts)
    good = listed.read_bytes()
    two = signed.write("Two")
    approve(WorkersSettings(scripts=[], approved_scripts=str(listed)), [one, two], None)
    assert changed(folders) == [], "the list is another one than was signed"
    assert "no signature of" in next(iter(folders.broken.values()))
    with pytest.raises(TaplineError, match="no signature of"):
        approve(signed.settings, [two], signed.folder / "approver.pem")
    listed.write_bytes(good)
    assert changed(folders) == ["One"]
    assert signed.ran() == ["One"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0" * 64 + " one.py\n", r"approved\.sha256:1: is no SHA-256, two spaces"),
        ("0" * 64 + "  ../one.py\n", r":1: is no SHA-256"),
        ("0" * 64 + "  a.py\n" + "1" * 64 + "  a.py\n", r":2: names a file again"),
        ("\xff", "is no SHA-256"),
    ],
)
def test_a_list_that_cannot_be_used_approves_nothing(place: Place, text: str, why: str) -> None:
    path = place.write("One")
    Path(place.settings.approved_scripts).write_text(text, encoding="utf-8")
    with pytest.raises(NotApproved, match=why):
        Approval.of(place.settings).require(path, path.read_bytes())


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_is_none_is_said(place: Place, content: bytes) -> None:
    place.write("One")
    key = place.folder / "key.pem"
    key.write_bytes(content)
    with pytest.raises(TaplineError, match=r"key\.pem is no private key without a passphrase: make one with `openssl"):
        approve(place.settings, [], key)


def test_without_a_list_there_is_nothing_to_write(place: Place) -> None:
    with pytest.raises(TaplineError, match=r"workers\.approved_scripts names no list: set it"):
        approve(WorkersSettings(scripts=place.settings.scripts), [], None)
