"""Repairs: everything that wants a person, with what it means and the fix.

What may be done about each is in `channelsync.engine.fixes`; where there is nothing to press, the
next step is told in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import EVERYWHERE, Reach
from channelsync.domain.repair_words import REPAIR_KINDS, words_for
from channelsync.domain.vocabulary import Instant
from channelsync.domain.wording import counted
from channelsync.engine.browse import Wanted, alarms_in_order, listings_page, shortfalls_page
from channelsync.engine.fixes import Fix, FixVerb, fixes_of
from channelsync.store.tables import ChannelState, alarms, audit, channels, dead_letters, listings

__all__ = ["Repair", "Repairs", "view_repairs"]

REPAIRS_MAX: Final = 200
"""So many are told in full; the others are counted."""
SHORTFALLS_SECONDS: Final = 7 * 86_400.0
"""A shortfall stays here for so long: whether its customer was told, only a person knows."""
GRAVE: Final = tuple(sorted(kind for kind in REPAIR_KINDS if words_for(kind).is_grave))


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One thing that wants a person."""

    kind: str
    """As the alarms are called, or `drift`, `shortfall`, `channel_paused`."""
    subject: str
    channel: str | None
    sku: str | None
    """The item or offer it is about, where it is about one."""
    since: Instant | None
    """None: the books do not tell."""
    grave: bool
    """Units may be promised that are not there."""
    title: str
    happened: str
    matters: str
    done: str
    next_step: str
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """Everything within reach: the grave things first, then the newest."""

    items: tuple[Repair, ...]
    counts: Mapping[str, int]
    """How many there are of each kind, those included that are not told in full."""

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())


async def view_repairs(
    tx: AsyncConnection, *, now: Instant, reach: Reach = EVERYWHERE, limit: int = REPAIRS_MAX
) -> Repairs:
    """What wants a person now."""
    wanted = Wanted(limit=limit, reach=reach)
    counts = await _count_alarms(tx, reach)
    raised = await alarms_in_order(tx, wanted, first=GRAVE)
    letters, skus = await _letters(tx, raised), await _skus(tx, raised)
    stopped = await _stopped(tx, reach)
    found = [_of_alarm(row, letters, skus, stopped) for row in raised]
    said = {row["channel"] for row in raised if row["kind"] == "channel_notice"}
    silent = sorted(stopped.keys() - said)
    since = await _paused_at(tx, silent)
    paused = [_of_pause(stopped[name], since.get(name)) for name in silent]
    drifting = [_of_drift(row) for row in await listings_page(tx, wanted, drifting=True)]
    short = [
        _of_shortfall(row)
        for row in await shortfalls_page(tx, wanted, standing=True)
        if row["at"] > now - SHORTFALLS_SECONDS
    ]
    found += [*paused, *drifting, *short]
    counts.update(one.kind for one in (*paused, *drifting, *short))
    found.sort(key=lambda one: (not one.grave, -(one.since or now), one.kind, one.subject))
    return Repairs(items=tuple(found[:limit]), counts=dict(sorted(counts.items())))


# ------------------------------------------------------------------ alarms


async def _count_alarms(tx: AsyncConnection, reach: Reach) -> Counter[str]:
    query = sa.select(alarms.c.kind, sa.func.count()).where(alarms.c.cleared_at.is_(None))
    if reach.channels is not None:
        query = query.where(alarms.c.channel.in_(sorted(reach.channels)))
    rows = await tx.execute(query.group_by(alarms.c.kind))
    return Counter({kind: int(number) for kind, number in rows})


