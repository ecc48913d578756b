"""The holds desk: units kept for carts, and what becomes of them.

A hold takes its units in one transaction: from the slice of the channel that it names, where that
channel has one, and the rest from `free`. A refused hold changes nothing. Held units are reserved
at locations until the hold is released, runs out or ships:

    active ── confirm ──> confirmed ── ship ──> (shipped: the units have left the house)
      ├── release ──> released <── release ──┘
      └── its time is over ──> expired

A confirmed hold is an order of the merchant's own: it keeps its units, without an end, under the
reference that it was confirmed with. No order feed must tell of the same sale again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain import holds
from channelsync.domain.errors import InsufficientFree
from channelsync.domain.escrow import resize_slice
from channelsync.domain.vocabulary import Instant, PushSemantics
from channelsync.engine.books import StockBooks, books_of, load_stock
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants, Listing
from channelsync.engine.hold_rows import (
    ACTOR,
    end_hold,
    held_move,
    hold_row,
    lines_of,
    locked_hold,
    write_hold,
)
from channelsync.engine.stock_errors import UnknownItem
from channelsync.engine.work import WorkKind, mark, mark_items
from channelsync.store import tables
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.stock_queries import closest, find_items, load_items
from channelsync.store.tables import MovementKind, Quantity

__all__ = [
    "EXPIRY_KEY",
    "Hold",
    "HoldRefused",
    "HoldRequest",
    "HoldsDesk",
    "InsufficientUnits",
]

EXPIRY_KEY: Final = "holds"


class HoldRefused(Exception):
    """The request makes no sense as it was asked for; the message says what to do."""


class InsufficientUnits(Exception):
    """Fewer units can be taken than were asked for; nothing was held."""

    def __init__(self, sku: str, wanted: int, available: int) -> None:
        super().__init__(f"{sku}: {wanted} wanted, {available} can be held")
        self.sku = sku
        self.wanted = wanted
        self.available = available


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequest:
    """What a cart wants held."""

    owner: str
    """Whose cart; an opaque id of the caller's, no name and no address."""
    lines: Mapping[str, int]
    """Units by SKU."""
    ttl_seconds: float | None = None
    channel: str | None = None
    replaces: str | None = None
    """A hold of the same owner that this one takes the place of: its units count as available."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold as it stands."""

    id: str
    owner: str
    pool: str
    channel: str | None
    state: str
    reference: str
    lines: Mapping[str, int]
    """Units by SKU, over all locations."""
    created_at: Instant
    expires_at: Instant
    ended_at: Instant | None
    """Since when it keeps nothing any more; None while it does."""


