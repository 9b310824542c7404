import json

import msgspec
import pytest

from docs.generate import REFERENCE, pages
from topics.records import Flow

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_says_what_the_code_says(name: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == PAGES[name], f"docs/reference/{name} is out of date: run `make docs`"


def test_the_schema_names_every_field_of_a_record() -> None:
    described = json.loads(PAGES["records.schema.json"])["$defs"]["Flow"]["properties"]
    assert set(described) == {info.encode_name for info in msgspec.structs.fields(Flow)}
