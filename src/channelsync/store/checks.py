"""The checks of `channelsync.store.verify`: one query each, one finding for each wrong number.

Each returns what differs and changes nothing. `Finding.ids` says which row it is; what they are is
the first line of each check.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.transfers import TransferState
from channelsync.store.ledger import SETTLING_KINDS, STOCK_QUANTITIES
from channelsync.store.tables import (
    MovementKind,
    Quantity,
    channels,
    hold_lines,
    holds,
    items,
    line_stock,
    listings,
    locations,
    movements,
    order_lines,
    pushes,
    recipes,
    stock,
    transfers,
)

__all__ = [
    "Check",
    "Finding",
    "check_charges",
    "check_exposures",
    "check_line_stock",
    "check_open_pushes",
    "check_reserved",
    "check_stock",
    "differences",
    "lines_of_old_recipes",
    "stock_finding",
]


_NAME: Final = (listings.c.id.label("listing_id"), listings.c.channel, listings.c.sku)


class Check(StrEnum):
    """What was held against what."""

    LINE_STOCK = "line_stock"
    """What a counted order line holds, against its counts times the recipe."""
    RESERVED = "reserved"
    """Reserved units in the ledger, against order lines, holds and transfers that keep units."""
    STOCK = "stock"
    """A balance of a stock row, against its movements."""
    IN_TRANSIT = "in_transit"
    """Units in transit in the ledger, against the transfers that are under way."""
    EXPOSURE = "exposure"
    """The exposure of a listing, against its movements."""
    OPEN_PUSHES = "open_pushes"
    """A listing has at most one open push."""
    CHARGE = "charge"
    """What an open push could give back, against what it has charged and what is left of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One number that is not what its evidence says."""

    check: Check
    table: str
    column: str
    key: str
    """The row in words: `MUG at soho`, `shopify-us MUG-2PK`."""
    stored: int | None
    rebuilt: int | None
    ids: tuple[int | str, ...] = field(compare=False)
    """The row's identifiers, in the order that its check says."""

    @property
    def message(self) -> str:
        """The finding as a sentence."""
        return (
            f"{self.table}.{self.column} of {self.key} is {_spoken(self.stored)}"
            f" and should be {_spoken(self.rebuilt)}"
        )


# ------------------------------------------------------------------ stock


async def check_line_stock(tx: AsyncConnection) -> list[Finding]:
    """Ids: line, item. Counted lines only: a parked line has moved nothing yet.

    Units that had left the house before the channel's baseline were never taken from us, so fewer
    shipped units than the facts tell are right for a line that may be that old. A line sold under
    another recipe than the listing's present one cannot be judged; see `lines_of_old_recipes`.
    """
    rows = (await tx.execute(_differing_lines())).all()
    old = {row.line_id for row in rows if row.old_recipe or not row.in_recipe}
    return [finding for row in rows if row.line_id not in old for finding in _line_findings(row)]


async def lines_of_old_recipes(tx: AsyncConnection) -> list[str]:
    """Order lines that hold items which their listing's recipe no longer names, in words."""
    rows = await tx.execute(_differing_lines())
    return [_line_key(row) for row in rows if row.old_recipe or not row.in_recipe]


def _differing_lines() -> sa.Select[Any]:
    """Lines and items that hold other units than their counts times the recipe, with names."""
    sums = _line_sums()
    line = order_lines.c
    return (
        sa.select(
            *sums.c,
            line.channel,
            (line.order_id + "/" + line.line_id).label("order_line"),
            sa.and_(
                line.shipped_at.is_not(None),
                sa.or_(line.sold_at.is_(None), line.sold_at < channels.c.baseline_at),
            ).label("may_be_older"),
            line.old_recipe,
            items.c.sku,
        )
        .join(order_lines, line.id == sums.c.line_id)
        .join(channels, channels.c.name == line.channel)
        .join(items, items.c.id == sums.c.item_id)
        .order_by(sums.c.line_id, sums.c.item_id)
    )


