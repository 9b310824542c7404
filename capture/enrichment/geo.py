"""Countries, cities and autonomous systems of addresses, from files in MaxMind's format."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

import maxminddb
from msgspec import Struct

from topics.errors import TaplineError

_TRIED: Final = 1000
"""So many networks are read to see whether a file is sound: all of them would take minutes."""


class Place(Struct, frozen=True):
    """Where an address is: ISO 3166-1 code, city in English, and its autonomous system."""

    country: str = ""
    city: str = ""
    as_number: int = 0
    as_organization: str = ""


class GeoFile:
    """One file; :class:`TaplineError` when it cannot be read or is broken.

    ``broken`` counts the look-ups that failed all the same.
    """

    def __init__(self, path: str) -> None:
        self.broken = 0
        try:
            self._reader = maxminddb.open_database(path)
            for _ in islice(self._reader, _TRIED):
                pass
        except (maxminddb.InvalidDatabaseError, UnicodeDecodeError, ValueError) as error:
            raise TaplineError(f"{path} is no database of MaxMind's format, or it is broken: get it again") from error
        except OSError as error:
            raise TaplineError(f"cannot read {path}: {error.strerror or error}: name a file (mmdb)") from error

    def find(self, ip: str) -> Place:
        """What the file says of an address; nothing of what is no address."""
        try:
            found = self._reader.get(ip)
        except (maxminddb.InvalidDatabaseError, UnicodeDecodeError):
            self.broken += 1
            return Place()
        except ValueError:
            return Place()
        if not isinstance(found, dict):
            return Place()
        number = found.get("autonomous_system_number")
        return Place(
            country=_text(found, "country", "iso_code") or _text(found, "registered_country", "iso_code"),
            city=_text(found, "city", "names", "en"),
            as_number=number if isinstance(number, int) else 0,
            as_organization=_text(found, "autonomous_system_organization"),
        )


def joined(places: list[Place]) -> Place:
    """What several files say together, the first that knows it of each thing."""
    return Place(
        country=next((place.country for place in places if place.country), ""),
        city=next((place.city for place in places if place.city), ""),
        as_number=next((place.as_number for place in places if place.as_number), 0),
        as_organization=next((place.as_organization for place in places if place.as_organization), ""),
    )


def _text(record: Any, *names: str) -> str:
    for name in names:
        record = record.get(name) if isinstance(record, dict) else None
    return record if isinstance(record, str) else ""
