"""Checks of resources, by their groups."""

from __future__ import annotations

from collections.abc import Sequence

from tapline.checks.resource_check import ResourceCheck
from topics.records import Resource
from workers.checks.item_checks import CheckedItemCore
from workers.counting.behaviour_groups import REQUESTS
from workers.counting.requests import requests_of
from workers.counting.wanted import WantedGroups
from workers.environment import Environment
from workers.item_monitor import ItemCore
from workers.scripting.flushing import Kept
from workers.scripting.guard import Hook


class CheckedResourceCore(CheckedItemCore):
    """The resource monitor of one partition, with the checks of resources before it.

    It counts the requests and replies of hosts, where somebody wants them.
    """

    base = ResourceCheck

    def __init__(self, environment: Environment, items: ItemCore, instance: str) -> None:
        super().__init__(environment, items, instance)
        self._wanted = WantedGroups(environment)

    def take(self, state: Kept, records: Sequence[Resource], *, dispatch: bool) -> None:
        super().take(state, records, dispatch=dispatch)
        if REQUESTS.name in self._wanted.now():
            count = self.host.runtime.count
            for record in records:
                # What scripts add are no messages.
                amounts = None if record.script else requests_of(record)
                if amounts is not None:
                    count(REQUESTS.name, record.source_ip, amounts[0])
                    count(REQUESTS.name, record.destination_ip, amounts[1])

    def key_of(self, record: Resource) -> str | None:
        return record.group

    def wants(self, check: ResourceCheck, key: str) -> bool:
        groups = self.host.groups.resources
        return not check.group or groups.canonical(check.group) == groups.canonical(key)

    def takes(self, check: ResourceCheck, record: Resource) -> bool:
        return not check.local_only or check.is_local(record.source_ip) or check.is_local(record.destination_ip)

    def call_of(self, check: ResourceCheck) -> tuple[str, Hook]:
        return "on_new_resource", check.on_new_resource
