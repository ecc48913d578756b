"""The return desk: a person looks at what came back, and says what becomes of it.

Only what was found sellable is on hand again; damaged units and those that go back to the supplier
are written down. A return belongs to an order line where one is known, so that nothing is put on
the shelf that cannot have left it; a parcel that nobody can place is taken in by its SKU alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.inspections import inspected_units, note_told
from channelsync.engine.stock_changes import write_changes
from channelsync.engine.stock_checks import check_reason, check_units
from channelsync.engine.stock_desk import StockChange
from channelsync.engine.stock_errors import StockRefused
from channelsync.engine.stock_places import Place, find_item, find_place
from channelsync.store.ledger import StockMove
from channelsync.store.locks import lock_orders
from channelsync.store.stock_queries import Item, load_locations
from channelsync.store.tables import (
    InspectionOutcome,
    MovementKind,
    Quantity,
    inspections,
    line_stock,
    order_lines,
    recipes,
)

__all__ = ["Inspect", "Inspected", "OrderRef", "ReturnDesk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRef:
    """An order of a channel; its line where the order has several of the SKU."""

    channel: str
    order: str
    line: str | None = None

    @property
    def text(self) -> str:
        """For messages."""
        return f"{self.channel} order {self.order}" + (f" / {self.line}" if self.line else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspect:
    """What a person found."""

    sku: str
    outcomes: Mapping[InspectionOutcome, int]
    reason: str
    actor: str
    of: OrderRef | None = None
    location: str | None = None
    """Where the units are; None: where they were shipped from, or the only place there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What an inspection changed."""

    change: StockChange
    outcomes: Mapping[str, int] = field(default_factory=dict)
    left: int | None = None
    """Units of the line that may still come back or be looked at; None without an order."""


class ReturnDesk:
    """Returns over one engine's store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def inspect(self, wanted: Inspect) -> Inspected:
        """Take an inspection into the books, in one transaction.

        Raises:
            UnknownItem, UnknownLocation: there is no such place.
            StockRefused: nothing was looked at, no reason, no such order line, or more units than
                can have come back of it.
        """
        check_reason(wanted.reason)
        found = {outcome: units for outcome, units in wanted.outcomes.items() if units}
        for outcome, units in found.items():
            check_units(outcome, units)
        if not found:
            raise StockRefused("say how many units were sellable, damaged or go to the supplier")
        async with self._engine.database.write() as tx:
            now = self._engine.now()
            item = await find_item(tx, wanted.sku)
            line = None if wanted.of is None else await _line(tx, wanted.of, item)
            place = await find_place(tx, wanted.sku, await _home(tx, wanted, line, item))
            left = None
            if line is not None and wanted.of is not None:
                left = await _left(tx, line, item, place, now)
                if sum(found.values()) > left:
                    raise StockRefused(
                        f"of {wanted.of.text} at most {left} more units of {item.sku} can have come"
                        " back: the others never left, or were looked at before"
                    )
                left -= sum(found.values())
            await _write(tx, found, line, place, wanted, now)
            sellable = found.get(InspectionOutcome.SELLABLE, 0)
            await write_changes(tx, [_move(place, sellable, line, wanted, now)], now=now)
        before = place.stored.level.on_hand
        change = StockChange(
            sku=item.sku,
            location=place.location.code,
            quantity=Quantity.ON_HAND,
            before=before,
            after=before + sellable,
        )
        outcomes = {outcome.value: units for outcome, units in sorted(found.items())}
        return Inspected(change=change, outcomes=outcomes, left=left)


# ------------------------------------------------------------------ finding


async def _line(tx: AsyncConnection, ref: OrderRef, item: Item) -> Any:
    """The one line of the order that sold the item; its facts stay as they are meanwhile."""
    await lock_orders(tx, ref.channel)
    line = order_lines.c
    query = (
        sa.select(order_lines, recipes.c.units)
        .join(recipes, recipes.c.listing_id == line.listing_id)
        .where(
            line.channel == ref.channel,
            line.order_id == ref.order,
            recipes.c.item_id == item.id,
        )
        .order_by(line.line_id)
    )
    if ref.line is not None:
        query = query.where(line.line_id == ref.line)
    rows = (await tx.execute(query)).all()
    if not rows:
        raise StockRefused(
            f"no counted line of {ref.text} holds {item.sku}: see `channelsync orders --channel"
            f" {ref.channel}`; without --order the units are taken in by their SKU alone"
        )
    if len(rows) > 1:
        several = ", ".join(row.line_id for row in rows)
        raise StockRefused(f"{ref.text} holds {item.sku} on several lines, say which: {several}")
    return rows[0]


async def _home(tx: AsyncConnection, wanted: Inspect, line: Any, item: Item) -> str:
    """The code of the location that the units are at."""
    if wanted.location is not None:
        return wanted.location
    places = await load_locations(tx)
    if line is not None:
        held = (
            sa.select(line_stock.c.location_id)
            .where(line_stock.c.line_id == line.id, line_stock.c.item_id == item.id)
            .order_by(line_stock.c.shipped.desc(), line_stock.c.location_id)
            .limit(1)
        )
        home = (await tx.execute(held)).scalar()
        codes = {place.id: code for code, place in places.items()}
        if home in codes:
            return codes[home]
        if line.location in places:
            return str(line.location)
    active = [code for code, place in places.items() if place.active]
    if len(active) == 1:
        return active[0]
    raise StockRefused(f"say where the units are, with --location: {', '.join(active)}")


async def _left(tx: AsyncConnection, line: Any, item: Item, place: Place, now: Instant) -> int:
    """Units of a line that may have come back and that nobody has looked at.

    What the channel told of before anybody looked here is written down first.
    """
    told = line.restocked * line.units
    actor = f"order:{line.channel}"
    await note_told(tx, line.id, item.id, place.location.id, told=told, actor=actor, now=now)
    shipped = sa.select(sa.func.coalesce(sa.func.sum(line_stock.c.shipped), 0)).where(
        line_stock.c.line_id == line.id, line_stock.c.item_id == item.id
    )
    held = int((await tx.execute(shipped)).scalar_one())
    most: int = max(held, max(line.shipped, line.returned) * line.units)
    return most - await inspected_units(tx, line.id, item.id)


# ------------------------------------------------------------------ writing


async def _write(
    tx: AsyncConnection,
    found: Mapping[InspectionOutcome, int],
    line: Any,
    place: Place,
    wanted: Inspect,
    now: Instant,
) -> None:
    rows = [
        {
            "line_id": None if line is None else line.id,
            "item_id": place.item.id,
            "location_id": place.location.id,
            "outcome": outcome,
            "units": units,
            "at": now,
            "actor": wanted.actor,
            "note": wanted.reason,
        }
        for outcome, units in sorted(found.items())
    ]
    await tx.execute(sa.insert(inspections), rows)


def _move(place: Place, sellable: int, line: Any, wanted: Inspect, now: Instant) -> StockMove:
    return StockMove(
        item_id=place.item.id,
        location_id=place.location.id,
        quantity=Quantity.ON_HAND,
        delta=sellable,
        kind=MovementKind.INSPECTION,
        actor=wanted.actor,
        at=now,
        reference="" if line is None else f"{line.order_id}/{line.line_id}",
        note=wanted.reason,
    )
