"""Intake: order facts become movements, each line exactly once, in whatever order they arrive.

All facts of a batch are applied in the caller's one transaction: rows are read in bulk, changed in
memory and written with multi-row statements, so that a hot item costs one row update a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.orders import LineState, merge
from channelsync.domain.vocabulary import CancelEffect, Instant
from channelsync.engine.alarms import clear_alarm
from channelsync.engine.books import load_stock
from channelsync.engine.counting import Batch, count_line, flush, load_held, state_values
from channelsync.engine.grants import Grants
from channelsync.engine.lines import (
    KnownLine,
    line_state,
    load_lines,
    load_voids,
    match_listings,
    voided,
)
from channelsync.engine.measure import note_late_orders
from channelsync.sdk.types import OrderFact, OrderVoid
from channelsync.store import tables
from channelsync.store.locks import lock_orders
from channelsync.store.many import inserting, updating
from channelsync.store.prepared import Prepared

__all__ = ["apply_orders", "reapply_parked"]

UNMAPPED = "unmapped"

_News: TypeAlias = tuple[dict[str, Any], LineState, KnownLine | None]
"""A line to store and to count: its row, its state, and what was known of it."""

_STATE: Final = ("listing_id", "parked", "heard_at", *state_values(LineState(ordered=0)))
_WORDS: Final = ("sku", "external", "location", "origin")
_ACCOUNT: Final = sa.select(
    *(tables.channels.c[name] for name in ("name", "pool", "baseline_at", "watermark"))
).where(tables.channels.c.name == sa.bindparam("channel"))
_LINE_IDS: Final = Prepared(
    lambda listed: sa.select(
        *(tables.order_lines.c[name] for name in ("id", "order_id", "line_id"))
    ).where(
        tables.order_lines.c.channel == sa.bindparam("channel"),
        listed(tables.order_lines.c.order_id, "order_ids"),
    )
)
_UPDATE_VOIDED: Final = updating(tables.order_lines, *_STATE)
_UPDATE_TOLD: Final = updating(tables.order_lines, *_STATE, *_WORDS)
_INSERT_LINES: Final = inserting(
    tables.order_lines,
    *("channel", "order_id", "line_id", *_STATE, *_WORDS, "first_heard_at", "heard_after"),
)


async def apply_orders(
    tx: AsyncConnection,
    channel: str,
    facts: Sequence[OrderFact],
    voids: Sequence[OrderVoid],
    *,
    now: Instant,
) -> None:
    """Bring the books to what the facts say. Facts heard before change nothing.

    A line of an offer that we do not know is kept, parked and alarmed; it is applied as soon as the
    offer is mapped (`reapply_parked`).
    """
    # Locked even for nothing: the caller's page is then all that its instant says it is.
    await lock_orders(tx, channel)
    if not facts and not voids:
        return
    await _remember_voids(tx, channel, voids, now)
    order_ids = {fact.order_id for fact in facts} | {void.order_id for void in voids}
    known = await load_lines(tx, channel, order_ids)
    all_voids = await load_voids(tx, channel, order_ids)
    heard, told = _newest(facts), _merged(facts)
    listing_ids = await match_listings(tx, channel, list(heard.values()))
    news = []
    for key in sorted(heard.keys() | {k for k in known if k[0] in all_voids}):
        state = _state(key, told.get(key), known.get(key), all_voids)
        listing_id = _listing_id(key, known.get(key), listing_ids)
        if state is not None and _is_news(state, listing_id, known.get(key)):
            row = _line_row(channel, key, state, listing_id, heard.get(key), now)
            news.append((row, state, known.get(key)))
    account = await _account(tx, channel)
    # Written before anything is locked that other channels want as well: the rows are ours alone.
    ids = await _write_lines(tx, channel, news, imported=account.watermark is None)
    batch = await _open_batch(tx, account, known, listing_ids, now)
    heard_before = {order_id for order_id, _ in known}
    fresh = [row for row, _, _ in news if row["order_id"] not in heard_before]
    batch.late = await note_late_orders(
        tx, batch.grants, channel, fresh, watermark=batch.watermark, now=now
    )
    for row, state, before in news:
        line_id = before.id if before else ids[row["order_id"], row["line_id"]]
        await count_line(batch, line_id, row, state, before)
    await flush(batch)


async def reapply_parked(tx: AsyncConnection, channel: str, *, now: Instant) -> int:
    """Count parked lines whose offers are mapped by now. Returns how many."""
    await lock_orders(tx, channel)
    lines = tables.order_lines
    query = sa.select(lines).where(lines.c.channel == channel, lines.c.parked.is_not(None))
    facts = [_fact_of(row) for row in await tx.execute(query)]
    if not facts:
        await clear_alarm(tx, "unmapped_sale", channel, now=now)
        return 0
    mapped = await match_listings(tx, channel, facts)
    ready = [fact for fact in facts if (fact.order_id, fact.line_id) in mapped]
    if ready:
        await apply_orders(tx, channel, ready, (), now=now)
    if len(ready) == len(facts):
        await clear_alarm(tx, "unmapped_sale", channel, now=now)
    return len(ready)


def _fact_of(row: Any) -> OrderFact:
    return OrderFact(
        order_id=row.order_id,
        line_id=row.line_id,
        sku=row.sku,
        external=row.external,
        ordered=row.ordered,
        cancelled=row.cancelled,
        shipped=row.shipped,
        returned=row.returned,
        restocked=row.restocked,
        relisted=row.relisted,
        version=row.version,
        sold_at=row.sold_at,
        cancelled_at=row.cancelled_at,
        shipped_at=row.shipped_at,
        returned_at=row.returned_at,
        cancel_effect=CancelEffect(row.cancel_effect),
        pending=row.pending,
        moves_counter=row.moves_counter,
        location=row.location,
        origin=row.origin,
    )


# ------------------------------------------------------------------ reading


async def _remember_voids(
    tx: AsyncConnection, channel: str, voids: Sequence[OrderVoid], now: Instant
) -> None:
    if not voids:
        return
    insert = (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(tables.order_voids)
    rows = [
        {
            "channel": channel,
            "order_id": void.order_id,
            "at": void.at,
            "cancel_effect": void.cancel_effect,
            "heard_at": now,
        }
        for void in voids
    ]
    await tx.execute(insert.on_conflict_do_nothing(), rows)


def _newest(facts: Iterable[OrderFact]) -> dict[tuple[str, str], OrderFact]:
    """One fact a line for the words beside its counts: the newest heard in this batch."""
    newest: dict[tuple[str, str], OrderFact] = {}
    for fact in facts:
        key = (fact.order_id, fact.line_id)
        if key not in newest or fact.version >= newest[key].version:
            newest[key] = fact
    return newest


async def _account(tx: AsyncConnection, channel: str) -> Any:
    return (await tx.execute(_ACCOUNT, {"channel": channel})).one()


async def _open_batch(
    tx: AsyncConnection,
    account: Any,
    known: Mapping[tuple[str, str], KnownLine],
    listing_ids: Mapping[tuple[str, str], int],
    now: Instant,
) -> Batch:
    grants = Grants(tx, now, f"order:{account.name}")
    old = {line.listing_id for line in known.values() if line.listing_id is not None}
    await grants.load(old | set(listing_ids.values()))
    held = await load_held(tx, (line.id for line in known.values()))
    item_ids = {item for listing in grants.all() for item in listing.recipe}
    item_ids |= {item for line in held.values() for item in line.recipe}
    return Batch(
        tx=tx,
        channel=account.name,
        pool=account.pool,
        baseline_at=account.baseline_at,
        watermark=account.watermark,
        now=now,
        grants=grants,
        stock=await load_stock(tx, account.pool, item_ids),
        held=held,
    )


def _merged(facts: Iterable[OrderFact]) -> dict[tuple[str, str], LineState]:
    """Everything this batch says of each line."""
    told: dict[tuple[str, str], LineState] = {}
    for fact in facts:
        key = (fact.order_id, fact.line_id)
        told[key] = merge(told.get(key), line_state(fact))
    return told


# ------------------------------------------------------------------ one line


def _state(
    key: tuple[str, str],
    told: LineState | None,
    known: KnownLine | None,
    voids: Mapping[str, OrderVoid],
) -> LineState | None:
    """What is known of a line by now; None: nothing at all."""
    state = known.state if known else None
    if told is not None:
        state = merge(state, told)
    void = voids.get(key[0])
    return state if state is None or void is None else voided(state, void)


def _listing_id(
    key: tuple[str, str], known: KnownLine | None, listing_ids: Mapping[tuple[str, str], int]
) -> int | None:
    """A line stays with the listing that it was counted for."""
    if known is not None and known.listing_id is not None:
        return known.listing_id
    return listing_ids.get(key)


def _is_news(state: LineState, listing_id: int | None, known: KnownLine | None) -> bool:
    return known is None or state != known.state or listing_id != known.listing_id


def _line_row(
    channel: str,
    key: tuple[str, str],
    state: LineState,
    listing_id: int | None,
    fact: OrderFact | None,
    now: Instant,
) -> dict[str, Any]:
    """The row to store for a line."""
    row = {
        "channel": channel,
        "order_id": key[0],
        "line_id": key[1],
        "listing_id": listing_id,
        "parked": None if listing_id is not None else UNMAPPED,
        "heard_at": now,
        **state_values(state),
    }
    if fact is not None:
        row |= {
            "sku": fact.sku,
            "external": dict(fact.external),
            "location": fact.location,
            "origin": fact.origin,
        }
    return row


async def _write_lines(
    tx: AsyncConnection, channel: str, news: Sequence[_News], *, imported: bool
) -> dict[tuple[str, str], int]:
    """Insert new lines, update known ones. Returns the ids of the new ones."""
    old = [(row | {"id": known.id}) for row, _, known in news if known is not None]
    await _UPDATE_TOLD.run(tx, [row for row in old if "sku" in row])
    await _UPDATE_VOIDED.run(tx, [row for row in old if "sku" not in row])
    fresh = [
        row | {"first_heard_at": row["heard_at"], "heard_after": None if imported else _after(row)}
        for row, _, known in news
        if known is None
    ]
    if not fresh:
        return {}
    await _INSERT_LINES.run(tx, fresh)
    order_ids = sorted({row["order_id"] for row in fresh})
    rows = await _LINE_IDS.rows(tx, channel=channel, order_ids=order_ids)
    return {(row.order_id, row.line_id): row.id for row in rows}


def _after(row: Mapping[str, Any]) -> float | None:
    """Seconds from a sale until it was heard of."""
    sold_at, heard_at = row["sold_at"], row["heard_at"]
    return None if sold_at is None else heard_at - sold_at
