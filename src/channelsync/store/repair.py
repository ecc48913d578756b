"""Repair: make the books follow from their evidence again, and leave a trace of every step.

Movements are never edited. What is done about a finding is what an accountant would accept, and
where two answers are possible it is the one that leaves fewer units to sell:

- A *stock row* is a projection: it is set to the sum of its movements, and a movement of kind
  `repair` with delta 0 says what it held before.
- *Reserved units* belong to documents: where order lines, holds and transfers promise other units
  than the ledger has reserved, a movement of kind `repair` adds the difference. So do *units in
  transit*, which belong to transfers.
- A *counted order line* holds what its counts and its recipe ask for. Units that the facts call
  shipped and that were never taken are taken from `on_hand`; units taken too many are not put
  back, since only a count can tell that they are there.
- An *exposure* is an upper bound: of the stored and the rebuilt number the larger one stands,
  and a settle is scheduled, which proves the exact one. NULL stands where nothing ever settled.
- A *push* may give back less than it charged, never more: its charge is lowered to what is covered.
  Of two open pushes the older ones are closed with their charges kept, until that settle.

A break of the chain is not repaired: what the ledger said before is not in the database any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.errors import InvariantViolated
from channelsync.domain.escrow import SettleReason
from channelsync.domain.vocabulary import Instant
from channelsync.store.all_checks import CHECKS
from channelsync.store.checks import Check, Finding
from channelsync.store.ledger import (
    ExposureMove,
    StockMove,
    append_movements,
    make_stock_rows,
    move_stock,
)
from channelsync.store.locks import lock_books
from channelsync.store.tables import (
    MovementKind,
    PushState,
    Quantity,
    channels,
    line_stock,
    listings,
    locations,
    order_lines,
    pushes,
    recipes,
    stock,
)
from channelsync.store.verify import Report, verify

__all__ = ["Repaired", "repair"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What was found, what it is now, and who must be told."""

    findings: tuple[Finding, ...]
    """Every number that was wrong, in the order of its repair."""
    after: Report
    item_ids: frozenset[int]
    """Items whose targets and grants must be looked at."""
    channels: frozenset[str]
    """Channels with listings that must be settled."""


@dataclass(slots=True, kw_only=True)
class _Repair:
    tx: AsyncConnection
    actor: str
    at: Instant
    item_ids: set[int] = field(default_factory=set)
    listing_ids: set[int] = field(default_factory=set)

    def stock_move(
        self, item_id: int, location_id: int, quantity: Quantity, delta: int, note: str
    ) -> StockMove:
        self.item_ids.add(item_id)
        return StockMove(
            item_id=item_id,
            location_id=location_id,
            quantity=quantity,
            delta=delta,
            kind=MovementKind.REPAIR,
            actor=self.actor,
            at=self.at,
            note=note,
        )

    def exposure_move(self, listing_id: int, delta: int, note: str) -> ExposureMove:
        self.listing_ids.add(listing_id)
        return ExposureMove(
            listing_id=listing_id,
            delta=delta,
            kind=MovementKind.REPAIR,
            actor=self.actor,
            at=self.at,
            note=note,
        )


async def repair(tx: AsyncConnection, *, actor: str, at: Instant) -> Repaired:
    """Repair everything that `verify` finds, within the caller's write transaction.

    Raises:
        InvariantViolated: something is left that only a person can decide; roll back.
    """
    await lock_books(tx)
    work = _Repair(tx=tx, actor=actor, at=at)
    found: list[Finding] = []
    for check, look in CHECKS.items():
        findings = await look(tx)
        for finding in findings:
            await _FIXES[check](work, finding)
        found += findings
    await _want_settles(work)
    after = await verify(tx)
    if after.findings:
        left = "; ".join(finding.message for finding in after.findings)
        raise InvariantViolated(f"the repair was taken back, as this was left of it: {left}")
    return Repaired(
        findings=tuple(found),
        after=after,
        item_ids=frozenset(work.item_ids | await _items_of(tx, work.listing_ids)),
        channels=await _channels_of(tx, work.listing_ids),
    )


# ------------------------------------------------------------------ stock