def _line_sums() -> sa.Subquery:
    wanted = _at_least_zero(order_lines.c.ordered - order_lines.c.cancelled)
    to_reserve = _at_least_zero(wanted - order_lines.c.shipped)
    counted = order_lines.c.listing_id.is_not(None)
    nothing = sa.literal(0, sa.Integer)
    asked = (
        sa.select(
            order_lines.c.id.label("line_id"),
            recipes.c.item_id,
            (to_reserve * recipes.c.units).label("must_reserve"),
            (order_lines.c.shipped * recipes.c.units).label("must_ship"),
            nothing.label("reserved"),
            nothing.label("shipped"),
            sa.literal(1, sa.Integer).label("in_recipe"),
        )
        .join(recipes, recipes.c.listing_id == order_lines.c.listing_id)
        .where(counted)
    )
    held = (
        sa.select(
            line_stock.c.line_id,
            line_stock.c.item_id,
            nothing,
            nothing,
            line_stock.c.reserved,
            line_stock.c.shipped,
            nothing,
        )
        .join(order_lines, order_lines.c.id == line_stock.c.line_id)
        .where(counted)
    )
    both = sa.union_all(asked, held).subquery()
    names = ("must_reserve", "reserved", "must_ship", "shipped", "in_recipe")
    sums = {name: sa.func.sum(both.c[name]).label(name) for name in names}
    differ = sa.or_(sums["must_reserve"] != sums["reserved"], sums["must_ship"] != sums["shipped"])
    keys = (both.c.line_id, both.c.item_id)
    return sa.select(*keys, *sums.values()).group_by(*keys).having(differ).subquery()


def _line_key(row: Any) -> str:
    return f"{row.sku} for {row.channel} order {row.order_line}"


def _line_findings(row: Any) -> list[Finding]:
    numbers = {
        "reserved": (int(row.reserved), int(row.must_reserve)),
        "shipped": (int(row.shipped), int(row.must_ship)),
    }
    if row.may_be_older and row.shipped < row.must_ship:
        del numbers["shipped"]
    return [
        Finding(
            check=Check.LINE_STOCK,
            table="line_stock",
            column=column,
            key=_line_key(row),
            stored=stored,
            rebuilt=rebuilt,
            ids=(row.line_id, row.item_id),
        )
        for column, (stored, rebuilt) in numbers.items()
        if stored != rebuilt
    ]


async def check_reserved(tx: AsyncConnection) -> list[Finding]:
    """Ids: item, location. `stored` is the ledger's sum, `rebuilt` what the documents promise."""
    nothing = sa.literal(0, sa.Integer)
    sources = (
        sa.select(
            movements.c.item_id,
            movements.c.location_id,
            movements.c.delta.label("stored"),
            nothing.label("rebuilt"),
        ).where(movements.c.quantity == Quantity.RESERVED),
        sa.select(line_stock.c.item_id, line_stock.c.location_id, nothing, line_stock.c.reserved),
        sa.select(hold_lines.c.item_id, hold_lines.c.location_id, nothing, hold_lines.c.units)
        .join(holds, holds.c.id == hold_lines.c.hold_id)
        .where(holds.c.state.in_(("active", "confirmed")), holds.c.ended_at.is_(None)),
        sa.select(transfers.c.item_id, transfers.c.source_id, nothing, transfers.c.units).where(
            transfers.c.state == TransferState.PREPARING
        ),
    )
    rows = await tx.execute(differences(sa.union_all(*sources).subquery(), ()))
    return [stock_finding(Check.RESERVED, "movements", "reserved", row) for row in rows]


async def check_stock(tx: AsyncConnection) -> list[Finding]:
    """Ids: item, location. A stock row that is missing counts as zeros."""
    nothing = sa.literal(0, sa.Integer)
    sources: list[sa.Select[Any]] = [
        sa.select(
            movements.c.item_id,
            movements.c.location_id,
            movements.c.quantity,
            nothing.label("stored"),
            movements.c.delta.label("rebuilt"),
        ).where(movements.c.quantity != Quantity.EXPOSURE)
    ]
    sources += [
        sa.select(
            stock.c.item_id,
            stock.c.location_id,
            sa.literal(name.value, sa.Text),
            stock.c[name],
            nothing,
        )
        for name in STOCK_QUANTITIES
    ]
    rows = await tx.execute(differences(sa.union_all(*sources).subquery(), ("quantity",)))
    return [stock_finding(Check.STOCK, "stock", row.quantity, row) for row in rows]


def differences(both: sa.Subquery, more_keys: tuple[str, ...]) -> sa.Select[Any]:
    """Groups of item and location (and more) whose stored and rebuilt sums differ, with names."""
    keys = [both.c[name] for name in ("item_id", "location_id", *more_keys)]
    stored, rebuilt = sa.func.sum(both.c.stored), sa.func.sum(both.c.rebuilt)
    groups = (
        sa.select(*keys, stored.label("stored"), rebuilt.label("rebuilt"))
        .group_by(*keys)
        .having(stored != rebuilt)
        .subquery()
    )
    return (
        sa.select(groups, items.c.sku, locations.c.code)
        .join(items, items.c.id == groups.c.item_id)
        .join(locations, locations.c.id == groups.c.location_id)
        .order_by(*(groups.c[key.name] for key in keys))
    )


