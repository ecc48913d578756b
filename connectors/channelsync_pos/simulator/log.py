"""What has reached the simulated till's server, in the order in which it did."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from channelsync.sdk.types import Instant
from channelsync_pos.mapping import return_order_id, sale_order_id

__all__ = ["Entry", "EventLog"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event of a register."""

    kind: str
    data: Mapping[str, Any]

    @property
    def register_id(self) -> str:
        """Whose event it is."""
        return str(self.data["register_id"])

    @property
    def sequence(self) -> int:
        """Its place in that register's numbering."""
        return int(self.data["sequence"])

    @property
    def order_ids(self) -> set[str]:
        """The sale and the return that it is about."""
        ids = set()
        if (sale_id := self.data.get("sale_id")) is not None:
            seller = self.data.get("sale_register_id", self.register_id)
            ids.add(sale_order_id(seller, sale_id))
        if (return_id := self.data.get("return_id")) is not None:
            ids.add(return_order_id(self.register_id, return_id))
        return ids

    def wire(self) -> dict[str, Any]:
        """As it stands in an answer of the API."""
        return {"type": self.kind, "data": dict(self.data)}


@dataclass(slots=True)
class EventLog:
    """Uploads, numbered as they arrive; that number is the API's cursor."""

    entries: list[Entry] = field(default_factory=list)
    uploaded_at: list[Instant] = field(default_factory=list)
    _held: dict[str, dict[int, Entry]] = field(default_factory=dict)
    _lost: dict[str, dict[int, Entry]] = field(default_factory=dict)
    _through: dict[str, int] = field(default_factory=dict)

    def append(self, entry: Entry, *, at: Instant) -> None:
        """An event has arrived."""
        self.entries.append(entry)
        self.uploaded_at.append(at)
        self._held.setdefault(entry.register_id, {})[entry.sequence] = entry

    def lose(self, entry: Entry) -> None:
        """An event did not arrive; its register has it still."""
        self._lost.setdefault(entry.register_id, {})[entry.sequence] = entry

    def restore(self, entry: Entry, *, at: Instant) -> None:
        """A lost event is uploaded again; one that is here already changes nothing."""
        if self._lost.get(entry.register_id, {}).pop(entry.sequence, None) is not None:
            self.append(entry, at=at)

    def of_register(self, register_id: str, *, from_sequence: int) -> list[Entry]:
        """A register's events from a number on, the lost ones too: the register has them still."""
        held, lost = self._held.get(register_id, {}), self._lost.get(register_id, {})
        numbers = sorted(number for number in {**held, **lost} if number >= from_sequence)
        return [held.get(number) or lost[number] for number in numbers]

    def received_to(self, register_id: str) -> int:
        """Every event of the register up to this number is here."""
        held, number = self._held.get(register_id, {}), self._through.get(register_id, 0)
        while number + 1 in held:
            number += 1
        self._through[register_id] = number
        return number

    def page(self, start: int, limit: int) -> list[Entry]:
        """Events from a place on."""
        return self.entries[start : start + limit]

    def place_of(self, at: Instant) -> int:
        """Where the uploads of `at` and later begin."""
        return bisect_left(self.uploaded_at, at)

    def about(self, order_ids: Iterable[str]) -> list[Entry]:
        """Every event about some sales and returns."""
        wanted = set(order_ids)
        return [entry for entry in self.entries if entry.order_ids & wanted]
