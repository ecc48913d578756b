"""The inventory endpoints: batches of changes, counts, and the ledger."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from channelsync_square.simulator.bodies import row_body
from channelsync_square.simulator.books import IN_STOCK, Books, Row
from channelsync_square.simulator.paging import paged
from channelsync_square.simulator.refusals import Refusal
from channelsync_square.simulator.state import World
from channelsync_square.times import instant, iso

__all__ = ["InventoryApi"]

CHANGES_MAX: Final = 100
DAY_SECONDS: Final = 86_400.0
KEY_LENGTH_MAX: Final = 128
WRITABLE: Final = frozenset({"NONE", IN_STOCK, "SOLD", "WASTE", "UNLINKED_RETURN"})
QUANTITY: Final = re.compile(r"-?\d{1,20}(\.\d{1,5})?")
PAGE_SIZE_MAX: Final = 1_000
PARTS: Final = {"ADJUSTMENT": "adjustment", "PHYSICAL_COUNT": "physical_count"}


class InventoryApi:
    """Reads and writes the books."""

    def __init__(self, world: World, books: Books) -> None:
        self.atomic = True
        """Whether one bad change turns the whole batch down; else the others apply, beside an
        error in a successful answer."""
        self._world = world
        self._books = books

    # ------------------------------------------------------------ writing

    def change(
        self, body: Mapping[str, Any], *, two_locations: bool, application_id: str
    ) -> dict[str, Any]:
        """`POST /v2/inventory/changes/batch-create`."""
        changes = body.get("changes") or []
        key = body.get("idempotency_key")
        if not isinstance(key, str) or not 1 <= len(key) <= KEY_LENGTH_MAX:
            raise Refusal(400, "VALUE_TOO_LONG" if key else "MISSING_REQUIRED_PARAMETER", "key")
        if not 1 <= len(changes) <= CHANGES_MAX:
            raise Refusal(400, "ARRAY_LENGTH_TOO_LONG" if changes else "ARRAY_EMPTY", "changes")
        rows: list[Row] = []
        refusals: list[Refusal] = []
        for index, change in enumerate(changes):
            try:
                rows.append(self._row(index, change, two_locations, application_id))
            except Refusal as refusal:
                refusals.append(refusal)
        if refusals and (self.atomic or not rows):
            raise Refusal.of_several(refusals)
        if body.get("ignore_unchanged_counts", True):
            rows = [row for row in rows if not self._unchanged(row)]
        self._books.write(*rows)
        counts = {(row.variation.id, row.location.id): None for row in rows}
        answer: dict[str, Any] = {
            "counts": [self._count(*place) for place in counts],
            "changes": [row_body(row, two_locations=two_locations) for row in rows],
        }
        if refusals:
            answer["errors"] = [one for refusal in refusals for one in refusal.errors]
        return answer

    def _unchanged(self, row: Row) -> bool:
        now = self._books.count(row.variation.id, row.location.id, row.counted_state or "")
        return row.counted_state is not None and now == row.quantity

    def _row(self, index: int, change: Any, two_locations: bool, application_id: str) -> Row:  # noqa: FBT001
        part = PARTS.get(change.get("type"))
        field = f"changes[{index}].{part or 'type'}"
        content = change.get(part) if part is not None else None
        if not isinstance(content, Mapping):
            raise Refusal(400, "MISSING_REQUIRED_PARAMETER", field)
        adjusts = part == "adjustment"
        place = _place(content, field, two_locations=adjusts and two_locations)
        variation = self._world.variations.get(str(content.get("catalog_object_id")))
        if variation is None or variation.deleted:
            raise Refusal(404, "NOT_FOUND", f"{field}.catalog_object_id", "No such variation")
        location = self._world.locations.get(place)
        if location is None:
            raise Refusal(400, "INVALID_VALUE", f"{field}.location_id", "No such location")
        states = _states(content, field, adjusts=adjusts)
        now = self._world.now()
        return Row(
            id=self._world.identifier("ROW"),
            variation=variation,
            location=location,
            quantity=_quantity(content, field, may_be_negative=not adjusts),
            occurred_at=_occurred_at(content, field, now),
            created_at=now,
            product="EXTERNAL_API",
            application_id=application_id,
            reference_id=content.get("reference_id"),
            **states,
        )

    # ------------------------------------------------------------ reading

    def counts(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`POST /v2/inventory/counts/batch-retrieve`: newest first."""
        wanted = _wanted(body)
        states = body.get("states") or [IN_STOCK]
        after = instant(body["updated_after"]) if body.get("updated_after") else 0.0
        places = {
            (row.variation.id, row.location.id): None
            for row in self._books.rows
            if IN_STOCK in states and wanted(row)
        }
        found = [one for one in places if self._books.calculated_at(*one) > after]
        found.sort(key=lambda place: -self._books.calculated_at(*place))
        return paged(
            body, "counts", found, lambda place: self._count(*place), size_max=PAGE_SIZE_MAX
        )

    def changes(self, body: Mapping[str, Any], *, two_locations: bool) -> dict[str, Any]:
        """`POST /v2/inventory/changes/batch-retrieve`: by occurrence, filtered by arrival."""
        wanted = _wanted(body)
        kinds = body.get("types") or ["PHYSICAL_COUNT", "ADJUSTMENT"]
        states = set(body.get("states") or ())
        after = instant(body["updated_after"]) if body.get("updated_after") else 0.0
        before = instant(body["updated_before"]) if body.get("updated_before") else float("inf")
        now = self._world.now()
        rows = [
            row
            for row in self._books.rows
            if after < row.created_at < before
            and wanted(row)
            and row.visible_at <= now
            and ("PHYSICAL_COUNT" if row.counted_state else "ADJUSTMENT") in kinds
            and (not states or row.counted_state or states & {row.from_state, row.to_state})
        ]
        rows.sort(key=lambda row: row.occurred_at)
        return paged(
            body,
            "changes",
            rows,
            lambda row: row_body(row, two_locations=two_locations),
            size_max=PAGE_SIZE_MAX,
        )

    def _count(self, variation_id: str, location_id: str) -> dict[str, Any]:
        quantity = self._books.count(variation_id, location_id)
        return {
            "catalog_object_id": variation_id,
            "catalog_object_type": "ITEM_VARIATION",
            "state": IN_STOCK,
            "location_id": location_id,
            "quantity": str(quantity if quantity is not None else 0),
            "calculated_at": iso(self._books.calculated_at(variation_id, location_id)),
        }


