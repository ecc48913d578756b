"""`stock return` and `returns list`: units that came back, looked at before they are sold again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.commands.stock_door import open_books
from channelsync.cli.failures import Refused
from channelsync.cli.output import Grid, Screen, spoken
from channelsync.cli.session import Session
from channelsync.cli.trail import Told, change, sides_of

if TYPE_CHECKING:
    from channelsync.engine.return_desk import Inspected, OrderRef
    from channelsync.engine.returns_view import ReturnView
    from channelsync.store.database import Database

__all__ = ["inspect", "list_returns"]


async def inspect(
    session: Session,
    sku: Annotated[str, typer.Argument(help="The item.")],
    *,
    sellable: Annotated[int, typer.Option(help="Units fit for sale.", min=0)] = 0,
    damaged: Annotated[int, typer.Option(help="Units that cannot be sold.", min=0)] = 0,
    supplier: Annotated[int, typer.Option(help="Units that go back to the supplier.", min=0)] = 0,
    channel: Annotated[
        str | None, typer.Option(help="The channel that sold them.", show_default=False)
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="The order that they came back of.", show_default=False)
    ] = None,
    line: Annotated[
        str | None,
        typer.Option(help="Its line, where several hold the item.", show_default=False),
    ] = None,
    location: Annotated[
        str | None,
        typer.Option(
            "--location", "-l", help="Where they are.", show_default="where they were shipped from"
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why.")] = "return inspected",
) -> None:
    """Look at units that came back: only what is fit for sale is on hand again.

    Example: channelsync stock return MUG --channel shopify-us --order 1001 --sellable 1 --damaged 1
    """
    from channelsync.engine.return_desk import Inspect, ReturnDesk
    from channelsync.store.tables import InspectionOutcome

    wanted = Inspect(
        sku=sku,
        outcomes={
            InspectionOutcome.SELLABLE: sellable,
            InspectionOutcome.DAMAGED: damaged,
            InspectionOutcome.SUPPLIER: supplier,
        },
        reason=reason,
        actor=session.actor,
        of=_order(channel, order, line),
        location=location,
    )

    async def use(joined: Database) -> Told[Inspected]:
        made = await ReturnDesk(session.engine(joined, None)).inspect(wanted)
        of = {"outcomes": made.outcomes, "reason": reason, "order": order}
        sides = sides_of(of, made.change.before, made.change.after)
        subject = f"stock:{made.change.location}/{made.change.sku}"
        return Told(result=made, subject=subject, **sides)

    async with open_books(session) as database:
        found = await change(session, database, "stock.return", use)
    session.output.result(found, lambda screen: _show_inspected(screen, found))


def _order(channel: str | None, order: str | None, line: str | None) -> OrderRef | None:
    from channelsync.engine.return_desk import OrderRef

    if order is not None and channel is not None:
        return OrderRef(channel=channel, order=order, line=line)
    if order is not None or line is not None or channel is not None:
        raise Refused("name the order by --channel and --order together, or by neither")
    return None


def _show_inspected(screen: Screen, found: Inspected) -> None:
    one = found.change
    outcomes = ", ".join(f"{units} {outcome}" for outcome, units in found.outcomes.items())
    screen.line(f"{one.sku} at {one.location}: {outcomes}; on hand {one.before} -> {one.after}")


async def list_returns(
    session: Session,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
) -> None:
    """List units that came back and wait to be looked at."""
    from channelsync.engine.returns_view import view_returns

    async with session.store() as database, database.read() as tx:
        found = await view_returns(tx, limit=limit)
    session.output.result({"returns": found}, lambda screen: _show(screen, found))


def _show(screen: Screen, found: tuple[ReturnView, ...]) -> None:
    if not found:
        screen.line("Nothing waits to be looked at.")
        return
    right = ("Returned", "To inspect")
    grid = Grid("Channel", "Order", "SKU", "Returned", "To inspect", "Back since", right=right)
    for one in found:
        order = one.order if one.line == "1" else f"{one.order} / {one.line}"
        row = (one.channel, order, one.sku, one.returned, one.uninspected)
        grid.row(*row, "not told" if one.returned_at is None else spoken(one.returned_at))
    screen.grid(grid)
