"""From an order as Shopify tells it, by poll or by webhook, to order facts.

Both shapes are reduced to one `OrderView` first: identifiers, quantities and times, no person.
The arithmetic below is therefore the same whichever way an order was heard of.

For a line of `quantity` units Shopify tells `current` (less everything refunded or removed),
`unfulfilled` (still to ship) and its fulfilments. Every unit was shipped, was taken off before
shipping, or is still to ship; of those shipped some came back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from channelsync.sdk.types import CancelEffect, Instant, OrderFact

__all__ = [
    "LineView",
    "OrderView",
    "Refunded",
    "Shipment",
    "Shipped",
    "facts_of",
    "safe_origin",
    "safe_status",
    "units_shipped",
]

ORIGIN_PATTERN: Final = re.compile(r"[A-Za-z0-9_.:-]{1,40}")
STATUS_PATTERN: Final = re.compile(r"[A-Z_]{1,40}")
ONLINE_STORE: Final = "web"
"""The source whose orders are created at the moment their stock is taken. Others (tills, drafts,
imports) may take it earlier or later, so the time of their sale is not known."""
NOT_PAID: Final = frozenset({"PENDING"})
UNDONE: Final = frozenset({"CANCELLED", "ERROR", "FAILURE"})
"""States of a fulfilment whose units count as still to ship again."""

Count = Annotated[int, Field(ge=0)]
GlobalId = Annotated[str, StringConstraints(pattern=r"^gid://shopify/[A-Za-z]+/[0-9A-Za-z_?=&-]+$")]
Sku = Annotated[str, StringConstraints(max_length=255)]


class _View(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Refunded(_View):
    """Units of a line in one refund."""

    units: Count
    restock: str
    """CANCEL, RETURN, NO_RESTOCK or LEGACY_RESTOCK."""
    location: GlobalId | None = None
    at: Instant | None = None


class LineView(_View):
    """One order line."""

    line_id: GlobalId
    sku: Sku | None = None
    variant_id: GlobalId | None = None
    inventory_item_id: GlobalId | None = None
    tracked: bool | None = None
    """None: not told (the variant is gone)."""
    gift_card: bool = False
    quantity: Count
    current: Count
    unfulfilled: Count
    shipped: Count
    """Units that were ever in a fulfilment; see `units_shipped`."""
    standing: Count
    """Those of them whose fulfilment was not taken back."""
    shipped_at: Instant | None = None
    refunded: tuple[Refunded, ...] = ()


class OrderView(_View):
    """One order."""

    order_id: GlobalId
    test: bool
    confirmed: bool
    financial_status: str
    source: str
    retail_location: GlobalId | None = None
    created_at: Instant
    updated_at: Instant
    cancelled_at: Instant | None = None
    lines: tuple[LineView, ...]


def safe_origin(text: str | None) -> str:
    """A source's name if it looks like a code word; free text could name a person."""
    if not text:
        return ""
    return text if ORIGIN_PATTERN.fullmatch(text) else "other"


def safe_status(text: str | None) -> str:
    """A status in GraphQL's spelling; empty if it is none."""
    status = (text or "").upper()
    return status if STATUS_PATTERN.fullmatch(status) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Units of a line in one fulfilment."""

    status: str
    units: int
    at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What a line's fulfilments say."""

    ever: int = 0
    """Units that ever left."""
    standing: int = 0
    """Those of them whose fulfilment was not taken back."""
    at: Instant | None = None
    """When the latest of them left."""