def stock_finding(check: Check, table: str, column: str, row: Any) -> Finding:
    """A row of `differences` as a finding."""
    return Finding(
        check=check,
        table=table,
        column=column,
        key=f"{row.sku} at {row.code}",
        stored=int(row.stored),
        rebuilt=int(row.rebuilt),
        ids=(row.item_id, row.location_id),
    )


# ------------------------------------------------------------------ listings


async def check_exposures(tx: AsyncConnection) -> list[Finding]:
    """Ids: listing. NULL is right exactly while no movement has ever settled the listing."""
    settling = sa.case((movements.c.kind.in_(sorted(SETTLING_KINDS)), 1), else_=0)
    sums = (
        sa.select(
            movements.c.listing_id,
            sa.func.sum(movements.c.delta).label("total"),
            sa.func.sum(settling).label("settlings"),
        )
        .where(movements.c.listing_id.is_not(None))
        .group_by(movements.c.listing_id)
        .subquery()
    )
    rebuilt = sa.case((sums.c.settlings > 0, sums.c.total), else_=None)
    query = (
        sa.select(*_NAME, listings.c.exposure, rebuilt.label("rebuilt"))
        .outerjoin(sums, sums.c.listing_id == listings.c.id)
        .where(listings.c.exposure.is_distinct_from(rebuilt))
        .order_by(listings.c.id)
    )
    return [
        Finding(
            check=Check.EXPOSURE,
            table="listings",
            column="exposure",
            key=f"{row.channel} {row.sku}",
            stored=row.exposure,
            rebuilt=None if row.rebuilt is None else int(row.rebuilt),
            ids=(row.listing_id,),
        )
        for row in await tx.execute(query)
    ]


async def check_open_pushes(tx: AsyncConnection) -> list[Finding]:
    """Ids: listing."""
    count = sa.func.count()
    query = (
        sa.select(*_NAME, count.label("open"))
        .join(pushes, pushes.c.listing_id == listings.c.id)
        .where(pushes.c.closed_at.is_(None))
        .group_by(*_NAME)
        .having(count > 1)
        .order_by(listings.c.id)
    )
    return [
        Finding(
            check=Check.OPEN_PUSHES,
            table="pushes",
            column="open",
            key=f"{row.channel} {row.sku}",
            stored=row.open,
            rebuilt=1,
            ids=(row.listing_id,),
        )
        for row in await tx.execute(query)
    ]


async def check_charges(tx: AsyncConnection) -> list[Finding]:
    """Ids: listing, push.

    An open push has charged what the movements that refer to it say, and its charge is still in
    the exposure, save for units that sold since it was opened: an answer can come after the sales.
    """
    of_listing = movements.c.listing_id == pushes.c.listing_id
    booked = _sum_of_deltas(
        of_listing,
        movements.c.reference == pushes.c.id,
        movements.c.kind.in_((MovementKind.CHARGE, MovementKind.UNCHARGE)),
    )
    sold = -_sum_of_deltas(
        of_listing, movements.c.kind == MovementKind.SALE, movements.c.at >= pushes.c.opened_at
    )
    query = (
        sa.select(
            *_NAME,
            pushes.c.id.label("push_id"),
            pushes.c.charged,
            booked.label("booked"),
            (sa.func.coalesce(listings.c.exposure, 0) + sold).label("left"),
        )
        .join(pushes, pushes.c.listing_id == listings.c.id)
        .where(pushes.c.closed_at.is_(None), pushes.c.charged > 0)
        .order_by(pushes.c.id)
    )
    return [
        Finding(
            check=Check.CHARGE,
            table="pushes",
            column="charged",
            key=f"push {row.push_id} of {row.channel} {row.sku}",
            stored=row.charged,
            rebuilt=max(int(min(row.booked, row.left)), 0),
            ids=(row.listing_id, row.push_id),
        )
        for row in await tx.execute(query)
        if row.charged > min(row.booked, row.left)
    ]


def _at_least_zero(value: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.case((value > 0, value), else_=0)


def _sum_of_deltas(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    total = sa.select(sa.func.coalesce(sa.func.sum(movements.c.delta), 0)).where(*conditions)
    return total.correlate(pushes).scalar_subquery()


def _spoken(units: int | None) -> str:
    return "unknown" if units is None else str(units)