class HoldsDesk:
    """Every use case works in the caller's write transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # ------------------------------------------------------------ use cases

    async def create(self, tx: AsyncConnection, request: HoldRequest) -> Hold:
        """Hold the units, all or none.

        Raises:
            InsufficientUnits: fewer can be taken.
            UnknownItem, UnknownHold, HoldConflict, HoldRefused: the request does not fit.
        """
        now = self._engine.now()
        ids = await _item_ids(tx, request.lines)
        if request.replaces is not None:
            # A hold before its items, as everywhere.
            await locked_hold(tx, request.replaces)
        pool = await _pool_of(tx, request.channel)
        grants = Grants(tx, now, ACTOR)
        await grants.load_items(ids.values())
        stock = await load_stock(tx, pool, ids.values())
        if not stock.places:
            raise HoldRefused(f"pool {pool} has no location to hold units at")
        if request.replaces is not None:
            await self._give_up(tx, request, stock, now)
        hold_id = self._engine.environment.new_id()
        moves: list[StockMove] = []
        for sku, units in sorted(request.lines.items()):
            self._take(grants, stock, request.channel, ids[sku], sku, units, hold_id)
            for place, count in stock.route(ids[sku], units).items():
                stock.reserve(ids[sku], place, count)
                moves.append(held_move(ids[sku], place, count, MovementKind.HOLD, hold_id, now))
        await grants.flush()
        await move_stock(tx, moves)
        expires_at = now + (request.ttl_seconds or self._engine.policy.hold_ttl_seconds)
        await _insert(tx, hold_id, pool, request, moves, now, expires_at)
        await mark_items(tx, ids.values(), now)
        await mark(tx, WorkKind.EXPIRE, EXPIRY_KEY, not_before=expires_at)
        return Hold(
            id=hold_id,
            owner=request.owner,
            pool=pool,
            channel=request.channel,
            state=holds.HoldState.ACTIVE,
            reference="",
            lines=dict(sorted(request.lines.items())),
            created_at=now,
            expires_at=expires_at,
            ended_at=None,
        )

    async def extend(self, tx: AsyncConnection, hold_id: str, ttl_seconds: float | None) -> Hold:
        """Keep the units for `ttl_seconds` from now, if that is later than its present end.

        Raises:
            UnknownHold: there is no such hold.
            HoldConflict: it is not active, or its time is over.
        """
        now = self._engine.now()
        hold = await locked_hold(tx, hold_id)
        until = now + (ttl_seconds or self._engine.policy.hold_ttl_seconds)
        extended = holds.extend(hold, until, now=now)
        await write_hold(tx, hold_id, expires_at=extended.expires_at)
        return await self.view(tx, hold_id)

    async def confirm(self, tx: AsyncConnection, hold_id: str, reference: str) -> Hold:
        """Turn the cart into an order: from now on its units are kept without an end.

        Raises:
            UnknownHold: there is no such hold.
            HoldConflict: it is not active, or its time is over.
        """
        hold = await locked_hold(tx, hold_id)
        confirmed = holds.confirm(hold, now=self._engine.now())
        await write_hold(tx, hold_id, state=confirmed.state, reference=reference)
        return await self.view(tx, hold_id)

    async def release(self, tx: AsyncConnection, hold_id: str) -> Hold:
        """Give the units back: the cart was left, or its order called off before it shipped.

        Raises:
            UnknownHold: there is no such hold.
            HoldConflict: it keeps nothing any more.
        """
        now = self._engine.now()
        released = holds.release(await locked_hold(tx, hold_id), now=now)
        await end_hold(tx, released, MovementKind.HOLD_RELEASE, now=now)
        return await self.view(tx, hold_id)

    async def ship(self, tx: AsyncConnection, hold_id: str) -> Hold:
        """The units of a confirmed hold have left the house.

        Raises:
            UnknownHold: there is no such hold.
            HoldConflict: it is not confirmed, or has shipped.
        """
        now = self._engine.now()
        shipped = holds.ship(await locked_hold(tx, hold_id), now=now)
        lines = (await tx.execute(lines_of(hold_id))).all()
        kind = MovementKind.SHIPMENT
        moves = []
        for line in lines:
            key = (line.item_id, line.location_id)
            moves.append(held_move(*key, -line.units, kind, hold_id, now))
            moves.append(held_move(*key, -line.units, kind, hold_id, now, Quantity.ON_HAND))
        await move_stock(tx, moves)
        await write_hold(tx, hold_id, ended_at=shipped.ended_at)
        await mark_items(tx, (line.item_id for line in lines), now)
        return await self.view(tx, hold_id)

    async def view(self, tx: AsyncConnection, hold_id: str) -> Hold:
        """The hold as it stands; a read transaction will do.

        Raises:
            UnknownHold: there is no such hold.
        """
        row = await hold_row(tx, hold_id)
        held, items = tables.hold_lines, tables.items
        query = (
            sa.select(items.c.sku, sa.func.sum(held.c.units).label("units"))
            .join(items, items.c.id == held.c.item_id)
            .where(held.c.hold_id == hold_id)
            .group_by(items.c.sku)
            .order_by(items.c.sku)
        )
        lines = {line.sku: int(line.units) for line in await tx.execute(query)}
        return Hold(
            id=row.id,
            owner=row.owner,
            pool=row.pool,
            channel=row.channel,
            state=row.state,
            reference=row.reference,
            lines=lines,
            created_at=row.created_at,
            expires_at=row.expires_at,
            ended_at=row.ended_at,
        )

    # ------------------------------------------------------------ taking

    async def _give_up(
        self, tx: AsyncConnection, request: HoldRequest, stock: StockBooks, now: Instant
    ) -> None:
        """End the hold that the new one replaces, so that its owner is not blocked by himself."""
        old = await locked_hold(tx, request.replaces or "")
        holds.require_active(old, now=now)
        if old.owner != request.owner:
            raise HoldRefused(f"hold {old.hold_id} belongs to another owner: it cannot be replaced")
        pool = (await hold_row(tx, old.hold_id)).pool
        if pool != stock.pool:
            raise HoldRefused(f"hold {old.hold_id} is of pool {pool}: release it instead")
        for line in (await tx.execute(lines_of(old.hold_id))).all():
            stock.reserve(line.item_id, line.location_id, -line.units)
        released = holds.release(old, now=now)
        await end_hold(tx, released, MovementKind.HOLD_RELEASE, now=now)

    def _take(
        self,
        grants: Grants,
        stock: StockBooks,
        channel: str | None,
        item_id: int,
        sku: str,
        units: int,
        hold_id: str,
    ) -> None:
        """Charge the units: a live channel's slice first, then `free`.

        Raises:
            InsufficientUnits: they are not there.
        """
        safety_stock = self._engine.policy.safety_stock_in(stock.pool)
        atp = stock.pool_stock(item_id, safety_stock).atp
        books = books_of(item_id, stock.pool, atp, grants.all())
        own = _slice_of(grants, channel, item_id)
        drawn = min((own.grant.exposure or 0) if own is not None else 0, units)
        try:
            if units > drawn:
                books.require(units - drawn)
        except InsufficientFree as refusal:
            raise InsufficientUnits(sku, units, refusal.takeable + drawn) from None
        if own is not None and drawn:
            exposure = (own.grant.exposure or 0) - drawn
            grant = resize_slice(own.grant, exposure, takeable=0)
            grants.put(own.id, grant, MovementKind.HOLD, reference=hold_id)


async def _item_ids(tx: AsyncConnection, lines: Mapping[str, int]) -> dict[str, int]:
    found = await find_items(tx, lines)
    for sku in lines:
        if sku not in found:
            raise UnknownItem(sku, closest(sku, [item.sku for item in await load_items(tx)]))
    return {sku: item.id for sku, item in found.items()}


async def _pool_of(tx: AsyncConnection, channel: str | None) -> str:
    """The pool that a hold takes from: its channel's, or the only one."""
    channels, locations = tables.channels, tables.locations
    if channel is not None:
        query = sa.select(channels.c.pool).where(channels.c.name == channel)
        named: str | None = (await tx.execute(query)).scalar()
        if named is None:
            raise HoldRefused(f"there is no channel {channel!r}")
        return named
    pools = sa.select(locations.c.pool).where(locations.c.active).distinct()
    found = (await tx.execute(pools)).scalars().all()
    if len(found) != 1:
        raise HoldRefused(f"there are {len(found)} pools: name the channel that the cart is of")
    (pool,) = found
    return str(pool)


def _slice_of(grants: Grants, channel: str | None, item_id: int) -> Listing | None:
    """The live listing by which a channel sells exactly this item, if there is one."""
    for listing in grants.all():
        live = listing.grant.semantics is PushSemantics.LIVE
        if live and listing.channel == channel and listing.recipe == {item_id: 1}:
            return listing
    return None


async def _insert(
    tx: AsyncConnection,
    hold_id: str,
    pool: str,
    request: HoldRequest,
    moves: list[StockMove],
    now: Instant,
    expires_at: Instant,
) -> None:
    row = {
        "id": hold_id,
        "pool": pool,
        "channel": request.channel,
        "owner": request.owner,
        "state": "active",
        "created_at": now,
        "expires_at": expires_at,
    }
    await tx.execute(sa.insert(tables.holds).values(row))
    lines = [
        {
            "hold_id": hold_id,
            "item_id": move.item_id,
            "location_id": move.location_id,
            "units": move.delta,
        }
        for move in moves
    ]
    await tx.execute(sa.insert(tables.hold_lines), lines)
