"""The facts that zero oversell rests on, stored per listing as holding or broken since when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import clear_alarm, raise_alarm
from channelsync.sdk.types import Assumption, AssumptionFinding
from channelsync.store import tables
from channelsync.store.prepared import Prepared

__all__ = ["broken_listings", "record_findings"]

_BROKEN: Final = Prepared(
    lambda listed: sa.select(
        tables.assumptions.c.channel,
        tables.assumptions.c.listing_id,
        tables.assumptions.c.assumption,
        tables.assumptions.c.why,
    ).where(sa.not_(tables.assumptions.c.holds), listed(tables.assumptions.c.channel, "channels"))
)


async def record_findings(
    tx: AsyncConnection, channel: str, findings: Sequence[AssumptionFinding], *, now: Instant
) -> None:
    """Store what was found; a change raises or clears an alarm. `since` moves only on a change."""
    if not findings:
        return
    # One listing may be found both fit and unfit on the way of one read: the bad news stands.
    worst = {
        (int(finding.listing_id or 0), finding.assumption): finding
        for finding in sorted(findings, key=lambda finding: not finding.holds)
    }
    known = await _known(tx, channel, {listing_id for listing_id, _ in worst})
    await _store(tx, channel, worst, now)
    for (listing_id, assumption), finding in sorted(worst.items()):
        if known.get((listing_id, assumption), True) == finding.holds:
            continue
        subject = f"{channel}/{listing_id or 'channel'}/{assumption}"
        if finding.holds:
            await clear_alarm(tx, "assumption_broken", subject, now=now)
        else:
            await raise_alarm(
                tx, "assumption_broken", subject, finding.why, now=now, channel=channel
            )


async def _known(
    tx: AsyncConnection, channel: str, listing_ids: set[int]
) -> dict[tuple[int, str], bool]:
    stored = tables.assumptions
    query = sa.select(stored.c.listing_id, stored.c.assumption, stored.c.holds).where(
        stored.c.channel == channel, stored.c.listing_id.in_(sorted(listing_ids))
    )
    return {(row.listing_id, row.assumption): row.holds for row in await tx.execute(query)}


async def _store(
    tx: AsyncConnection,
    channel: str,
    findings: Mapping[tuple[int, Assumption], AssumptionFinding],
    now: Instant,
) -> None:
    stored = tables.assumptions
    insert = (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(stored)
    unchanged = stored.c.holds == insert.excluded.holds
    statement = insert.on_conflict_do_update(
        index_elements=[stored.c.channel, stored.c.listing_id, stored.c.assumption],
        set_={
            "since": sa.case((unchanged, stored.c.since), else_=insert.excluded.since),
            "holds": insert.excluded.holds,
            "why": insert.excluded.why,
            "checked_at": insert.excluded.checked_at,
        },
    )
    rows = [
        {
            "channel": channel,
            "listing_id": listing_id,
            "assumption": assumption,
            "holds": finding.holds,
            "why": finding.why,
            "since": now,
            "checked_at": now,
        }
        for (listing_id, assumption), finding in sorted(findings.items())
    ]
    await tx.execute(statement, rows)


async def broken_listings(
    tx: AsyncConnection, channels: Iterable[str]
) -> dict[str, dict[int, str]]:
    """Why listings of these channels cannot be relied on, by channel and listing id.

    The listing 0 stands for all of a channel.
    """
    found: dict[str, dict[int, str]] = {channel: {} for channel in channels}
    rows = await _BROKEN.rows(tx, channels=sorted(found))
    for channel, listing_id, assumption, why in rows:
        found[channel][listing_id] = f"{assumption}: {why}"
    return found
