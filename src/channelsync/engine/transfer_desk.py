"""The transfer desk: units from one location to another, with what really arrived.

Beginning a transfer reserves its units at the source. Where channels may still sell some of them,
that is a deficit like any other: listings are cut, and once `free` is not below 0 any more the
units may leave. So sending stock away never sells a unit twice. What has left in spite of that is
booked when somebody insists, and recorded by its cause.

In transit the units are on hand nowhere. Every use case is one write transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain import transfers as life
from channelsync.domain.books import ItemBooks
from channelsync.domain.stock import StockLevel
from channelsync.domain.transfers import Difference, Transfer, TransferState
from channelsync.domain.vocabulary import Instant
from channelsync.domain.wording import counted
from channelsync.engine.alarms import record_shortfall
from channelsync.engine.books import StockBooks, books_of, load_stock
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants
from channelsync.engine.stock_changes import spoken_instant, write_changes
from channelsync.engine.stock_checks import check_reason, check_units
from channelsync.engine.stock_errors import StockRefused
from channelsync.engine.stock_places import Place, find_place
from channelsync.engine.transfer_moves import (
    Mover,
    arrival_moves,
    record_differences,
    write_off_moves,
)
from channelsync.engine.transfers_view import TransferView, transfer_row, view_transfer
from channelsync.store.tables import (
    Quantity,
    transfers,
)

__all__ = ["Begin", "Receive", "TransferDesk"]

_log = structlog.get_logger("channelsync.stock")

SHORTFALL_CAUSE: Final = "transfer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Send units of an item from one location to another."""

    sku: str
    source: str
    target: str
    units: int
    reason: str
    actor: str
    force: bool = False
    """They have left already, whatever channels may still sell of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receive:
    """What arrived of a transfer, and what became of the rest."""

    transfer_id: int
    arrived: int
    written_off: Mapping[Difference, int]
    reason: str
    actor: str
    arrived_at: Instant | None = None
    """None: just now."""


class TransferDesk:
    """Transfers over one engine's store and policy."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def begin(self, wanted: Begin) -> TransferView:
        """Reserve the units, and let them leave at once where no channel may still sell them.

        Raises:
            UnknownItem, UnknownLocation: there is no such place.
            StockRefused: the same place twice, no reason, or more units than lie there.
        """
        check_units("a transfer", wanted.units, least=1)
        check_reason(wanted.reason)
        async with self._engine.database.write() as tx:
            now = self._engine.now()
            source = await find_place(tx, wanted.sku, wanted.source)
            target = await find_place(tx, wanted.sku, wanted.target)
            if source.location.id == target.location.id:
                raise StockRefused(f"units cannot be carried from {wanted.source} to itself")
            _require_there(source, wanted.units)
            row = {
                "item_id": source.item.id,
                "source_id": source.location.id,
                "target_id": target.location.id,
                "state": TransferState.PREPARING,
                "units": wanted.units,
                "actor": wanted.actor,
                "note": wanted.reason,
                "created_at": now,
            }
            insert = sa.insert(transfers).values(row).returning(transfers.c.id)
            transfer_id: int = (await tx.execute(insert)).scalar_one()
            stored = await transfer_row(tx, transfer_id)
            step = Mover(row=stored, actor=wanted.actor, now=now, note=wanted.reason)
            taken = step.move(stored.source_id, Quantity.RESERVED, wanted.units)
            await write_changes(tx, [taken], now=now)
            if wanted.force or await self._obstacle(tx, stored) is None:
                await self._ship(tx, step)
            view = await view_transfer(tx, transfer_id, await self._waits(tx, transfer_id))
        _log.info("transfer begun", transfer=transfer_id, state=view.state, actor=wanted.actor)
        return view

    async def ship(self, transfer_id: int, *, actor: str, force: bool = False) -> TransferView:
        """The units leave the source.

        Raises:
            StockRefused: there is no such transfer, or channels may still sell units of it.
            TransferConflict: it is not being prepared.
        """
        async with self._engine.database.write() as tx:
            row = await transfer_row(tx, transfer_id, lock=True)
            life.ship(_transfer(row))
            obstacle = await self._obstacle(tx, row)
            if obstacle is not None and not force:
                raise StockRefused(
                    f"transfer {transfer_id} may not leave yet: {obstacle}; if its units have left"
                    " already, say so and force it"
                )
            now = self._engine.now()
            await self._ship(tx, Mover(row=row, actor=actor, now=now, note=row.note))
            return await view_transfer(tx, transfer_id, None)

    async def cancel(self, transfer_id: int, *, actor: str) -> TransferView:
        """The units stay at the source.

        Raises:
            StockRefused: there is no such transfer.
            TransferConflict: they have left.
        """
        async with self._engine.database.write() as tx:
            now = self._engine.now()
            row = await transfer_row(tx, transfer_id, lock=True)
            after = life.cancel(_transfer(row))
            step = Mover(row=row, actor=actor, now=now, note="cancelled")
            back = step.move(row.source_id, Quantity.RESERVED, -row.units)
            await write_changes(tx, [back], now=now)
            await _write(tx, row, after, closed_at=now)
            return await view_transfer(tx, transfer_id, None)

    async def receive(self, wanted: Receive) -> TransferView:
        """Units arrived at the target; what is missing is written off under its cause.

        Raises:
            StockRefused: there is no such transfer, an arrival before it left or in the future,
                or one that a count since then may have seen already.
            TransferConflict: nothing is under way, or the numbers do not add up.
        """
        check_units("what arrived", wanted.arrived)
        check_reason(wanted.reason)
        async with self._engine.database.write() as tx:
            now = self._engine.now()
            row = await transfer_row(tx, wanted.transfer_id, lock=True)
            after, receipt = life.receive(_transfer(row), wanted.arrived, wanted.written_off)
            target = await find_place(tx, row.sku, row.target)
            step = Mover(row=row, actor=wanted.actor, now=now, note=wanted.reason)
            at = _arrival_time(row, target, wanted, now)
            moves = [*arrival_moves(step, target, receipt, at), *write_off_moves(step, receipt)]
            await write_changes(tx, moves, now=now)
            await record_differences(tx, step, receipt)
            closed_at = now if after.state is TransferState.RECEIVED else None
            await _write(tx, row, after, closed_at=closed_at)
            view = await view_transfer(tx, wanted.transfer_id, None)
        _log.info("transfer received", transfer=row.id, arrived=wanted.arrived, actor=wanted.actor)
        return view

    async def view(self, transfer_id: int) -> TransferView:
        """A transfer as it stands, with why it waits.

        Raises:
            StockRefused: there is no such transfer.
        """
        async with self._engine.database.read() as tx:
            return await view_transfer(tx, transfer_id, await self._waits(tx, transfer_id))

    async def list(self, *, closed: bool = False, limit: int = 100) -> tuple[TransferView, ...]:
        """Transfers that are open, or with `closed` all of them, newest first."""
        query = sa.select(transfers.c.id).order_by(transfers.c.id.desc()).limit(limit)
        if not closed:
            query = query.where(transfers.c.closed_at.is_(None))
        async with self._engine.database.read() as tx:
            found = (await tx.execute(query)).scalars().all()
            return tuple(
                [await view_transfer(tx, key, await self._waits(tx, key)) for key in found]
            )

    # ------------------------------------------------------------ whether units may leave

    async def _waits(self, tx: AsyncConnection, transfer_id: int) -> str | None:
        row = await transfer_row(tx, transfer_id)
        if row.state != TransferState.PREPARING:
            return None
        return await self._obstacle(tx, row)

    async def _obstacle(self, tx: AsyncConnection, row: Any) -> str | None:
        """Why the units of a prepared transfer may not leave yet; None: they may."""
        stock, books = await self._books(tx, row)
        level = stock.levels.get((row.item_id, row.source_id), StockLevel())
        if level.on_hand < level.reserved:
            return (
                f"{row.source} has {counted(level.on_hand, 'unit')} of {row.sku} and orders,"
                f" holds and transfers want {level.reserved}"
            )
        if books.unsettled:
            return f"a listing of {row.sku} is not settled yet: it may sell any number of it"
        if beyond := _on_sale_beyond(books):
            units = counted(beyond, "unit")
            return f"channels may still sell {units} of it: their listings are being cut"
        return None

    async def _books(self, tx: AsyncConnection, row: Any) -> tuple[StockBooks, ItemBooks]:
        """Stock and claims of the item in the pool that it leaves."""
        grants = Grants(tx, self._engine.now(), SHORTFALL_CAUSE)
        await grants.load_items((row.item_id,))
        stock = await load_stock(tx, row.source_pool, (row.item_id,))
        safety_stock = self._engine.policy.safety_stock_in(row.source_pool)
        atp = stock.pool_stock(row.item_id, safety_stock).atp
        return stock, books_of(row.item_id, row.source_pool, atp, grants.all())

    async def _ship(self, tx: AsyncConnection, step: Mover) -> None:
        row, now = step.row, step.now
        after = life.ship(_transfer(row))
        _, books = await self._books(tx, row)
        if beyond := min(_on_sale_beyond(books), row.units):
            await record_shortfall(
                tx,
                item_id=row.item_id,
                units=beyond,
                cause=SHORTFALL_CAUSE,
                now=now,
                reference=step.reference,
            )
        moves = [
            step.move(row.source_id, Quantity.RESERVED, -row.units),
            step.move(row.source_id, Quantity.ON_HAND, -row.units),
            step.move(row.target_id, Quantity.IN_TRANSIT, row.units),
        ]
        await write_changes(tx, moves, now=now)
        await _write(tx, row, after, shipped_at=now)


