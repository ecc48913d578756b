"""What the database tells: whether it can be used, and what in it wants a person."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.cli.dashboard import repairs_page
from channelsync.cli.doctor.house import EXPIRY_WARNING_SECONDS
from channelsync.cli.doctor.lines import Line, attention, broken, fine
from channelsync.cli.doctor.vault import vault_lines
from channelsync.cli.failures import failure_of
from channelsync.cli.output import ago, spoken
from channelsync.cli.session import Session
from channelsync.configuration.configuration import Configuration
from channelsync.domain.alarm_kinds import kind_of
from channelsync.domain.escrow import SettleReason
from channelsync.domain.vocabulary import Instant
from channelsync.domain.wording import counted
from channelsync.engine.status import Alarm, ChannelStatus, Status, view_status
from channelsync.engine.users_desk import any_user
from channelsync.store import migrate, tables
from channelsync.store.database import Database
from channelsync.store.tables import ChannelState

__all__ = ["books_lines"]

CLOCK_OFF_SECONDS: Final = 5.0
AHEAD_SECONDS: Final = 60.0
DRIFTS_MAX: Final = 10_000
TOLD_APART: Final = frozenset(
    {"assumption_broken", "channel_degraded", "credential_expiring", "dead_letter", "feed_quiet"}
)
"""Kinds of alarm that have a line of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One consistent read."""

    status: Status
    drifting: int
    assumptions: int
    """Assumptions of single listings that do not hold."""
    ending_keys: tuple[str, ...]
    has_users: bool
    newest: Instant | None


async def books_lines(session: Session, configuration: Configuration | None) -> list[Line]:
    """Every line that the database can give; one that says why, where it cannot be used."""
    try:
        async with session.store() as database:
            async with database.read() as tx:
                seen = await _look(session, database, configuration, tx)
                version = await _version(database, tx)
                vault = await vault_lines(session, database, tx)
            clock = _clock(database, session, seen)
    except Exception as error:  # whatever it is, the other lines go on
        failure = failure_of(error)
        if not failure.expected:
            raise
        fix = "Do what the message says; then run `channelsync doctor` again."
        return [broken("store", failure.message, fix)]
    page = repairs_page(session.settings)
    return [
        fine("store", f"{version}, schema {migrate.head()}"),
        clock,
        *_work(seen.status),
        *(line for one in seen.status.channels for line in _channel(one, seen.status.at, page)),
        *_trouble(seen, page),
        *_alarms(seen.status, page),
        *_people(seen),
        *vault,
    ]


# ------------------------------------------------------------------ looking


async def _look(
    session: Session,
    database: Database,
    configuration: Configuration | None,
    tx: AsyncConnection,
) -> _Seen:
    status = await view_status(session.engine(database, configuration), tx)
    listings, assumptions, keys = tables.listings, tables.assumptions, tables.api_keys
    reasons = sa.select(listings.c.settle_reasons).where(listings.c.settle_wanted).limit(DRIFTS_MAX)
    drifting = sum(SettleReason.DRIFT in found for found in await tx.scalars(reasons))
    alone = sa.select(sa.func.count()).where(
        assumptions.c.listing_id != 0, sa.not_(assumptions.c.holds)
    )
    ending = sa.select(keys.c.name, keys.c.expires_at).where(
        keys.c.revoked_at.is_(None),
        keys.c.expires_at > status.at,
        keys.c.expires_at < status.at + EXPIRY_WARNING_SECONDS,
    )
    return _Seen(
        status=status,
        drifting=drifting,
        assumptions=int((await tx.execute(alone)).scalar_one()),
        ending_keys=tuple(
            f"{row.name} ({spoken(row.expires_at)})"
            for row in await tx.execute(ending.order_by(keys.c.expires_at))
        ),
        has_users=await any_user(tx),
        newest=(await tx.execute(sa.select(sa.func.max(tables.movements.c.at)))).scalar(),
    )


async def _version(database: Database, tx: AsyncConnection) -> str:
    if database.is_sqlite:
        return f"SQLite {(await tx.scalar(sa.text('SELECT sqlite_version()')))}"
    return f"PostgreSQL {(await tx.scalar(sa.text('SHOW server_version')))}"


def _clock(database: Database, session: Session, seen: _Seen) -> Line:
    """On PostgreSQL its clock is the one that counts; else time must not have gone back."""
    fix = "Set this machine's clock by NTP (for example with chrony or systemd-timesyncd)."
    now = session.environment.now()
    if seen.newest is not None and seen.newest > now + AHEAD_SECONDS:
        said = f"the newest movement was {seen.newest - now:.0f} s after now: the clock went back"
        return broken("clock", said, fix)
    if database.is_sqlite:
        return fine("clock", f"{spoken(now)}, after everything in the books")
    off = time.time() - now
    said = f"this machine's clock differs from the database's by {off:.1f} s"
    if abs(off) <= CLOCK_OFF_SECONDS:
        return fine("clock", said)
    return attention("clock", f"{said}; the database's counts", fix)


# ------------------------------------------------------------------ channels


def _work(status: Status) -> Iterator[Line]:
    if status.overdue_seconds is None:
        yield fine("work", "nothing waits for longer than it should")
    else:
        since = ago(status.at - status.overdue_seconds, status.at)
        fix = "Start the daemon (`channelsync run`); if it runs, look into its log."
        yield broken("work", f"nobody does it: it has been due since {since}", fix)


def _channel(one: ChannelStatus, now: Instant, page: str) -> Iterator[Line]:
    area = f"channel {one.channel}"
    test = f"Run `channelsync channels test {one.channel}`."
    lines: list[Line] = []
    if one.failing_since is not None:
        said = f"failing since {ago(one.failing_since, now)}: {one.last_error}"
        lines.append(broken(area, said, test, page))
    if one.quiet:
        said = f"its order feed was heard last {ago(one.heard_at, now)}; its quantities are lowered"
        lines.append(broken(area, said, test, page))
    if one.paused is not None:
        fix = f"When it is over: `channelsync channels resume {one.channel}`."
        lines.append(attention(area, f"stopped: {one.paused}", fix, page))
    if one.state == ChannelState.ADOPTING:
        said = "still being adopted: nothing of its items is raised yet"
        lines.append(attention(area, said, "Give it time; the daemon must run."))
    for said in one.broken:
        fix = "Put it right at the marketplace; it is checked again by itself."
        lines.append(broken(area, f"an assumption does not hold: {said}", fix, page))
    lines += _listings(one, area, page)
    yield from lines
    if not lines:
        yield fine(area, f"{one.state}, {one.mode}; feed heard {ago(one.heard_at, now)}")


def _listings(one: ChannelStatus, area: str, page: str) -> Iterator[Line]:
    if one.refused:
        said = f"{counted(one.refused, 'offer')} not synced"
        yield attention(area, said, "`channelsync explain SKU` says why, for each.", page)
    if one.parked_lines:
        said = f"{counted(one.parked_lines, 'order line')} not counted: its offer is not mapped"
        fix = "See `channelsync orders --parked`; add the item or map the offer."
        yield broken(area, said, fix, page)


# ------------------------------------------------------------------ the rest


def _trouble(seen: _Seen, page: str) -> Iterator[Line]:
    status = seen.status
    if status.dead_letters:
        said = f"{counted(status.dead_letters, 'dead letter')}: deliveries not understood"
        fix = "Run `channelsync deadletters list`, then replay or drop each."
        yield attention("dead letters", said, fix, page)
    else:
        yield fine("dead letters", "none")
    if seen.drifting:
        said = f"{counted(seen.drifting, 'listing')} showed a number that nothing here explains"
        fix = "Find out who else writes to the channel, and stop them."
        yield attention("drift", said, fix, page)
    else:
        yield fine("drift", "none")
    coverage = status.proof_coverage
    said = f"{coverage.proven} of {counted(coverage.listings, 'listing')} proven"
    if seen.assumptions or coverage.proven < coverage.listings:
        fix = "`channelsync status` and `channelsync explain SKU` name the assumption."
        yield attention("guarantee", said, fix, page if seen.assumptions else None)
    else:
        yield fine("guarantee", said)
    if status.shortfall_units:
        said = f"{counted(status.shortfall_units, 'unit')} accepted beyond stock within a day"
        fix = "`channelsync explain SKU` names the cause; restock."
        yield attention("shortfall", said, fix, page)


def _alarms(status: Status, page: str) -> Iterator[Line]:
    others = [alarm for alarm in status.alarms if alarm.kind not in TOLD_APART]
    counts = Counter(alarm.kind for alarm in others)
    for kind, number in sorted(counts.items()):
        yield _alarm(next(alarm for alarm in others if alarm.kind == kind), number, page)


def _alarm(first: Alarm, number: int, page: str) -> Line:
    known = kind_of(first.kind)
    advice = known.advice_for(first.channel)
    more = f" (and {number - 1} more)" if number > 1 else ""
    return attention("alarm", f"{known.title}: {first.message}{more}", advice, page)


def _people(seen: _Seen) -> Iterator[Line]:
    if seen.has_users:
        yield fine("users", "somebody can sign in; the set-up link is closed")
    else:
        said = "nobody can sign in yet: the set-up link is open"
        fix = "Use the link that the daemon printed, or `channelsync users add`."
        yield attention("users", said, fix)
    for key in seen.ending_keys:
        fix = "Make another with `channelsync keys create` before it ends."
        yield attention("credentials", f"the API key {key} ends soon", fix)
