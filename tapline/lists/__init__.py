"""Large lists to look things up in: domain names, words, networks, hashes; read from files that may change.

A list holds entries, each with a value (a label, a provider, a category). Looking something up costs the
same however long the list is.
"""

from tapline.lists.entries import EntryList, Hit
from tapline.lists.files import ListFile
from tapline.lists.formats import Column, Form, hosts, plain
from tapline.lists.hashes import HashSet
from tapline.lists.names import SuffixSet
from tapline.lists.networks import NetworkSet
from tapline.lists.words import WordMatcher

__all__ = [
    "Column",
    "EntryList",
    "Form",
    "HashSet",
    "Hit",
    "ListFile",
    "NetworkSet",
    "SuffixSet",
    "WordMatcher",
    "hosts",
    "plain",
]