async def _fix_line_stock(work: _Repair, finding: Finding) -> None:
    line_id, item_id = (int(key) for key in finding.ids)
    stored, rebuilt = _numbers(finding)
    held = await _held(work.tx, line_id, item_id, finding.column)
    if stored > rebuilt:
        changed = _lowered(held, stored - rebuilt)
    else:
        home = max(held, key=lambda place: (held[place], -place), default=None)
        if home is None:
            home = await _home_of(work.tx, line_id, item_id)
        changed = {home: held.get(home, 0) + rebuilt - stored}
        if finding.column == "shipped":
            note = f"{finding.message}; its units had never left the stock"
            move = work.stock_move(item_id, home, Quantity.ON_HAND, stored - rebuilt, note)
            await move_stock(work.tx, [move])
    insert = (sqlite if work.tx.dialect.name == "sqlite" else postgresql).insert(line_stock)
    key = {
        "line_id": line_id,
        "item_id": item_id,
        "units": await _recipe(work.tx, line_id, item_id),
    }
    await make_stock_rows(work.tx, ((item_id, place) for place in changed))
    for place, units in changed.items():
        row = key | {"location_id": place, finding.column: units}
        statement = insert.values(row).on_conflict_do_update(
            index_elements=[line_stock.c.line_id, line_stock.c.item_id, line_stock.c.location_id],
            set_={finding.column: units},
        )
        await work.tx.execute(statement)
    work.item_ids.add(item_id)


async def _recipe(tx: AsyncConnection, line_id: int, item_id: int) -> int:
    """Units of the item in one unit of the offer that the line sold."""
    query = (
        sa.select(recipes.c.units)
        .join(order_lines, order_lines.c.listing_id == recipes.c.listing_id)
        .where(order_lines.c.id == line_id, recipes.c.item_id == item_id)
    )
    units = (await tx.execute(query)).scalar()
    return 1 if units is None else int(units)


def _lowered(held: Mapping[int, int], units: int) -> dict[int, int]:
    """What is left at each place once `units` are taken off, last place first."""
    changed = {}
    for place in sorted(held, reverse=True):
        take = min(held[place], units)
        if take:
            changed[place] = held[place] - take
            units -= take
    return changed


async def _held(tx: AsyncConnection, line_id: int, item_id: int, column: str) -> dict[int, int]:
    query = sa.select(line_stock.c.location_id, line_stock.c[column]).where(
        line_stock.c.line_id == line_id, line_stock.c.item_id == item_id
    )
    return {row[0]: row[1] for row in await tx.execute(query)}


async def _home_of(tx: AsyncConnection, line_id: int, item_id: int) -> int:
    """The location of the line's pool with the most units of the item."""
    query = (
        sa.select(locations.c.id)
        .join(channels, channels.c.pool == locations.c.pool)
        .join(order_lines, order_lines.c.channel == channels.c.name)
        .outerjoin(
            stock, sa.and_(stock.c.location_id == locations.c.id, stock.c.item_id == item_id)
        )
        .where(order_lines.c.id == line_id)
        .order_by(sa.func.coalesce(stock.c.on_hand, 0).desc(), locations.c.id)
        .limit(1)
    )
    home = (await tx.execute(query)).scalar_one_or_none()
    if home is None:
        raise InvariantViolated(f"order line {line_id} belongs to a pool without locations")
    return int(home)


async def _fix_documented(work: _Repair, finding: Finding) -> None:
    """The ledger follows the documents: reserved units and units in transit are theirs."""
    item_id, location_id = (int(key) for key in finding.ids)
    stored, rebuilt = _numbers(finding)
    quantity = Quantity(finding.column)
    note = f"the ledger had {stored} {quantity.replace('_', ' ')}, its documents say {rebuilt}"
    delta = rebuilt - stored
    move = work.stock_move(item_id, location_id, quantity, delta, note)
    await append_movements(work.tx, [move])
    # A row too small for the change is wrong by itself, and the next check's to repair.
    column = stock.c[quantity]
    statement = (
        sa.update(stock)
        .where(
            stock.c.item_id == item_id,
            stock.c.location_id == location_id,
            column + delta >= 0,
        )
        .values({quantity.value: column + delta})
    )
    await work.tx.execute(statement)


