"""`status`: how the house stands, on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from channelsync.cli.dashboard import repairs_page
from channelsync.cli.output import Grid, Screen, ago
from channelsync.cli.session import Session
from channelsync.domain.wording import counted

if TYPE_CHECKING:
    from channelsync.engine.status import ChannelStatus, Status

__all__ = ["channel_state", "channels_grid", "status"]

ALARMS_SHOWN_MAX = 20


async def status(session: Session) -> None:
    """Show channels, feeds, exposure against stock, proofs, pushes and alarms."""
    from channelsync.engine.status import view_status

    configuration = session.configuration_if_valid("the limits and safety stock that it sets")
    async with session.store() as database, database.read() as tx:
        view = await view_status(session.engine(database, configuration), tx)
    page = repairs_page(session.settings)
    session.output.result(view, lambda screen: _show(screen, view, page))


def _show(screen: Screen, view: Status, page: str) -> None:
    if view.overdue_seconds is not None:
        late = ago(view.at - view.overdue_seconds, view.at)
        screen.line(f"Nobody works: work has been due since {late}. Is the daemon running?")
        screen.line()
    if not view.channels:
        screen.line("No channel is known yet: start the daemon with `channelsync run`.")
    screen.grid(channels_grid(view.channels, view.at))
    _show_pools(screen, view)
    coverage = view.proof_coverage
    screen.line(
        f"proven {coverage.proven} of {coverage.listings} listings"
        f" · open pushes {view.open_pushes} · holds {view.holds}"
        f" · dead letters {view.dead_letters} · shortfall {view.shortfall_units} units in 24 h"
    )
    _show_troubles(screen, view)
    if _wants_a_person(view):
        screen.line()
        screen.line(f"What can be done about it, with a button for each: {page}")


def channels_grid(channels: tuple[ChannelStatus, ...], now: float) -> Grid:
    """One row a channel."""
    right = ("Listings", "May sell", "Pushes")
    grid = Grid("Channel", "State", "Feed heard", *right, right=right)
    for one in channels:
        grid.row(
            one.channel,
            channel_state(one),
            ago(one.heard_at, now),
            one.listings,
            one.exposure,
            one.open_pushes,
            style="yellow" if _is_in_trouble(one) else None,
        )
    return grid


def _is_in_trouble(channel: ChannelStatus) -> bool:
    stopped = channel.paused is not None or channel.failing_since is not None
    return stopped or channel.quiet or bool(channel.broken)


def channel_state(channel: ChannelStatus) -> str:
    """The worst that is true of a channel, in a word or two."""
    said = [channel.state if channel.mode == "live" else f"{channel.state}, {channel.mode}"]
    if channel.paused is not None:
        said.append("stopped")
    if channel.failing_since is not None:
        said.append("failing")
    if channel.quiet:
        said.append("quiet")
    if channel.broken:
        said.append("unproven")
    return ", ".join(said)


def _show_pools(screen: Screen, view: Status) -> None:
    right = ("Items", "On hand", "Reserved", "ATP", "May sell", "Free", "Deficits")
    grid = Grid("Pool", *right, right=right)
    for pool in view.pools:
        grid.row(
            pool.pool,
            pool.items,
            pool.on_hand,
            pool.reserved,
            pool.atp,
            pool.exposure,
            pool.free,
            pool.deficits,
        )
    if not grid.empty:
        screen.line()
        screen.grid(grid)
        screen.line()


def _show_troubles(screen: Screen, view: Status) -> None:
    for one in view.channels:
        for said in _troubles(one):
            screen.line(f"{one.channel}: {said}")
    if not view.alarms:
        return
    screen.line()
    screen.line("Alarms", style="bold")
    for alarm in view.alarms[:ALARMS_SHOWN_MAX]:
        when = ago(alarm.raised_at, view.at)
        screen.line(f"{alarm.kind} {alarm.subject}, {when}: {alarm.message}")
    if (more := len(view.alarms) - ALARMS_SHOWN_MAX) > 0:
        screen.line(f"… and {more} more; --json has them all")


def _wants_a_person(view: Status) -> bool:
    """Whether the page of repairs has anything to press."""
    in_trouble = any(
        _is_in_trouble(one) or one.refused or one.parked_lines for one in view.channels
    )
    return in_trouble or bool(view.alarms or view.dead_letters or view.shortfall_units)


def _troubles(channel: ChannelStatus) -> list[str]:
    said = []
    if channel.paused is not None:
        said.append(f"stopped: {channel.paused}")
    if channel.failing_since is not None:
        said.append(f"failing: {channel.last_error}")
    if channel.refused:
        offers = counted(channel.refused, "offer")
        said.append(f"{offers} not synced; `channelsync explain SKU` says why")
    if channel.load is not None:
        said.append(channel.load.words)
    elif channel.unsettled:
        said.append(f"{counted(channel.unsettled, 'listing')} never settled")
    if channel.parked_lines:
        lines = counted(channel.parked_lines, "order line")
        said.append(
            f"{lines} not counted until the offer is mapped; see `channelsync orders --parked`"
        )
    return [*said, *channel.broken]
