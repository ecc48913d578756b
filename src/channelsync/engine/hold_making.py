"""Holds made: any number in one transaction, with as many statements as for one of them.

Each takes what those before it have left. One that is refused changes nothing and keeps nobody
from his: whether there is enough is known before the first row is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.errors import InsufficientFree
from channelsync.domain.escrow import resize_slice
from channelsync.domain.holds import HoldState
from channelsync.domain.vocabulary import Instant, PushSemantics
from channelsync.engine.books import StockBooks, books_of, load_stock
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants, Listing
from channelsync.engine.hold_rows import ACTOR, held_move
from channelsync.engine.hold_types import Hold, HoldRefused, HoldRequest, InsufficientUnits
from channelsync.engine.stock_errors import UnknownItem
from channelsync.engine.work import WorkKind, mark, mark_items
from channelsync.store import tables
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.many import inserting
from channelsync.store.stock_queries import closest, find_items, load_items
from channelsync.store.tables import MovementKind

__all__ = ["EXPIRY_KEY", "HoldPools", "make_holds"]

EXPIRY_KEY: Final = "holds"
_COLUMNS: Final = ("id", "pool", "channel", "owner", "state", "created_at", "expires_at")
_INSERT: Final = inserting(tables.holds, *_COLUMNS)
_INSERT_LINES: Final = inserting(tables.hold_lines, "hold_id", "item_id", "location_id", "units")


async def make_holds(
    engine: Engine, tx: AsyncConnection, requests: Sequence[HoldRequest]
) -> list[Hold | Exception]:
    """Hold the units of each request, all of them or none. Answers in their order.

    What a request is refused with is its answer: `InsufficientUnits`, `UnknownItem` or
    `HoldRefused`. A hold that it replaces is not looked at here.
    """
    now = engine.now()
    named = await find_items(tx, {sku for one in requests for sku in one.lines})
    ids = {sku: item.id for sku, item in named.items()}
    pools = await HoldPools.read(tx)
    grants = Grants(tx, now, ACTOR)
    await grants.load_items(ids.values())
    used = sorted({pool for one in requests if (pool := pools.find(one.channel)) is not None})
    making = _Making(
        engine=engine,
        now=now,
        ids=ids,
        pools=pools,
        grants=grants,
        stock={pool: await load_stock(tx, pool, ids.values()) for pool in used},
    )
    known = [item.sku for item in await load_items(tx)] if _names_others(requests, ids) else []
    outcomes = [making.outcome(request, known) for request in requests]
    await grants.flush()
    await move_stock(tx, making.moves)
    await _INSERT.run(tx, [_row(hold) for hold in making.made])
    await _INSERT_LINES.run(tx, [_line(move) for move in making.moves])
    await mark_items(tx, (move.item_id for move in making.moves), now)
    if making.made:
        first = min(hold.expires_at for hold in making.made)
        await mark(tx, WorkKind.EXPIRE, EXPIRY_KEY, not_before=first)
    return outcomes


@dataclass(frozen=True, slots=True)
class HoldPools:
    """The pools that holds take from."""

    by_channel: Mapping[str, str]
    all: tuple[str, ...]
    """Those with an active location."""

    @classmethod
    async def read(cls, tx: AsyncConnection) -> HoldPools:
        """As they are in the store."""
        channels, locations = tables.channels.c, tables.locations.c
        named = await tx.execute(sa.select(channels.name, channels.pool))
        pools = sa.select(locations.pool).where(locations.active).distinct()
        return cls(
            by_channel={row.name: row.pool for row in named},
            all=tuple(sorted((await tx.execute(pools)).scalars())),
        )

    def find(self, channel: str | None) -> str | None:
        """The pool of a hold's channel, or the only one; None where there is no such."""
        if channel is not None:
            return self.by_channel.get(channel)
        return self.all[0] if len(self.all) == 1 else None

    def of(self, channel: str | None) -> str:
        """The same.

        Raises:
            HoldRefused: there is no such pool; the message says what to do.
        """
        found = self.find(channel)
        if found is not None:
            return found
        if channel is not None:
            raise HoldRefused(f"there is no channel {channel!r}")
        raise HoldRefused(f"there are {len(self.all)} pools: name the channel that the cart is of")