def _wanted(body: Mapping[str, Any]) -> Any:
    variations = frozenset(body.get("catalog_object_ids") or ())
    locations = frozenset(body.get("location_ids") or ())

    def wanted(row: Row) -> bool:
        here = not locations or row.location.id in locations
        return here and (not variations or row.variation.id in variations)

    return wanted


def _place(content: Mapping[str, Any], field: str, *, two_locations: bool) -> str:
    if not two_locations:
        if "from_location_id" in content or "to_location_id" in content:
            raise Refusal(400, "UNKNOWN_BODY_PARAMETER", f"{field}.from_location_id")
        return str(content.get("location_id"))
    if "location_id" in content:
        raise Refusal(400, "UNKNOWN_BODY_PARAMETER", f"{field}.location_id")
    places = {content.get("from_location_id"), content.get("to_location_id")}
    if len(places) != 1:
        raise Refusal(400, "INVALID_VALUE", f"{field}.to_location_id", "No transfers here")
    return str(places.pop())


def _states(content: Mapping[str, Any], field: str, *, adjusts: bool) -> dict[str, Any]:
    names = ("from_state", "to_state") if adjusts else ("state",)
    for name in names:
        if content.get(name) not in WRITABLE:
            raise Refusal(400, "INVALID_ENUM_VALUE", f"{field}.{name}", "A state of Square's own")
    if adjusts:
        return {name: str(content[name]) for name in names}
    return {"counted_state": str(content["state"])}


def _quantity(content: Mapping[str, Any], field: str, *, may_be_negative: bool) -> Decimal:
    text = content.get("quantity")
    if not isinstance(text, str) or not QUANTITY.fullmatch(text):
        raise Refusal(400, "INVALID_VALUE", f"{field}.quantity", "Not a decimal")
    if text.startswith("-") and not may_be_negative:
        raise Refusal(400, "VALUE_TOO_LOW", f"{field}.quantity")
    return Decimal(text)


def _occurred_at(content: Mapping[str, Any], field: str, now: float) -> float:
    try:
        at = instant(content.get("occurred_at"))
    except ValueError:
        raise Refusal(400, "INVALID_TIME", f"{field}.occurred_at") from None
    if not now - DAY_SECONDS <= at <= now:
        words = "Timestamp must not be in the future, nor older than 24 hours"
        raise Refusal(400, "INVALID_TIME", f"{field}.occurred_at", words)
    return at
