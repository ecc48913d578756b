"""The stock desk: what people and other systems do to stock by hand.

Every use case is one write transaction: it changes everything that it says, leaves movements behind
that say who and why, and has the item's listings looked at; or it raises a `StockError` and changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from channelsync.domain.vocabulary import Instant
from channelsync.domain.wording import counted
from channelsync.engine.returns_view import uninspected_units
from channelsync.engine.stock_changes import (
    count_move,
    plan_count,
    spoken_instant,
    write_changes,
)
from channelsync.engine.stock_checks import (
    check_delta,
    check_reason,
    check_sku,
    check_text,
    check_units,
)
from channelsync.engine.stock_errors import (
    ItemExists,
    StaleCount,
    StockRefused,
)
from channelsync.engine.stock_places import Place, find_item, find_place, require_unfolded
from channelsync.engine.stock_view import ItemStock, view_stock
from channelsync.ports import Environment
from channelsync.store.database import Database
from channelsync.store.ledger import StockMove
from channelsync.store.stock_queries import (
    find_items,
    levels_at,
    load_levels,
    load_locations,
    units_moved_since,
)
from channelsync.store.tables import MovementKind, Quantity, items

__all__ = ["StockChange", "StockDesk"]

_log = structlog.get_logger("channelsync.stock")


@dataclass(frozen=True, slots=True, kw_only=True)
class StockChange:
    """One number that a use case changed (or, where both are equal, confirmed)."""

    sku: str
    location: str
    quantity: Quantity
    before: int
    after: int


class StockDesk:
    """Counts, adjustments, safety stock and items, over one database."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment

    # ------------------------------------------------------------ items

    async def create_item(
        self, sku: str, *, name: str = "", tags: Iterable[str] = (), actor: str
    ) -> int:
        """Make a new item without stock. Returns its id.

        Raises:
            ItemExists: the SKU is taken.
            StockRefused: the SKU or the name is no proper text.
        """
        check_sku(sku)
        check_text("name", name)
        async with self._database.write() as tx:
            if await find_items(tx, [sku]):
                raise ItemExists(sku)
            values = {
                "sku": sku,
                "name": name,
                "tags": sorted(set(tags)),
                "created_at": self._environment.now(),
            }
            result = await tx.execute(sa.insert(items).values(values).returning(items.c.id))
            item_id: int = result.scalar_one()
        _log.info("item created", sku=sku, actor=actor)
        return item_id

    async def rename_item(self, sku: str, new_sku: str, *, actor: str) -> None:
        """Give an item another SKU; its stock, history and listings stay with it.

        Raises:
            UnknownItem: nothing has the old SKU.
            ItemExists: something has the new one.
            StockRefused: the new SKU is no proper text.
        """
        check_sku(new_sku)
        async with self._database.write() as tx:
            item = await find_item(tx, sku)
            if await find_items(tx, [new_sku]):
                raise ItemExists(new_sku)
            await tx.execute(sa.update(items).where(items.c.id == item.id).values(sku=new_sku))
        _log.info("item renamed", sku=sku, new_sku=new_sku, actor=actor)

    async def name_item(self, sku: str, name: str, *, actor: str) -> None:
        """Set the name that people read.

        Raises:
            UnknownItem: nothing has the SKU.
            StockRefused: the name is no proper text.
        """
        check_text("name", name)
        async with self._database.write() as tx:
            item = await find_item(tx, sku)
            await tx.execute(sa.update(items).where(items.c.id == item.id).values(name=name))
        _log.info("item named", sku=sku, actor=actor)

    # ------------------------------------------------------------ numbers

    async def count(
        self,
        sku: str,
        location: str,
        on_hand: int,
        *,
        reason: str,
        actor: str,
        counted_at: Instant | None = None,
    ) -> StockChange:
        """Take a count into the books; without `counted_at` it was taken just now.

        Units that came or went after the count are applied again, so a count may be entered hours
        after it was taken.

        Raises:
            UnknownItem, UnknownLocation: there is no such place.
            StaleCount: a later count is already in the books.
            StockRefused: a count below 0, of the future or too long ago, or without a reason.
        """
        check_units("a count", on_hand)
        check_reason(reason)
        async with self._database.write() as tx:
            place = await find_place(tx, sku, location)
            now = self._environment.now()
            at = now if counted_at is None else counted_at
            if at > now:
                raise StockRefused(f"the count of {place.text} lies in the future, at {_at(at)}")
            await require_unfolded(tx, at)
            key = (place.item.id, place.location.id)
            moved = await units_moved_since(tx, [place.item.id], at)
            plan = plan_count(place.stored, on_hand, counted_at=at, moved_since=moved.get(key, 0))
            if plan.stale:
                raise StaleCount(place.text, _at(at), _at(plan.last_counted_at or at))
            move = count_move(key, plan, counted_at=at, reason=reason, actor=actor, now=now)
            await write_changes(tx, [move], now=now, counted={key: at})
        return _change(place, Quantity.ON_HAND, plan.before, plan.after)

    async def adjust(
        self, sku: str, location: str, delta: int, *, reason: str, actor: str
    ) -> StockChange:
        """Add units that were found, or take off units that broke or vanished.

        Raises:
            UnknownItem, UnknownLocation: there is no such place.
            StockRefused: nothing to change, no reason, or more units taken off than are there.
        """
        check_delta(delta)
        check_reason(reason)
        async with self._database.write() as tx:
            place = await find_place(tx, sku, location)
            before = place.stored.level.on_hand
            _check_there(place, -delta)
            now = self._environment.now()
            move = _move(
                place, Quantity.ON_HAND, delta, MovementKind.ADJUSTMENT, reason, actor, now
            )
            await write_changes(tx, [move], now=now)
        return _change(place, Quantity.ON_HAND, before, before + delta)

    async def set_safety_stock(
        self, sku: str, location: str, units: int, *, reason: str, actor: str
    ) -> StockChange:
        """Set how many units of an item are never offered from a location.

        Raises:
            UnknownItem, UnknownLocation: there is no such place.
            StockRefused: below 0, or without a reason.
        """
        return await self._set(Quantity.SAFETY_STOCK, sku, location, units, reason, actor)

    async def set_on_order(
        self, sku: str, location: str, units: int, *, reason: str, actor: str
    ) -> StockChange:
        """Set how many units are inbound; they count for the future ATP alone.

        Raises:
            UnknownItem, UnknownLocation: there is no such place.
            StockRefused: below 0, or without a reason.
        """
        return await self._set(Quantity.ON_ORDER, sku, location, units, reason, actor)

    async def _set(
        self, quantity: Quantity, sku: str, location: str, units: int, reason: str, actor: str
    ) -> StockChange:
        check_units(quantity.replace("_", " "), units)
        check_reason(reason)
        safety = quantity is Quantity.SAFETY_STOCK
        kind = MovementKind.SAFETY_STOCK if safety else MovementKind.ADJUSTMENT
        async with self._database.write() as tx:
            place = await find_place(tx, sku, location)
            level = place.stored.level
            before = level.safety_stock if safety else level.on_order
            now = self._environment.now()
            move = _move(place, quantity, units - before, kind, reason, actor, now)
            await write_changes(tx, [move], now=now)
        return _change(place, quantity, before, units)

    # ------------------------------------------------------------ reading

    async def show(
        self, sku: str, *, at: Instant | None = None, default_safety_stock: int = 0
    ) -> ItemStock:
        """An item's stock by pool and location; with `at`, as the books showed it then.

        `default_safety_stock` is the configuration's, once per pool without one of its own.

        Raises:
            UnknownItem: nothing has the SKU.
            StockRefused: `at` lies in the future, or before what the ledger still tells.
        """
        if at is not None and at > self._environment.now():
            raise StockRefused(f"{_at(at)} lies in the future: nothing is known of it")
        async with self._database.read() as tx:
            item = await find_item(tx, sku)
            uninspected = None
            if at is None:
                levels = await load_levels(tx, [item.id])
                uninspected = await uninspected_units(tx, [item.id])
            else:
                await require_unfolded(tx, at)
                levels = await levels_at(tx, item.id, at)
            places = await load_locations(tx)
        return view_stock(
            item,
            places.values(),
            levels,
            default_safety_stock=default_safety_stock,
            uninspected=uninspected,
        )


# ------------------------------------------------------------------ shaping


def _check_there(place: Place, taken: int) -> None:
    on_hand = place.stored.level.on_hand
    if taken > max(on_hand, 0):
        raise StockRefused(
            f"{place.text} has {counted(on_hand, 'unit')} on hand, {taken} cannot be taken"
            " off: count it, if the books are wrong"
        )


def _move(
    place: Place,
    quantity: Quantity,
    delta: int,
    kind: MovementKind,
    reason: str,
    actor: str,
    now: Instant,
) -> StockMove:
    return StockMove(
        item_id=place.item.id,
        location_id=place.location.id,
        quantity=quantity,
        delta=delta,
        kind=kind,
        actor=actor,
        at=now,
        note=reason,
    )


def _change(place: Place, quantity: Quantity, before: int, after: int) -> StockChange:
    return StockChange(
        sku=place.item.sku,
        location=place.location.code,
        quantity=quantity,
        before=before,
        after=after,
    )


def _at(at: Instant) -> str:
    return spoken_instant(at)
