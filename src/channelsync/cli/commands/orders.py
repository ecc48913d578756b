"""`orders` and `holds list`: what customers took, and what their carts keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.output import Grid, Screen, ago, spoken
from channelsync.cli.session import Session

if TYPE_CHECKING:
    from channelsync.engine.holds_view import HoldView
    from channelsync.engine.orders_view import LineView

__all__ = ["holds_list", "orders"]


async def orders(
    session: Session,
    channel: Annotated[
        str | None, typer.Option(help="This channel alone.", show_default="all")
    ] = None,
    sku: Annotated[
        str | None,
        typer.Option(help="Lines that sold this item, alone or in a bundle.", show_default="all"),
    ] = None,
    parked: Annotated[
        bool, typer.Option("--parked", help="Only lines that are not counted yet.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many lines.")] = 20,
) -> None:
    """List the newest order lines."""
    from channelsync.engine.channel_desk import require_channel
    from channelsync.engine.orders_view import view_lines

    async with session.store() as database, database.read() as tx:
        if channel is not None:
            await require_channel(tx, channel)
        lines = await view_lines(tx, channel=channel, sku=sku, parked=parked, limit=limit)
    now = session.environment.now()
    session.output.result({"lines": lines}, lambda screen: _show(screen, lines, now, parked=parked))


def _show(screen: Screen, lines: tuple[LineView, ...], now: float, *, parked: bool) -> None:
    if not lines:
        screen.line("Every line is counted." if parked else "No order was heard of yet.")
        return
    grid = Grid("Heard", "Channel", "Order", "SKU", "Units", "State", right=("Units",))
    for one in lines:
        order = one.order if one.line == "1" else f"{one.order} / {one.line}"
        row = (ago(one.first_heard_at, now), one.channel, order, one.sku, one.ordered, _state(one))
        grid.row(*row)
    screen.grid(grid)


def _state(line: LineView) -> str:
    numbers = (
        (line.cancelled, "cancelled"),
        (line.shipped, "shipped"),
        (line.returned, "returned"),
    )
    said = [f"{units} {what}" for units, what in numbers if 0 < units < line.ordered]
    parked = [f"parked: {line.parked}"] if line.parked else []
    return ", ".join([line.state.replace("_", " "), *said, *parked])


async def holds_list(
    session: Session,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
) -> None:
    """List the active holds, those that end first in front."""
    from channelsync.engine.holds_view import view_holds

    async with session.store() as database, database.read() as tx:
        holds = await view_holds(tx, limit=limit)
    session.output.result({"holds": holds}, lambda screen: _show_holds(screen, holds))


def _show_holds(screen: Screen, holds: tuple[HoldView, ...]) -> None:
    if not holds:
        screen.line("Nothing is held.")
        return
    grid = Grid("Hold", "Owner", "Units", "Ends")
    for hold in holds:
        units = ", ".join(f"{line.units} {line.sku}" for line in hold.lines)
        grid.row(hold.id, hold.owner, units, spoken(hold.expires_at))
    screen.grid(grid)
