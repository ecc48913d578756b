"""Browse: pages of the books' rows, each behind the last row of the page before.

Nobody sees what is out of his reach: rows of other channels and locations are as if they were not.
Rows come as mappings; their names are those of the columns, with SKUs and codes for ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.grant import SettleReason
from channelsync.domain.permissions import EVERYWHERE, Reach
from channelsync.engine.alarms import IS_SHORT
from channelsync.engine.explain_causes import moved_of
from channelsync.store.newest import newest
from channelsync.store.tables import (
    alarms,
    assumptions,
    items,
    listings,
    locations,
    movements,
    order_lines,
    recipes,
    shortfalls,
    stock,
)

__all__ = [
    "Rows",
    "Wanted",
    "alarms_in_order",
    "alarms_page",
    "broken_assumptions",
    "found_items",
    "items_page",
    "levels_page",
    "lines_page",
    "listings_page",
    "movements_page",
    "shortfalls_page",
]

Rows: TypeAlias = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows, and how many; None: whichever."""

    limit: int
    after: str | int | None = None
    """The last row of the page before: a SKU, or a number (newest first: the rows below it)."""
    sku: str | None = None
    channel: str | None = None
    location: str | None = None
    kind: str | None = None
    actor: str | None = None
    subject: str | None = None
    search: str | None = None
    reach: Reach = EVERYWHERE


async def items_page(tx: AsyncConnection, wanted: Wanted) -> Rows:
    """Items by SKU; `search` is part of a SKU or name."""
    return [dict(row._mapping) for row in await found_items(tx, wanted)]  # noqa: SLF001 - its API


async def found_items(tx: AsyncConnection, wanted: Wanted) -> Sequence[Any]:
    """The same as rows of the table, with their ids."""
    query = sa.select(items.c.id, items.c.sku, items.c.name, items.c.tags, items.c.created_at)
    if wanted.search:
        like = f"%{_literal(wanted.search)}%"
        found = items.c.sku.ilike(like, escape="\\"), items.c.name.ilike(like, escape="\\")
        query = query.where(sa.or_(*found))
    if wanted.after is not None:
        query = query.where(items.c.sku > wanted.after)
    return (await tx.execute(query.order_by(items.c.sku).limit(wanted.limit))).all()


async def levels_page(tx: AsyncConnection, wanted: Wanted) -> Rows:
    """Levels by SKU and location. A page holds all rows of its items: `limit` counts items."""
    page = sa.select(items.c.id).order_by(items.c.sku).limit(wanted.limit)
    if wanted.sku is not None:
        page = page.where(items.c.sku == wanted.sku)
    if wanted.after is not None:
        page = page.where(items.c.sku > wanted.after)
    query = (
        sa.select(
            items.c.sku,
            locations.c.code.label("location"),
            locations.c.pool,
            stock.c.on_hand,
            stock.c.reserved,
            stock.c.safety_stock,
            stock.c.on_order,
            stock.c.in_transit,
            stock.c.counted_at,
        )
        .join(items, items.c.id == stock.c.item_id)
        .join(locations, locations.c.id == stock.c.location_id)
        .where(stock.c.item_id.in_(page.scalar_subquery()))
        .where(*_locations_in(wanted.reach))
        .order_by(items.c.sku, locations.c.priority, locations.c.code)
    )
    if wanted.location is not None:
        query = query.where(locations.c.code == wanted.location)
    return await _rows(tx, query)


async def listings_page(tx: AsyncConnection, wanted: Wanted, *, drifting: bool = False) -> Rows:
    """Listings in the order in which they were found; with `sku` those that hold the item.

    With `drifting` those whose shown number the books do not explain: each is being settled.
    """
    query = (
        sa.select(
            listings.c.id,
            listings.c.channel,
            listings.c.sku,
            listings.c.state,
            listings.c.refusal,
            listings.c.semantics,
            listings.c.target,
            listings.c.exposure,
            listings.c.remote.label("shown"),
            listings.c.remote_at.label("shown_at"),
            listings.c.settled_at,
            listings.c.settle_reasons,
        )
        .where(*_channels_in(wanted.reach, listings.c.channel))
        .order_by(listings.c.id)
        .limit(wanted.limit)
    )
    if wanted.sku is not None:
        query = query.where(listings.c.id.in_(_holding(wanted.sku)))
    if wanted.kind is not None:
        query = query.where(listings.c.state == wanted.kind)
    if wanted.channel is not None:
        query = query.where(listings.c.channel == wanted.channel)
    if wanted.after is not None:
        query = query.where(listings.c.id > wanted.after)
    if drifting:
        reasons = sa.cast(listings.c.settle_reasons, sa.Text)
        query = query.where(reasons.like(f'%"{SettleReason.DRIFT}"%'))
    return await _with_recipes(tx, await _rows(tx, query))


