"""What we read of Square's answers: identifiers, states, quantities and times, and no person.

Fields that are not named here (customers, employees, cards, addresses, prices) are dropped while
reading.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator

from channelsync.sdk.types import Instant
from channelsync.sdk.wire import JsonAnswer, Shape, Wire, shaped
from channelsync_square.times import decimal, instant

__all__ = [
    "Adjustment",
    "CatalogObject",
    "CatalogPage",
    "Change",
    "ChangesPage",
    "Count",
    "CountsPage",
    "Item",
    "LocationOverride",
    "LocationsAnswer",
    "PhysicalCount",
    "Place",
    "Time",
    "Variation",
    "told",
    "understood",
]

Time = Annotated[Instant, BeforeValidator(instant)]
Quantity = Annotated[Decimal, BeforeValidator(decimal)]


def understood(model: type[Shape], answer: JsonAnswer) -> Shape:
    """The answer's body as a model.

    Raises:
        Retryable: it is not of the documented shape; the message repeats nothing of it.
    """
    return told(model, answer.body)


def told(model: type[Shape], body: object) -> Shape:
    """A body as a model.

    Raises:
        Retryable: it is not of the documented shape; the message repeats nothing of it.
    """
    return shaped(model, body, of="Square")


# ------------------------------------------------------------------ inventory


class Count(Wire):
    """How many units of a variation are in a state at a location."""

    catalog_object_id: str
    location_id: str
    state: str
    quantity: Quantity
    calculated_at: Time


class CountsPage(Wire):
    """Of counts."""

    counts: tuple[Count, ...] = ()


class Source(Wire):
    """Who made a change."""

    product: str = ""
    application_id: str | None = None


class Adjustment(Wire):
    """Units that went from one state to another."""

    id: str
    reference_id: str | None = None
    from_state: str | None = None
    to_state: str | None = None
    location_id: str | None = None
    from_location_id: str | None = None
    to_location_id: str | None = None
    catalog_object_id: str
    quantity: Quantity
    occurred_at: Time
    created_at: Time
    source: Source = Source()
    transaction_id: str | None = None
    refund_id: str | None = None

    @property
    def leaves(self) -> str | None:
        """The location whose units they were."""
        return self.from_location_id or self.location_id

    @property
    def enters(self) -> str | None:
        """The location whose units they are now."""
        return self.to_location_id or self.location_id


class PhysicalCount(Wire):
    """Somebody counted: so many units, as of `occurred_at`."""

    id: str
    reference_id: str | None = None
    catalog_object_id: str
    state: str
    location_id: str
    quantity: Quantity
    occurred_at: Time
    created_at: Time
    source: Source = Source()


class Change(Wire):
    """A row of the inventory ledger."""

    type: str
    adjustment: Adjustment | None = None
    physical_count: PhysicalCount | None = None


class ChangesPage(Wire):
    """Of the inventory ledger."""

    changes: tuple[Change, ...] = ()
    cursor: str | None = None


# ------------------------------------------------------------------ catalogue, locations


class LocationOverride(Wire):
    """What differs for a variation at one location."""

    location_id: str | None = None
    track_inventory: bool | None = None


class Variation(Wire):
    """What a SKU stands for."""

    item_id: str | None = None
    name: str | None = None
    sku: str | None = None
    track_inventory: bool | None = None
    location_overrides: tuple[LocationOverride, ...] | None = None
    sellable: bool | None = None
    stockable: bool | None = None
    stockable_conversion: dict[str, Any] | None = None
    measurement_unit_id: str | None = None


class Item(Wire):
    """What variations belong to."""

    name: str | None = None
    product_type: str | None = None
    is_archived: bool | None = None


class MeasurementUnit(Wire):
    """How a variation is measured."""

    precision: int | None = None


class CatalogObject(Wire):
    """An item, a variation, or a unit of measure."""

    type: str
    id: str
    is_deleted: bool | None = None
    present_at_all_locations: bool | None = None
    present_at_location_ids: tuple[str, ...] | None = None
    absent_at_location_ids: tuple[str, ...] | None = None
    item_variation_data: Variation | None = None
    item_data: Item | None = None
    measurement_unit_data: MeasurementUnit | None = None

    def is_at(self, location_id: str) -> bool:
        """Whether it is offered there. Square's default is everywhere."""
        if self.present_at_all_locations is False:
            return location_id in (self.present_at_location_ids or ())
        return location_id not in (self.absent_at_location_ids or ())

    def tracked_at(self, location_id: str) -> bool:
        """Whether its units are counted there."""
        variation = self.item_variation_data
        if variation is None:
            return False
        for one in variation.location_overrides or ():
            if one.location_id == location_id and one.track_inventory is not None:
                return one.track_inventory
        return bool(variation.track_inventory)


class CatalogPage(Wire):
    """Of the catalogue."""

    objects: tuple[CatalogObject, ...] = ()
    related_objects: tuple[CatalogObject, ...] = ()
    cursor: str | None = None


class Place(Wire):
    """A location."""

    id: str
    name: str = ""
    status: str = ""
    merchant_id: str | None = None


class LocationsAnswer(Wire):
    """Every location of the seller."""

    locations: tuple[Place, ...] = ()
