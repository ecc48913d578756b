"""Writes of quantities: all or nothing, compared, and once for each idempotency key.

A key lives 24 hours from its first request (shopify.dev, "Idempotent requests"). Whether a refusal
uses up its key is not documented, so both readings can be simulated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from channelsync_shopify.simulator.nodes import InventoryItemNode, LocationNode
from channelsync_shopify.simulator.state import Level, World
from channelsync_shopify.times import global_id, iso

__all__ = ["KEY_LIFE_SECONDS", "Complaint", "Ledger"]

KEY_LIFE_SECONDS: Final = 86_400.0
REASONS: Final = frozenset({"correction", "cycle_count_available", "other", "received", "restock"})
QUANTITY_MAX: Final = 1_000_000_000


@dataclass(slots=True)
class _Key:
    """What became of the first request with a key."""

    first_at: float
    fingerprint: str
    failed: bool
    group_id: str
    touched: tuple[tuple[Level, int], ...]
    reason: str
    uri: str | None


@dataclass(frozen=True, slots=True)
class Complaint:
    """A user error."""

    code: str
    field: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class _Write:
    """One entry of a request."""

    level: Level
    value: int


@dataclass(slots=True)
class Ledger:
    """The shop's inventory writes."""

    world: World
    refusal_uses_up_key: bool = False
    in_flight: set[str] = field(default_factory=set)
    """Keys whose first request is still running elsewhere."""
    applied: int = 0
    """Requests that changed something."""
    _keys: dict[str, _Key] = field(default_factory=dict)

    def set_quantities(self, given: Mapping[str, Any], key: str, body: bytes) -> Mapping[str, Any]:
        """`inventorySetQuantities`."""
        names = {"available", "on_hand"}
        return self._once(given, "quantities", names, key, body, _set_value)

    def adjust_quantities(
        self, given: Mapping[str, Any], key: str, body: bytes
    ) -> Mapping[str, Any]:
        """`inventoryAdjustQuantities`."""
        return self._once(given, "changes", {"available"}, key, body, _adjusted_value)

    def forget_keys(self) -> None:
        """Break the promise that a key stands for one change: every key may be used again."""
        self._keys.clear()

    def _once(
        self,
        given: Mapping[str, Any],
        entries_name: str,
        names: set[str],
        key: str,
        body: bytes,
        value_of: _ValueOf,
    ) -> Mapping[str, Any]:
        now = self.world.now()
        fingerprint = hashlib.sha256(body).hexdigest()
        known = self._keys.get(key)
        if known is not None and now - known.first_at > KEY_LIFE_SECONDS:
            known = None
        if known is not None or key in self.in_flight:
            complaint = self._second_request(known, fingerprint)
            if complaint is not None:
                return _refused([complaint])
            if known is not None and not known.failed:
                return self._answer(known)
        complaints = list(self._general_complaints(given, names, entries_name))
        writes, more = self._writes(given[entries_name], entries_name, value_of)
        complaints += more
        record = _Key(
            first_at=now,
            fingerprint=fingerprint,
            failed=bool(complaints),
            group_id=global_id("InventoryAdjustmentGroup", self.world.number()),
            touched=() if complaints else self._apply(writes),
            reason=given["reason"],
            uri=given.get("referenceDocumentUri"),
        )
        self._keys[key] = record
        return _refused(complaints) if complaints else self._answer(record)

    def _second_request(self, known: _Key | None, fingerprint: str) -> Complaint | None:
        field_name = ("input",)
        if known is None:
            words = "A request with this idempotency key is being processed."
            return Complaint("IDEMPOTENCY_CONCURRENT_REQUEST", field_name, words)
        if known.fingerprint != fingerprint:
            words = "The idempotency key was used with other parameters."
            return Complaint("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", field_name, words)
        if known.failed and self.refusal_uses_up_key:
            words = "The previous attempt with this idempotency key failed."
            return Complaint("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", field_name, words)
        return None

    def _general_complaints(
        self, given: Mapping[str, Any], names: set[str], entries_name: str
    ) -> Sequence[Complaint]:
        found = []
        if given["name"] not in names:
            code = "INVALID_NAME" if entries_name == "quantities" else "INVALID_QUANTITY_NAME"
            found.append(Complaint(code, ("input", "name"), "The quantity name is not valid."))
        if given["reason"] not in REASONS:
            found.append(
                Complaint("INVALID_REASON", ("input", "reason"), "The reason is not valid.")
            )
        uri = given.get("referenceDocumentUri")
        if uri is not None and "://" not in uri:
            where = ("input", "referenceDocumentUri")
            found.append(Complaint("INVALID_REFERENCE_DOCUMENT", where, "The URI is not valid."))
        return found

    def _writes(
        self, entries: Sequence[Mapping[str, Any]], entries_name: str, value_of: _ValueOf
    ) -> tuple[list[_Write], list[Complaint]]:
        writes: list[_Write] = []
        complaints: list[Complaint] = []
        seen: set[Level] = set()
        for position, entry in enumerate(entries):
            where = ("input", entries_name, str(position))
            level = self._level(entry, where)
            if isinstance(level, Complaint):
                complaints.append(level)
                continue
            complaint = _entry_complaint(level, entry, where, seen, value_of)
            seen.add(level)
            if complaint is not None:
                complaints.append(complaint)
            else:
                writes.append(_Write(level, value_of(level, entry)))
        return writes, complaints

    def _level(self, entry: Mapping[str, Any], where: tuple[str, ...]) -> Level | Complaint:
        item = self.world.items.get(_number(entry["inventoryItemId"]))
        if item is None:
            words = "The specified inventory item could not be found."
            return Complaint("INVALID_INVENTORY_ITEM", (*where, "inventoryItemId"), words)
        location = self.world.locations.get(_number(entry["locationId"]))
        if location is None:
            words = "The specified location could not be found."
            return Complaint("INVALID_LOCATION", (*where, "locationId"), words)
        if any(variant.bundle for variant in item.variants):
            words = "The specified inventory item is not allowed to be adjusted."
            return Complaint("NON_MUTABLE_INVENTORY_ITEM", (*where, "inventoryItemId"), words)
        level = item.levels.get(location.number)
        if level is None:
            # Since inactive levels are writable, a write makes the level it needs.
            level = Level(self.world.number(), item, location, self.world.now(), active=False)
            item.levels[location.number] = level
        return level

    def _apply(self, writes: Sequence[_Write]) -> tuple[tuple[Level, int], ...]:
        touched = []
        for write in writes:
            delta = write.value - write.level.available
            touched.append((write.level, delta))
            if delta:
                write.level.available = write.value
                write.level.updated_at = self.world.now()
        if any(delta for _, delta in touched):
            self.applied += 1
            self.world.tell(
                *(("inventory_levels/update", level) for level, delta in touched if delta)
            )
        return tuple(touched)

    def _answer(self, record: _Key) -> Mapping[str, Any]:
        """The answer, rebuilt from what the levels hold now, so a replay may differ."""

        def changes(**_filters: object) -> list[Mapping[str, Any]]:
            return [
                {
                    "name": "available",
                    "delta": delta,
                    "quantity_after_change": level.available,
                    "item": InventoryItemNode(self.world, level.item),
                    "location": LocationNode(level.location),
                }
                for level, delta in record.touched
                if delta
            ]

        if not any(delta for _, delta in record.touched):
            return {"inventory_adjustment_group": None, "user_errors": []}
        group = {
            "id": record.group_id,
            "created_at": iso(record.first_at),
            "reason": record.reason,
            "reference_document_uri": record.uri,
            "changes": changes,
        }
        return {"inventory_adjustment_group": group, "user_errors": []}