async def _with_recipes(tx: AsyncConnection, found: Rows) -> Rows:
    query = (
        sa.select(recipes.c.listing_id, items.c.sku, recipes.c.units)
        .join(items, items.c.id == recipes.c.item_id)
        .where(recipes.c.listing_id.in_([row["id"] for row in found]))
    )
    held: dict[int, dict[str, int]] = {}
    for row in await tx.execute(query):
        held.setdefault(row.listing_id, {})[row.sku] = row.units
    return [{**row, "recipe": held.get(row["id"], {})} for row in found]


async def lines_page(tx: AsyncConnection, wanted: Wanted) -> Rows:
    """Order lines, the newest first; `kind` is a state, or `parked`.

    With `sku` those that sold the item, alone or in a bundle, and those told under that name whose
    offer nobody knows.
    """
    lines = order_lines.c
    # Not the bare column, whose index leads to every line of a channel: the newest few are wanted,
    # and are met soon from the end.
    channel = sa.func.coalesce(lines.channel, "")
    query = sa.select(
        lines.id,
        lines.channel,
        lines.order_id.label("order"),
        lines.line_id.label("line"),
        lines.sku,
        lines.ordered,
        lines.cancelled,
        lines.shipped,
        lines.returned,
        lines.state,
        lines.parked,
        lines.sold_at,
        lines.first_heard_at,
        lines.heard_at,
    ).where(*_channels_in(wanted.reach, channel))
    if wanted.kind == "parked":
        query = query.where(lines.parked.is_not(None))
    elif wanted.kind is not None:
        query = query.where(lines.state == wanted.kind)
    if wanted.channel is not None:
        query = query.where(channel == wanted.channel)
    parts = [sa.true()] if wanted.sku is None else await _lines_of(tx, wanted.sku)
    return await _newest(tx, query, parts, lines.id, wanted)


async def _lines_of(tx: AsyncConnection, sku: str) -> list[sa.ColumnElement[bool]]:
    known = (await tx.execute(_holding(sku))).scalars()
    unknown = sa.and_(order_lines.c.listing_id.is_(None), order_lines.c.sku == sku)
    return [*(order_lines.c.listing_id == key for key in known), unknown]


async def movements_page(tx: AsyncConnection, wanted: Wanted) -> Rows:
    """The ledger, the newest first: who changed which quantity where, by how much, why."""
    moved = movements.c
    query = (
        sa.select(
            moved.id,
            moved.at,
            moved.moved_at,
            moved.kind,
            moved.quantity,
            moved.delta,
            items.c.sku,
            locations.c.code.label("location"),
            listings.c.channel,
            listings.c.sku.label("listing"),
            moved.reference,
            moved.actor,
            moved.note,
        )
        .outerjoin(items, items.c.id == moved.item_id)
        .outerjoin(locations, locations.c.id == moved.location_id)
        .outerjoin(listings, listings.c.id == moved.listing_id)
        .where(*_seen(wanted.reach))
    )
    for column, value in (
        (locations.c.code, wanted.location),
        # Not the bare column, which leads to every movement of a channel.
        (sa.func.coalesce(listings.c.channel, ""), wanted.channel),
        (moved.kind, wanted.kind),
    ):
        if value is not None:
            query = query.where(column == value)
    parts: list[sa.ColumnElement[bool]] = [sa.true()]
    if wanted.sku is not None:
        known = await tx.execute(sa.select(items.c.id).where(items.c.sku == wanted.sku))
        parts = [part for key in known.scalars() for part in await moved_of(tx, key)]
    return await _newest(tx, query, parts, moved.id, wanted)


async def shortfalls_page(tx: AsyncConnection, wanted: Wanted, *, standing: bool = False) -> Rows:
    """Accepted demand beyond what the books allowed, the newest first; or what stands of it."""
    short = shortfalls.c
    query = (
        sa.select(
            short.id,
            short.at,
            short.channel,
            items.c.sku,
            short.units,
            short.cause,
            short.reference,
        )
        .join(items, items.c.id == short.item_id)
        .where(*_channels_in(wanted.reach, short.channel))
        .order_by(short.id.desc())
        .limit(wanted.limit)
    )
    if wanted.sku is not None:
        query = query.where(items.c.sku == wanted.sku)
    if wanted.channel is not None:
        query = query.where(short.channel == wanted.channel)
    if standing:
        query = query.where(IS_SHORT)
    return await _rows(tx, _before(query, short.id, wanted))