async def _fix_stock(work: _Repair, finding: Finding) -> None:
    item_id, location_id = (int(key) for key in finding.ids)
    stored, rebuilt = _numbers(finding)
    quantity = Quantity(finding.column)
    # Only `on_hand` may be below 0; any other such sum lost a movement, which is written again.
    right = rebuilt if quantity is Quantity.ON_HAND else max(rebuilt, 0)
    note = f"{finding.message}; it was {stored} and is {right} now"
    move = work.stock_move(item_id, location_id, quantity, right - rebuilt, note)
    await append_movements(work.tx, [move])
    insert = (sqlite if work.tx.dialect.name == "sqlite" else postgresql).insert(stock)
    row = {"item_id": item_id, "location_id": location_id, finding.column: right}
    statement = insert.values(row).on_conflict_do_update(
        index_elements=[stock.c.item_id, stock.c.location_id], set_={finding.column: right}
    )
    await work.tx.execute(statement)


# ------------------------------------------------------------------ listings


async def _fix_exposure(work: _Repair, finding: Finding) -> None:
    (listing_id,) = (int(key) for key in finding.ids)
    right = None
    delta = 0
    if finding.rebuilt is not None:
        right = max(finding.rebuilt, finding.stored or 0, 0)
        delta = right - finding.rebuilt
    note = f"{finding.message}; it is {'unknown' if right is None else right} until settled"
    await append_movements(work.tx, [work.exposure_move(listing_id, delta, note)])
    statement = sa.update(listings).where(listings.c.id == listing_id).values(exposure=right)
    await work.tx.execute(statement)


async def _fix_open_pushes(work: _Repair, finding: Finding) -> None:
    (listing_id,) = (int(key) for key in finding.ids)
    query = (
        sa.select(pushes.c.id)
        .where(pushes.c.listing_id == listing_id, pushes.c.closed_at.is_(None))
        .order_by(pushes.c.opened_at.desc(), pushes.c.id)
        .offset(1)
    )
    older = (await work.tx.execute(query)).scalars().all()
    statement = (
        sa.update(pushes)
        .where(pushes.c.id.in_(older))
        .values(state=PushState.CLOSED, closed_at=work.at, result="repair", reason=finding.message)
    )
    await work.tx.execute(statement)
    await append_movements(work.tx, [work.exposure_move(listing_id, 0, finding.message)])


async def _fix_charge(work: _Repair, finding: Finding) -> None:
    listing_id, push_id = finding.ids
    statement = sa.update(pushes).where(pushes.c.id == push_id).values(charged=finding.rebuilt)
    await work.tx.execute(statement)
    await append_movements(work.tx, [work.exposure_move(int(listing_id), 0, finding.message)])


async def _want_settles(work: _Repair) -> None:
    """Have the exposure of every repaired listing proven anew."""
    query = sa.select(listings.c.id, listings.c.settle_reasons).where(
        listings.c.id.in_(sorted(work.listing_ids))
    )
    for row in (await work.tx.execute(query)).all():
        reasons = sorted({*row.settle_reasons, SettleReason.DRIFT.value})
        await work.tx.execute(
            sa.update(listings)
            .where(listings.c.id == row.id)
            .values(settle_wanted=True, settle_reasons=reasons)
        )


# ------------------------------------------------------------------ who must be told


async def _items_of(tx: AsyncConnection, listing_ids: Iterable[int]) -> set[int]:
    query = sa.select(recipes.c.item_id).where(recipes.c.listing_id.in_(sorted(listing_ids)))
    return set((await tx.execute(query)).scalars())


async def _channels_of(tx: AsyncConnection, listing_ids: Iterable[int]) -> frozenset[str]:
    query = sa.select(listings.c.channel).where(listings.c.id.in_(sorted(listing_ids)))
    return frozenset((await tx.execute(query)).scalars())


def _numbers(finding: Finding) -> tuple[int, int]:
    if finding.stored is None or finding.rebuilt is None:
        raise InvariantViolated(f"a balance that is no number: {finding.message}")
    return finding.stored, finding.rebuilt


_FIXES: Final[Mapping[Check, Callable[[_Repair, Finding], Awaitable[Any]]]] = {
    Check.LINE_STOCK: _fix_line_stock,
    Check.RESERVED: _fix_documented,
    Check.IN_TRANSIT: _fix_documented,
    Check.STOCK: _fix_stock,
    Check.EXPOSURE: _fix_exposure,
    Check.OPEN_PUSHES: _fix_open_pushes,
    Check.CHARGE: _fix_charge,
}