def _on_sale_beyond(books: ItemBooks) -> int:
    """Units that channels may still sell though they are promised elsewhere.

    A deficit that nobody can sell into (safety stock alone) keeps nothing from leaving.
    """
    return min(books.deficit, books.exposure)


# ------------------------------------------------------------------ rows


def _require_there(place: Place, units: int) -> None:
    on_hand = place.stored.level.on_hand
    if units > max(on_hand, 0):
        raise StockRefused(
            f"{place.text} has {counted(on_hand, 'unit')} on hand, {units} cannot be sent:"
            " count it, if the books are wrong"
        )


def _transfer(row: Any) -> Transfer:
    return Transfer(
        units=row.units,
        state=TransferState(row.state),
        received=row.received,
        written_off=row.written_off,
    )


async def _write(tx: AsyncConnection, row: Any, after: Transfer, **times: Instant | None) -> None:
    values = {
        "state": after.state,
        "received": after.received,
        "written_off": after.written_off,
        **times,
    }
    await tx.execute(sa.update(transfers).where(transfers.c.id == row.id).values(values))


def _arrival_time(row: Any, target: Place, wanted: Receive, now: Instant) -> Instant:
    """When the units arrived: as told, else as early as they can have been."""
    counted_at = target.stored.counted_at
    if wanted.arrived_at is None:
        if counted_at is not None and counted_at >= row.shipped_at and wanted.arrived:
            raise StockRefused(
                f"{target.text} was counted at {spoken_instant(counted_at)}, after transfer"
                f" {row.id} had left: say when its units arrived, so that none is"
                " counted twice"
            )
        return float(row.shipped_at)
    if not row.shipped_at <= wanted.arrived_at <= now:
        raise StockRefused(
            f"transfer {row.id} left at {spoken_instant(row.shipped_at)}: it cannot have arrived at"
            f" {spoken_instant(wanted.arrived_at)}"
        )
    return wanted.arrived_at
