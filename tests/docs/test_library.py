import re

from tests.docs.pages import ROOT


def test_the_page_names_every_script_of_the_library() -> None:
    page = (ROOT / "docs/how-to/use-the-library.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert named == sorted(path.stem for path in (ROOT / "scripts/library").glob("*.py"))
