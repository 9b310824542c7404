"""The page is followed word for word on a clean machine, by somebody in the folder that it speaks of."""

from __future__ import annotations

import pytest

from tests.containers.machine import PAGE
from tests.containers.reader import Reader
from tests.containers.stack import Stack

pytestmark = pytest.mark.containers


def test_the_page_can_be_followed(stack: Stack) -> None:
    with Reader(stack, PAGE) as reader:
        reader.follow_to_the_end()
    assert not stack.client.containers.list(all=True)
    assert not stack.client.volumes.list()