@dataclass(slots=True, kw_only=True)
class _Making:
    """Holds being made, and the units that they move."""

    engine: Engine
    now: Instant
    ids: Mapping[str, int]
    pools: HoldPools
    grants: Grants
    stock: Mapping[str, StockBooks]
    moves: list[StockMove] = field(default_factory=list)
    made: list[Hold] = field(default_factory=list)

    def outcome(self, request: HoldRequest, known: Sequence[str]) -> Hold | Exception:
        """The hold, or why there is none."""
        try:
            return self._make(request, known)
        except (InsufficientUnits, UnknownItem, HoldRefused) as refusal:
            return refusal

    def _make(self, request: HoldRequest, known: Sequence[str]) -> Hold:
        for sku in request.lines:
            if sku not in self.ids:
                raise UnknownItem(sku, closest(sku, known))
        pool = self.pools.of(request.channel)
        stock = self.stock[pool]
        if not stock.places:
            raise HoldRefused(f"pool {pool} has no location to hold units at")
        lines = dict(sorted(request.lines.items()))
        # All lines are looked at before the first takes anything: all units, or none.
        drawn = {sku: self._drawn(stock, request, sku, units) for sku, units in lines.items()}
        hold_id = self.engine.environment.new_id()
        for sku, units in lines.items():
            self._take(stock, request, sku, units, drawn[sku], hold_id)
        ttl_seconds = request.ttl_seconds or self.engine.policy.hold_ttl_seconds
        hold = Hold(
            id=hold_id,
            owner=request.owner,
            pool=pool,
            channel=request.channel,
            state=HoldState.ACTIVE.value,
            reference="",
            lines=lines,
            created_at=self.now,
            expires_at=self.now + ttl_seconds,
            ended_at=None,
        )
        self.made.append(hold)
        return hold

    def _drawn(self, stock: StockBooks, request: HoldRequest, sku: str, units: int) -> int:
        """What of the units a live channel's slice gives; the rest is in `free`.

        Raises:
            InsufficientUnits: it is not.
        """
        item_id = self.ids[sku]
        safety_stock = self.engine.policy.safety_stock_in(stock.pool)
        atp = stock.pool_stock(item_id, safety_stock).atp
        books = books_of(item_id, stock.pool, atp, self.grants.all())
        own = _slice_of(self.grants, request.channel, item_id)
        drawn = min((own.grant.exposure or 0) if own is not None else 0, units)
        try:
            if units > drawn:
                books.require(units - drawn)
        except InsufficientFree as refusal:
            raise InsufficientUnits(sku, units, refusal.takeable + drawn) from None
        return drawn

    def _take(
        self,
        stock: StockBooks,
        request: HoldRequest,
        sku: str,
        units: int,
        drawn: int,
        hold_id: str,
    ) -> None:
        item_id = self.ids[sku]
        own = _slice_of(self.grants, request.channel, item_id)
        if own is not None and drawn:
            exposure = (own.grant.exposure or 0) - drawn
            grant = resize_slice(own.grant, exposure, takeable=0)
            self.grants.put(own.id, grant, MovementKind.HOLD, reference=hold_id)
        for place, count in stock.route(item_id, units).items():
            stock.reserve(item_id, place, count)
            move = held_move(item_id, place, count, MovementKind.HOLD, hold_id, self.now)
            self.moves.append(move)


def _names_others(requests: Iterable[HoldRequest], ids: Mapping[str, int]) -> bool:
    """Whether somebody wants what there is not."""
    return any(sku not in ids for one in requests for sku in one.lines)


def _slice_of(grants: Grants, channel: str | None, item_id: int) -> Listing | None:
    """The live listing by which a channel sells exactly this item, if there is one."""
    for listing in grants.all():
        live = listing.grant.semantics is PushSemantics.LIVE
        if live and listing.channel == channel and listing.recipe == {item_id: 1}:
            return listing
    return None


def _row(hold: Hold) -> dict[str, Any]:
    return {name: getattr(hold, name) for name in _COLUMNS}


def _line(move: StockMove) -> dict[str, Any]:
    return {
        "hold_id": move.reference,
        "item_id": move.item_id,
        "location_id": move.location_id,
        "units": move.delta,
    }