def units_shipped(quantity: int, shipments: Sequence[Shipment]) -> Shipped:
    """What of a line of `quantity` units was shipped.

    A cancelled fulfilment puts its units back among those to ship. They were counted as gone when
    it began, and stay so, because counts of an order line only grow.
    """
    live = sum(one.units for one in shipments if one.status not in UNDONE)
    undone = sum(one.units for one in shipments if one.status in UNDONE)
    times = [one.at for one in shipments if one.units]
    known = [at for at in times if at is not None]
    return Shipped(
        ever=min(live + undone, quantity),
        standing=min(live, quantity),
        at=max(known) if known and None not in times else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """Where a line's units are."""

    cancelled: int
    returned: int
    relisted: int
    effect: CancelEffect
    told: bool
    """Whether refunds account for every unit taken off."""


_NOTHING_OFF: Final = _Split(
    cancelled=0, returned=0, relisted=0, effect=CancelEffect.UNSURE, told=True
)


def _split(order: OrderView, line: LineView, location: str) -> _Split:
    called_off = order.cancelled_at is not None
    if not called_off and line.current >= line.quantity and not line.refunded:
        return _NOTHING_OFF  # as most orders are when they are heard of
    shipped = line.shipped
    to_ship = 0 if called_off else line.unfulfilled
    not_shipped = line.quantity - shipped
    all_but_away = line.quantity - line.standing
    removed = max(line.quantity - line.current, all_but_away if called_off else 0)
    cancelled = max(min(not_shipped - to_ship, removed, not_shipped), removed - shipped, 0)
    cancelled = min(cancelled, not_shipped)
    returned = min(removed - cancelled, shipped)
    here = _restocked(line, location, here=True)
    elsewhere = _restocked(line, location, here=False)
    untold = max(removed - sum(one.units for one in line.refunded), 0)
    cancel_restocks = here.get("CANCEL", 0)
    other_restocks = here.get("RETURN", 0) + here.get("LEGACY_RESTOCK", 0)
    spare = max(cancel_restocks + untold - cancelled, 0)
    return _Split(
        cancelled=cancelled,
        returned=returned,
        relisted=min(returned, other_restocks + spare),
        effect=_effect(
            cancelled,
            surely=cancel_restocks,
            perhaps=untold
            + sum(elsewhere.values())
            + here.get("LEGACY_RESTOCK", 0)
            + max(here.get("RETURN", 0) - returned, 0),
        ),
        told=untold == 0,
    )


def _restocked(line: LineView, location: str, *, here: bool) -> dict[str, int]:
    """Units put back, by kind, at our location (or an untold one), or at others."""
    found: dict[str, int] = {}
    for one in line.refunded:
        ours = one.location in {None, location}
        if one.restock != "NO_RESTOCK" and ours == here:
            found[one.restock] = found.get(one.restock, 0) + one.units
    return found


def _effect(cancelled: int, *, surely: int, perhaps: int) -> CancelEffect:
    """What the channel did with the cancelled units. Mixed: unsure, which is always safe."""
    if surely >= cancelled:
        return CancelEffect.RELISTED if cancelled else CancelEffect.UNSURE
    return CancelEffect.UNSURE if surely or perhaps else CancelEffect.NOT_RELISTED


def _cancelled_at(order: OrderView, line: LineView, *, told: bool) -> Instant | None:
    """No earlier than the last cancel of the line; None where one has no known time."""
    times = [one.at for one in line.refunded]
    known = [at for at in (*times, order.cancelled_at) if at is not None]
    dated = order.cancelled_at is not None or (told and None not in times)
    return max(known) if dated and known else None


def _is_stock(line: LineView) -> bool:
    """Whether a line can be stock of ours: not a gift card, not a custom item without a SKU."""
    if line.gift_card:
        return False
    return bool(line.sku) or (line.variant_id is not None and line.tracked is not False)


def _fact(order: OrderView, line: LineView, location: str) -> OrderFact:
    split = _split(order, line, location)
    at_another_location = order.retail_location not in {None, location}
    online = order.source == ONLINE_STORE and order.confirmed
    external = {
        name: value
        for name, value in (
            ("inventory_item_id", line.inventory_item_id),
            ("variant_id", line.variant_id),
        )
        if value is not None
    }
    return OrderFact(
        order_id=order.order_id,
        line_id=line.line_id,
        sku=line.sku or None,
        external=external,
        ordered=line.quantity,
        cancelled=split.cancelled,
        shipped=line.shipped,
        returned=split.returned,
        relisted=split.relisted,
        version=order.updated_at,
        sold_at=order.created_at if online else None,
        cancelled_at=(_cancelled_at(order, line, told=split.told) if split.cancelled else None),
        shipped_at=line.shipped_at if line.shipped else None,
        cancel_effect=split.effect,
        pending=not order.confirmed or order.financial_status in NOT_PAID,
        moves_counter=line.tracked is not False and not at_another_location,
        location=order.retail_location,
        origin=order.source,
    )


def facts_of(order: OrderView, *, location: str, count_test_orders: bool) -> tuple[OrderFact, ...]:
    """The facts of an order's lines, as seen from the one location that we sell from."""
    if order.test and not count_test_orders:
        return ()
    return tuple(_fact(order, line, location) for line in order.lines if _is_stock(line))