async def alarms_page(tx: AsyncConnection, wanted: Wanted) -> Rows:
    """Alarms, the newest first; `kind` is `open` or `cleared`."""
    query = (
        sa.select(alarms)
        .where(*_channels_in(wanted.reach, alarms.c.channel))
        .order_by(alarms.c.id.desc())
        .limit(wanted.limit)
    )
    if wanted.kind is not None:
        cleared = alarms.c.cleared_at
        query = query.where(cleared.is_(None) if wanted.kind == "open" else cleared.is_not(None))
    if wanted.channel is not None:
        query = query.where(alarms.c.channel == wanted.channel)
    return await _rows(tx, _before(query, alarms.c.id, wanted))


async def alarms_in_order(tx: AsyncConnection, wanted: Wanted, *, first: Sequence[str]) -> Rows:
    """Standing alarms, those of the kinds `first` in front, each part the newest first."""
    query = (
        sa.select(alarms)
        .where(alarms.c.cleared_at.is_(None), *_channels_in(wanted.reach, alarms.c.channel))
        .order_by(sa.case((alarms.c.kind.in_(first), 0), else_=1), alarms.c.id.desc())
        .limit(wanted.limit)
    )
    return await _rows(tx, query)


async def broken_assumptions(tx: AsyncConnection, wanted: Wanted) -> Rows:
    """What the guarantee rests on and does not stand now."""
    broken = assumptions.c
    query = (
        sa.select(
            broken.channel,
            listings.c.sku.label("listing"),
            broken.assumption,
            broken.why,
            broken.since,
            broken.checked_at,
        )
        .outerjoin(listings, listings.c.id == broken.listing_id)
        .where(broken.holds.is_(False), *_channels_in(wanted.reach, broken.channel))
        .order_by(broken.since.desc(), broken.channel, broken.listing_id, broken.assumption)
        .limit(wanted.limit)
    )
    return await _rows(tx, query)


# ------------------------------------------------------------------ parts


def _literal(text: str) -> str:
    """A text as LIKE finds it, and nothing else."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _holding(sku: str) -> sa.Select[tuple[int]]:
    """The listings that hold an item, alone or in a bundle."""
    containing = sa.select(recipes.c.listing_id).join(items, items.c.id == recipes.c.item_id)
    return containing.where(items.c.sku == sku)


def _before(query: sa.Select[Any], column: sa.ColumnElement[int], wanted: Wanted) -> Any:
    return query if wanted.after is None else query.where(column < wanted.after)


def _channels_in(reach: Reach, column: Any) -> tuple[sa.ColumnElement[bool], ...]:
    """Rows of no channel are about the whole house."""
    return () if reach.channels is None else (column.in_(sorted(reach.channels)),)


def _locations_in(reach: Reach) -> tuple[sa.ColumnElement[bool], ...]:
    return () if reach.locations is None else (locations.c.code.in_(sorted(reach.locations)),)


def _seen(reach: Reach) -> tuple[sa.ColumnElement[bool], ...]:
    """Movements of stock by its location, of exposures by their channel."""
    if reach.is_everywhere:
        return ()
    here = sa.and_(movements.c.item_id.is_not(None), *_locations_in(reach))
    theirs = sa.and_(movements.c.listing_id.is_not(None), *_channels_in(reach, listings.c.channel))
    return (sa.or_(here, theirs),)


async def _newest(
    tx: AsyncConnection,
    query: sa.Select[Any],
    parts: Iterable[sa.ColumnElement[bool]],
    column: sa.Column[Any],
    wanted: Wanted,
) -> Rows:
    """A page of what lies in one of the parts."""
    page = _before(query, column, wanted)
    found = await newest(tx, page, parts, by=[column], limit=wanted.limit)
    return [dict(row._mapping) for row in found[: wanted.limit]]  # noqa: SLF001 - its API


async def _rows(tx: AsyncConnection, query: sa.Select[Any]) -> Rows:
    found = (await tx.execute(query)).mappings()
    return [{str(name): value for name, value in row.items()} for row in found]