_ValueOf = Callable[[Level, Mapping[str, Any]], int]


def _set_value(_level: Level, entry: Mapping[str, Any]) -> int:
    return int(entry["quantity"])


def _adjusted_value(level: Level, entry: Mapping[str, Any]) -> int:
    return level.available + int(entry["delta"])


def _entry_complaint(
    level: Level,
    entry: Mapping[str, Any],
    where: tuple[str, ...],
    seen: set[Level],
    value_of: _ValueOf,
) -> Complaint | None:
    if level in seen:
        words = "The inventory item and location pair is duplicated."
        return Complaint("NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR", where, words)
    expected = entry.get("changeFromQuantity")
    if expected is not None and expected != level.available:
        words = "The changeFromQuantity value does not match persisted value."
        return Complaint("CHANGE_FROM_QUANTITY_STALE", (*where, "changeFromQuantity"), words)
    value = value_of(level, entry)
    if value > QUANTITY_MAX:
        return Complaint("INVALID_QUANTITY_TOO_HIGH", where, "The quantity is too high.")
    if value < -QUANTITY_MAX:
        return Complaint("INVALID_QUANTITY_TOO_LOW", where, "The quantity is too low.")
    return None


def _refused(complaints: Sequence[Complaint]) -> Mapping[str, Any]:
    errors = [
        {"code": one.code, "field": list(one.field), "message": one.message} for one in complaints
    ]
    return {"inventory_adjustment_group": None, "user_errors": errors}


def _number(gid: str) -> int:
    number = gid.rsplit("/", 1)[-1]
    return int(number) if number.isdecimal() else 0