async def _letters(tx: AsyncConnection, raised: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Numbers of dead letters, by their alarms' subjects."""
    references = [
        row["subject"].partition("/")[2] for row in raised if row["kind"] == "dead_letter"
    ]
    query = sa.select(dead_letters.c.id, dead_letters.c.kind, dead_letters.c.reference).where(
        dead_letters.c.state == "dead", dead_letters.c.reference.in_(references)
    )
    return {f"{row.kind}/{row.reference}": row.id for row in await tx.execute(query)}


async def _skus(tx: AsyncConnection, raised: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """SKUs of listings that alarms name by number."""
    numbers = {
        part: int(part)
        for row in raised
        if row["kind"] == "assumption_broken"
        for part in row["subject"].split("/")[-2:-1]
        if part.isdecimal()
    }
    query = sa.select(listings.c.id, listings.c.sku).where(listings.c.id.in_(numbers.values()))
    return {str(row.id): row.sku for row in await tx.execute(query)}


def _of_alarm(
    row: Mapping[str, Any],
    letters: Mapping[str, int],
    skus: Mapping[str, str],
    stopped: Mapping[str, Any],
) -> Repair:
    kind, subject, channel = row["kind"], row["subject"], row["channel"]
    sku = _sku_of(kind, subject, skus)
    fixes = fixes_of(kind, subject=subject, channel=channel, sku=sku, alarm=row["id"])
    if kind == "dead_letter" and subject in letters:
        number = str(letters[subject])
        fixes = tuple(Fix(verb=verb, target=number) for verb in (FixVerb.REPLAY, FixVerb.DROP))
    elif kind == "channel_notice" and channel in stopped:
        fixes = (Fix(verb=FixVerb.RESUME, target=channel),)
    repair = _repair(kind, subject, row["message"], row["raised_at"], channel)
    return replace(repair, sku=sku, fixes=fixes)


def _sku_of(kind: str, subject: str, skus: Mapping[str, str]) -> str | None:
    """Subjects are `channel/sku…` or `pool/sku`; a SKU may hold slashes itself."""
    parts = subject.split("/")
    match kind:
        case "assumption_broken":
            return skus.get(parts[-2]) if len(parts) > 1 else None
        case "listing_refused" | "listing_gone" | "deficit":
            return "/".join(parts[1:]) or None
        case "count_refused":
            return "/".join(parts[1:-1]) or None
        case _:
            return None


# ------------------------------------------------------------------ beside the alarms


async def _stopped(tx: AsyncConnection, reach: Reach) -> dict[str, Any]:
    """Channels that nothing is sent to, by name."""
    still = sa.or_(channels.c.paused_reason.is_not(None), channels.c.mode == "paused")
    query = sa.select(channels).where(still, channels.c.state != ChannelState.REMOVED)
    return {row.name: row for row in await tx.execute(query) if reach.has_channel(row.name)}


async def _paused_at(tx: AsyncConnection, names: Iterable[str]) -> dict[str, Instant]:
    """When somebody last stopped them, as far as the trail tells."""
    subjects = {f"channel:{name}": name for name in names}
    query = (
        sa.select(audit.c.subject, sa.func.max(audit.c.at))
        .where(audit.c.action == "channel.pause", audit.c.subject.in_(sorted(subjects)))
        .group_by(audit.c.subject)
    )
    return {subjects[subject]: at for subject, at in await tx.execute(query)}


def _of_pause(row: Any, since: Instant | None) -> Repair:
    by_hand = row.paused_reason is not None
    happened = str(row.paused_reason) if by_hand else "its mode in the file is paused"
    fix = Fix(verb=FixVerb.RESUME if by_hand else FixVerb.CONFIGURE, target=row.name)
    repair = _repair("channel_paused", row.name, happened, since if by_hand else None, row.name)
    return replace(repair, fixes=(fix,))


def _of_drift(row: Mapping[str, Any]) -> Repair:
    channel, sku = row["channel"], row["sku"]
    shown = "an unknown number" if row["shown"] is None else counted(row["shown"], "unit")
    happened = f"{sku} shows {shown} at {channel}"
    repair = _repair("drift", f"{channel}/{sku}", happened, row["shown_at"], channel)
    return replace(repair, sku=sku, fixes=fixes_of("drift", channel=channel))


def _of_shortfall(row: Mapping[str, Any]) -> Repair:
    channel, sku = row["channel"], row["sku"]
    where = f" at {channel}" if channel else ""
    about = f" (order {row['reference']})" if row["reference"] else ""
    happened = f"{row['units']} × {sku}{where}{about}: {row['cause'].replace('_', ' ')}"
    repair = _repair("shortfall", str(row["id"]), happened, row["at"], channel)
    return replace(repair, sku=sku, fixes=fixes_of("shortfall", sku=sku))


def _repair(
    kind: str, subject: str, happened: str, since: Instant | None, channel: str | None
) -> Repair:
    words = words_for(kind, channel)
    return Repair(
        kind=kind,
        subject=subject,
        channel=channel,
        sku=None,
        since=since,
        grave=words.is_grave,
        title=words.title,
        happened=happened,
        matters=words.matters,
        done=words.done,
        next_step=words.next_step,
    )
