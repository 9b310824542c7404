"""Lists in files: their forms, their errors, and what happens when they change."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tapline.lists import Column, Form, HashSet, Hit, ListFile, NetworkSet, SuffixSet, WordMatcher, hosts, plain
from topics.errors import TaplineError


def written(folder: Path, text: str, name: str = "list.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def entries(form: Form, text: str) -> list[tuple[int, str, str]]:
    return list(form(text.splitlines(keepends=True)))


def test_a_plain_list_has_comments_and_values() -> None:
    text = "# names\n\nexample.net #Some provider \r\n  example.org\n; another comment\n// and this\nexample.com#x\n"
    assert entries(plain, text) == [
        (3, "example.net", "Some provider"),
        (4, "example.org", ""),
        (7, "example.com", "x"),
    ]


def test_a_hosts_file_gives_its_names_and_not_the_machine_s_own() -> None:
    text = "127.0.0.1 localhost local\n::1 ip6-localhost\n# x\n0.0.0.0 ads.example trk.example # ads\n0.0.0.0 0.0.0.0"
    assert entries(hosts, text) == [(4, "ads.example", "ads"), (4, "trk.example", "ads")]


def test_columns_are_found_by_name_or_number() -> None:
    text = '# made yesterday\n"seen","url","threat"\n"1","a, b","x"\n\n# more\n"2","c","y"\n'
    assert entries(Column("url", "threat"), text) == [(3, "a, b", "x"), (6, "c", "y")]
    assert entries(Column(1), "1, a\n2, b\n") == [(1, "a", ""), (2, "b", "")]
    assert entries(Column(1, 0, delimiter=";"), "1;a\n") == [(1, "a", "1")]


def test_a_file_may_be_gzipped(tmp_path: Path) -> None:
    path = tmp_path / "networks.gz"
    path.write_bytes(gzip.compress(b"192.0.2.0/24 #lab\n"))
    assert NetworkSet.load(path).find("192.0.2.9") == Hit("192.0.2.0/24", "lab")


@pytest.mark.parametrize(
    ("kind", "form", "text", "said"),
    [
        (SuffixSet, plain, "example.net\n\nnot a name\n", r"list\.txt:3: 'not a name' is no domain name"),
        (NetworkSet, plain, "# v4\n192.0.2.0/99\n", r"list\.txt:2: '192\.0\.2\.0/99' is no address or network"),
        (HashSet, Column(1), "1,abc\n", r"list\.txt:1: 'abc' is no hash"),
        (HashSet, Column(1), "1,\n2\n", r"list\.txt:2: has 1 columns"),
        (HashSet, Column("hash"), "# x\nsha1,md5\n", r"list\.txt:2: there is no column 'hash'; there are sha1, md5"),
        (SuffixSet, hosts, "0.0.0.0 a.example\nb.example\n", r"list\.txt:2: 'b\.example' is no address with names"),
    ],
)
def test_an_error_names_file_and_line(
    tmp_path: Path, kind: type[SuffixSet | NetworkSet | HashSet], form: Form, text: str, said: str
) -> None:
    with pytest.raises(TaplineError, match=said):
        kind.load(written(tmp_path, text), form)


def test_what_is_no_text_or_broken_is_said(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"example.net\n\xff\xfe\n")
    with pytest.raises(TaplineError, match=r"list\.txt:2: is not UTF-8 text"):
        SuffixSet.load(path)
    path.write_bytes(gzip.compress(b"example.net\n" * 1000)[:-20])
    with pytest.raises(TaplineError, match=r"list\.txt: is no whole gzip file"):
        SuffixSet.load(path)
    with pytest.raises(TaplineError, match=r"missing\.txt: No such file"):
        SuffixSet.load(tmp_path / "missing.txt")


def touched(path: Path, text: str) -> None:
    before = path.stat().st_mtime_ns
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(before, before + 1))


def test_a_changed_file_is_read_again_and_a_broken_one_leaves_the_old_list(tmp_path: Path) -> None:
    path = written(tmp_path, "example.net\n")
    names = ListFile(SuffixSet, path)
    assert names.changed()
    names.load()
    assert not names.changed()
    touched(path, "example.org\n")
    assert names.changed()
    again = names.read()
    assert "example.net" in names.entries, "what is read is not yet in use"
    names.use(again)
    assert "example.org" in names.entries
    assert "example.net" not in names.entries
    touched(path, "not a name\n")
    with pytest.raises(TaplineError, match=r"list\.txt:1"):
        names.load()
    assert "example.org" in names.entries
    assert not names.changed(), "it is not tried again until it changes"
    path.unlink()
    assert names.changed()
    with pytest.raises(TaplineError, match="is missing"):
        names.load()
    assert not names.changed()
    written(tmp_path, "example.com\n")
    assert names.changed()
    names.load()
    assert "example.com" in names.entries


def test_instances_share_what_they_read_from_the_same_file(tmp_path: Path) -> None:
    path = written(tmp_path, "a,example\n")
    one, other = ListFile(WordMatcher, path, Column(0, 1)), ListFile(WordMatcher, path, Column(0, 1))
    one.load()
    other.load()
    assert one.entries is other.entries
    other = ListFile(WordMatcher, path, Column(1))
    other.load()
    assert one.entries is not other.entries
    touched(path, "b,example\n")
    other = ListFile(WordMatcher, path, Column(0, 1))
    other.load()
    assert one.entries is not other.entries
