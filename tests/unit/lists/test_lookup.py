"""What is found in a list, against the plain way to look."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapline.lists import EntryList, HashSet, Hit, NetworkSet, SuffixSet, WordMatcher

LABELS = st.lists(st.sampled_from(["a", "b1", "example", "net", "xn--bcher-kva"]), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("example.net", "example.net"),
        ("WWW.Example.NET.", "example.net"),
        ("a.b.deep.example.net", "deep.example.net"),
        ("badexample.net", None),
        ("net", None),
        ("example.net.org", None),
        ("123abc.dyn4.example", "dyn4.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("", None),
        (".", None),
    ],
)
def test_names_match_on_whole_labels(name: str, found: str | None) -> None:
    names = SuffixSet(
        [("Example.net.", "shop"), ("*.deep.example.net", ""), (".dyn4.example", ""), ("bücher.example", "")]
    )
    hit = names.find(name)
    assert (hit and hit.entry) == found
    assert (name in names) == (found is not None)
    assert len(names) == 4


@settings(deadline=None)
@given(st.lists(LABELS, max_size=5), LABELS)
def test_the_longest_name_that_is_a_suffix_is_found(entries: list[list[str]], name: list[str]) -> None:
    names = SuffixSet((".".join(entry), str(number)) for number, entry in enumerate(entries))
    matching = [entry for entry in entries if name[-len(entry) :] == entry]
    longest = ".".join(max(matching, key=len)) if matching else None
    hit = names.find(".".join(name))
    assert (hit and hit.entry) == longest


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.ip_addresses(), st.integers(0, 128)), max_size=8),
    st.ip_addresses(),
    st.data(),
)
def test_the_smallest_network_that_holds_an_address_is_found(
    entries: list[tuple[object, int]], address: object, data: st.DataObject
) -> None:
    networks = [
        ip_network((int(ip_address(str(each))), length % (ip_address(str(each)).max_prefixlen + 1)), strict=False)
        for each, length in entries
    ]
    if networks and data.draw(st.booleans()):
        chosen = data.draw(st.sampled_from(networks))
        address = chosen[data.draw(st.integers(0, chosen.num_addresses - 1))]
    listed = NetworkSet((str(network), f"to {network}") for network in networks)
    holding = [network for network in networks if ip_address(str(address)) in network]
    hit = listed.find(str(address))
    if not holding:
        assert hit is None
        return
    assert hit is not None
    smallest = max(holding, key=lambda network: network.prefixlen)
    assert ip_network(hit.entry) == smallest
    assert hit.value == f"to {smallest}"


def test_what_is_no_address_is_in_no_network() -> None:
    networks = NetworkSet([("0.0.0.0/0", ""), ("::/0", "")])
    assert [text in networks for text in ("192.0.2.1", "2001:db8::1", "", "host", "1.2.3", "::g")] == [
        True,
        True,
        *[False] * 4,
    ]
    assert len(networks) == 2


def test_a_host_beyond_the_prefix_does_not_matter() -> None:
    assert NetworkSet([("192.0.2.77/24", "lab")]).find("192.0.2.1") == Hit("192.0.2.0/24", "lab")


def test_words_are_found_in_any_case_and_in_one_pass() -> None:
    words = WordMatcher([("sha1With", "weak"), ("with", ""), ("RSA", "key")])
    assert [hit.entry for hit in words.find_all("SHA1WithRSAEncryption")] == ["sha1with", "with", "rsa"]
    assert words.find("nothing of it") is None
    words.add("Nothing", "new")
    assert words.find("nothing of it") == Hit("nothing", "new")


def test_whole_words_stand_alone() -> None:
    words = WordMatcher([("bot", ""), ("curl/8", "")], whole_words=True)
    assert words.find("robot") is None
    assert words.find("both") is None
    assert words.find("a bot.") == Hit("bot", "")
    assert words.find("bot") == Hit("bot", "")
    assert words.find("curl/8.1") == Hit("curl/8", "")


@settings(deadline=None)
@given(
    st.lists(st.text("abİß ", min_size=1, max_size=3).filter(str.strip), max_size=5), st.text("abAİßẞ ", max_size=20)
)
def test_words_are_found_where_the_plain_search_finds_them(entries: list[str], text: str) -> None:
    words = WordMatcher((entry, "") for entry in entries)
    assert {hit.entry for hit in words.find_all(text)} == {
        entry.lower() for entry in entries if entry.lower() in text.lower()
    }


def test_hashes_are_found_however_they_are_written() -> None:
    sha1 = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"
    hashes = HashSet([(sha1.upper(), "fox"), ("D4:1D:8C:D9:8F:00:B2:04:E9:80:09:98:EC:F8:42:7E", "empty")])
    assert hashes.find(sha1) == hashes.find(f"SHA1:{sha1.upper()}") == Hit(sha1, "fox")
    assert hashes.find("d41d8cd98f00b204e9800998ecf8427e") == Hit("d41d8cd98f00b204e9800998ecf8427e", "empty")
    assert hashes.find(sha1[:-2]) is None
    assert hashes.find("https://example.net/") is None
    assert len(hashes) == 2


@pytest.mark.parametrize("kind", [SuffixSet, NetworkSet, WordMatcher, HashSet])
def test_nothing_is_found_in_an_empty_list(kind: type[EntryList]) -> None:
    assert kind().find("example.net") is None
    assert len(kind()) == 0


@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        (SuffixSet, "http://example.net/"),
        (SuffixSet, "two words"),
        (SuffixSet, "a..b"),
        (SuffixSet, "*."),
        (SuffixSet, "x" * 64),
        (SuffixSet, "ü" * 64),
        (NetworkSet, "192.0.2.0/33"),
        (NetworkSet, "192.0.2.0/-1"),
        (NetworkSet, "192.0.2"),
        (NetworkSet, "::/129"),
        (NetworkSet, "example.net"),
        (HashSet, "abc"),
        (HashSet, "abcd"),
        (HashSet, "SHA1:"),
        (WordMatcher, " "),
    ],
)
def test_what_is_no_entry_is_refused(kind: type[EntryList], entry: str) -> None:
    with pytest.raises(ValueError, match=r"is no|empty word"):
        kind().add(entry)
