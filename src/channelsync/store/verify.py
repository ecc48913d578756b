"""Verify: rebuild every number from what it must follow from, and name each row that differs.

Three kinds of evidence are held against each other (`channelsync.store.checks`):

- *movements*, append-only: every balance of `stock` and every exposure is the sum of its deltas;
- *documents*: order lines with their recipes, holds, and transfers. What they promise is what is
  reserved, and what transfers have sent and nobody received is what is in transit;
- *pushes*: an open push may give back no more than it has charged.

That the movements themselves are as they were written is what the chain over them proves
(`channelsync.store.chain_check`); that the audit trail is, what its own chain proves
(`channelsync.store.audit_chain`).

`free < 0` is a deficit, not a mistake of the books: it is reported as a note. The safety stock of
the configuration is policy and not counted there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.store.all_checks import CHECKS
from channelsync.store.audit_chain import AuditReport, check_audit
from channelsync.store.chain_check import Anchor, ChainReport, check_chain
from channelsync.store.checks import Finding, lines_of_old_recipes
from channelsync.store.tables import (
    channels,
    hold_lines,
    items,
    listings,
    locations,
    movements,
    order_lines,
    pushes,
    recipes,
    stock,
    transfers,
)
from channelsync.store.transfer_checks import over_inspected

__all__ = ["Note", "Report", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that a person should know, though the books are right."""

    kind: str
    key: str
    units: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `verify` looked at, and what it found."""

    findings: tuple[Finding, ...]
    notes: tuple[Note, ...]
    checked: Mapping[str, int]
    """Rows looked at, by table."""
    chain: ChainReport
    audit: AuditReport

    @property
    def ok(self) -> bool:
        """Whether every number follows from its evidence, and the evidence is as it was sealed."""
        return not self.findings and self.chain.ok and self.audit.ok


async def verify(tx: AsyncConnection, anchors: Iterable[Anchor] = ()) -> Report:
    """Check everything, in one consistent read; changes nothing.

    `anchors` are heads of the chain and of the audit trail that were told outside: they must stand
    in them.
    """
    told = tuple(anchors)
    trail = [(one.trail_position, one.trail_digest) for one in told if one.trail_position]
    findings: list[Finding] = []
    for check in CHECKS.values():
        findings += await check(tx)
    notes = (*await _deficits(tx), *await _old_recipes(tx), *await _inspected(tx))
    counted = {
        table.name: (await tx.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()
        for table in (stock, movements, listings, order_lines, hold_lines, pushes, transfers)
    }
    return Report(
        findings=tuple(findings),
        notes=notes,
        checked=counted,
        chain=await check_chain(tx, told),
        audit=await check_audit(tx, trail),
    )


async def _deficits(tx: AsyncConnection) -> tuple[Note, ...]:
    """Items whose exposures exceed their ATP, pool by pool."""
    kept_back = sa.case(
        (stock.c.on_hand <= 0, 0),
        (stock.c.safety_stock < stock.c.on_hand, stock.c.safety_stock),
        else_=stock.c.on_hand,
    )
    atp = sa.select(
        stock.c.item_id,
        locations.c.pool,
        (stock.c.on_hand - stock.c.reserved - kept_back).label("units"),
    ).join(locations, locations.c.id == stock.c.location_id)
    claimed = (
        sa.select(recipes.c.item_id, channels.c.pool, -(recipes.c.units * listings.c.exposure))
        .join(listings, listings.c.id == recipes.c.listing_id)
        .join(channels, channels.c.name == listings.c.channel)
        .where(listings.c.exposure.is_not(None))
    )
    both = sa.union_all(atp, claimed).subquery()
    free = sa.func.sum(both.c.units)
    query = (
        sa.select(items.c.sku, both.c.pool, free.label("free"))
        .join(items, items.c.id == both.c.item_id)
        .group_by(items.c.sku, both.c.pool)
        .having(free < 0)
        .order_by(items.c.sku, both.c.pool)
    )
    return tuple(
        Note(
            kind="deficit",
            key=f"{row.sku} in pool {row.pool}",
            units=-int(row.free),
            message=(
                f"{-int(row.free)} more units of {row.sku} may still sell than pool {row.pool} has;"
                " its listings are being cut"
            ),
        )
        for row in await tx.execute(query)
    )


async def _old_recipes(tx: AsyncConnection) -> tuple[Note, ...]:
    """Order lines sold under another recipe: no present number says what they should hold."""
    return tuple(
        Note(
            kind="old_recipe",
            key=key,
            units=0,
            message=f"{key} was sold under another recipe than its listing has now: not judged",
        )
        for key in await lines_of_old_recipes(tx)
    )


async def _inspected(tx: AsyncConnection) -> tuple[Note, ...]:
    """More units looked at than came back: some may be on hand that are not there."""
    return tuple(
        Note(
            kind="inspection",
            key=found.key,
            units=found.units,
            message=f"{found.units} more units of {found.key} were inspected than can have come"
            " back: count its shelf",
        )
        for found in await over_inspected(tx)
    )
