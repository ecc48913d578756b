"""The pages of channels: how each fares, and one of them in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from channelsync.engine.browse import Rows, Wanted, alarms_page, broken_assumptions, lines_page
from channelsync.engine.core import Engine
from channelsync.engine.figures import Lag, view_apply_lags
from channelsync.engine.heartbeats import BEATS, Beat, Health, view_heartbeats
from channelsync.engine.pushes_view import pushes_page
from channelsync.engine.status import ChannelStatus, channel_statuses
from channelsync.web.dashboard.books import ALARMS, ASSUMPTIONS, LINES, PUSHES
from channelsync.web.dashboard.frame import Crumb, Frame
from channelsync.web.dashboard.marks import change_of, of_alarm, of_channel, of_line, of_push
from channelsync.web.dashboard.table import Column, Mark, Table
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = ["CHANNELS_TABLE", "show_channel", "show_part"]

RECENT: Final = 10
DAY_SECONDS: Final = 86_400.0
WIDTH: Final = 100.0
WARN_DAYS: Final = 14.0


def beats_drawn(beats: Sequence[Beat]) -> list[tuple[str, float, float]]:
    """The heartbeat bars: look, place and width of each, in hundredths."""
    each = WIDTH / BEATS
    return [(beat.health, number * each, each * 0.72) for number, beat in enumerate(beats)]


def beats_said(beats: Sequence[Beat]) -> str:
    """The same in words."""
    known = [beat for beat in beats if beat.health is not Health.UNKNOWN]
    ill = sum(beat.health is Health.ILL for beat in known)
    hours = f"{len(known) / 2:g} h"
    return f"no trouble within {hours}" if not ill else f"trouble in {ill / 2:g} of {hours}"


async def _rows(engine: Engine, tx: AsyncConnection, wanted: Wanted) -> Rows:
    now = engine.now()
    beats = await view_heartbeats(tx, now)
    lags = {lag.channel: lag for lag in await view_apply_lags(tx, now - DAY_SECONDS)}
    return [
        _row(engine, one, beats[one.channel], lags.get(one.channel), now)
        for one in await channel_statuses(engine, tx, now)
        if wanted.reach.has_channel(one.channel)
    ]


def _row(
    engine: Engine, status: ChannelStatus, beats: Sequence[Beat], lag: Lag | None, now: float
) -> Mapping[str, Any]:
    running = engine.channels.get(status.channel)
    manifest = running.manifest if running is not None else None
    expires = running.credentials_expire_at if running is not None else None
    return {
        **asdict(status),
        "standing": of_channel(status),
        "beats": beats_drawn(beats),
        "day": beats_said(beats),
        "lag": None if lag is None or not lag.longest else lag,
        "rate": manifest.requests_per_second if manifest is not None else None,
        "waited": round(running.waited_seconds(), 1) if running is not None else None,
        "expires_at": expires,
        "expiry": _expiry(expires, now),
        "semantics": str(manifest.push_semantics) if manifest is not None else None,
        "enforces": str(manifest.enforces) if manifest is not None else None,
        "loading": status.load.words if status.load is not None else None,
    }


def _expiry(at: float | None, now: float) -> Mark | None:
    if at is None:
        return None
    if at <= now:
        return Mark("bad", "ended")
    return Mark("warn", "ends soon") if at - now < WARN_DAYS * DAY_SECONDS else Mark("good", "good")


CHANNELS_TABLE: Final = Table(
    key="channels",
    path="/channels",
    title="Channels",
    about="Every selling account: whether it is heard, what it may still sell, and how near it is"
    " to its limits.",
    columns=(
        Column("channel", "Channel", "channel"),
        Column("connector", "Connector"),
        Column("pool", "Pool"),
        Column("mode", "Mode"),
        Column("standing", "State", "mark"),
        Column("day", "Last day"),
        Column("heard_at", "Heard", "when", "The newest sign of life of its order feed"),
        Column("watermark_at", "Counted up to", "when", "Every order line up to then is counted"),
        Column("listings", "Listings", "number"),
        Column("exposure", "May sell", "number", "Units that it may still sell"),
        Column("open_pushes", "Open pushes", "number"),
        Column("unsettled", "To settle", "number"),
        Column("refused", "Refused", "number", "Offers that are not synced"),
        Column("parked_lines", "Parked lines", "number", "Order lines of unmapped offers"),
        Column("rate", "Requests a second", "number", "What the connector declares"),
        Column("waited", "Waited, s", "number", "For the channel's rate, since this process began"),
        Column("expires_at", "Credential ends", "when"),
        Column("loading", "First load", "long"),
    ),
    read=_rows,
    paged=False,
    template="channels.html",
    empty="No channels yet. Write them into channelsync.yaml, then: `channelsync check`",
)


async def show_channel(engine: Engine, frame: Frame, request: Request) -> Response:
    """One channel in full.

    Raises:
        Problem: there is none, or it is out of reach (404).
    """
    name, reach = request.path_params["channel"], principal_of(request).reach
    wanted = Wanted(limit=RECENT, channel=name, reach=reach)
    async with engine.database.read() as tx:
        found = [one for one in await _rows(engine, tx, wanted) if one["channel"] == name]
        if not found:
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no channel {name!r}")
        pushed = [
            {**row, "standing": of_push(row), "change": change_of(row)}
            for row in await pushes_page(tx, wanted)
        ]
        broken = await broken_assumptions(tx, Wanted(limit=500, reach=reach))
        parts: dict[str, Any] = {
            "pushes": pushed,
            "lines": [{**row, "standing": of_line(row)} for row in await lines_page(tx, wanted)],
            "broken": [one for one in broken if one["channel"] == name],
            "alarms": await _alarms(tx, wanted),
        }
    return frame.page(
        request,
        "channel.html",
        active="channels",
        title=name,
        crumbs=[Crumb("Channels", "/channels")],
        row=found[0],
        columns=_columns(),
        **parts,
    )


async def show_part(engine: Engine, frame: Frame, request: Request) -> Response:
    """The overview of whoever is kept to some channels or locations: those, and nothing else."""
    reach = principal_of(request).reach
    wanted = Wanted(limit=RECENT, reach=reach)
    async with engine.database.read() as tx:
        rows = await _rows(engine, tx, wanted)
        lines = [{**row, "standing": of_line(row)} for row in await lines_page(tx, wanted)]
        alarmed = await _alarms(tx, wanted)
    return frame.page(
        request,
        "part.html",
        active="overview",
        title="Your part of the house",
        reach=reach,
        rows=rows,
        lines=lines,
        alarms=alarmed,
        columns=_columns(),
    )


async def _alarms(tx: AsyncConnection, wanted: Wanted) -> Rows:
    open_ones = Wanted(limit=RECENT, channel=wanted.channel, reach=wanted.reach, kind="open")
    return [{**row, "standing": of_alarm(row)} for row in await alarms_page(tx, open_ones)]


def _columns() -> Mapping[str, Sequence[Column]]:
    """Those of the tables, less the channel that the page is about."""
    tables = {"pushes": PUSHES, "lines": LINES, "broken": ASSUMPTIONS, "alarms": ALARMS}
    unsaid = {"channel", "cleared_at", "id"}
    return {
        name: [one for one in table.columns if one.key not in unsaid or one.look == "push"]
        for name, table in tables.items()
    }
