"""`stock …`: what is on the shelves, and every way to change it by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from channelsync.cli.commands.plan import stock_text
from channelsync.cli.commands.stock_door import open_at, open_books
from channelsync.cli.output import Grid, Screen, spoken
from channelsync.cli.session import Session
from channelsync.cli.times import instant_of, teller
from channelsync.cli.trail import Told, change, sides_of
from channelsync.domain.wording import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from channelsync.engine.stock_desk import StockChange, StockDesk
    from channelsync.engine.stock_view import ItemStock, PoolView
    from channelsync.store.database import Database

__all__ = ["adjust", "count", "safety", "set_units", "show"]

SKU = Annotated[str, typer.Argument(help="The item.")]
LOCATION = Annotated[
    str | None,
    typer.Option(
        "--location", "-l", help="Where; may be left out where there is one.", show_default=False
    ),
]
AT = Annotated[
    str | None,
    typer.Option(
        "--at", help="An instant, as 2026-11-21T09:00.", metavar="TIME", show_default=False
    ),
]
REASON = Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the ledger.")]


async def show(session: Session, sku: SKU, at: AT = None) -> None:
    """Show an item's stock by pool and location, now or as the books showed it at a time."""
    from channelsync.engine.stock_desk import StockDesk

    configuration = session.configuration_if_valid("the configured safety stock")
    default = 0
    if configuration and configuration.pools:
        default = configuration.safety_stock_for(next(iter(configuration.pools)))
    async with open_books(session, create=False) as database:
        desk = StockDesk(database, session.environment)
        view = await desk.show(sku, at=instant_of(session, at), default_safety_stock=default)
    data = {
        "sku": view.sku,
        "name": view.name,
        "pools": [_pool_json(pool) for pool in view.pools],
    }
    session.output.result(data, lambda screen: _show_item(screen, view))


def _pool_json(pool: PoolView) -> dict[str, object]:
    return {
        "pool": pool.pool,
        "on_hand": pool.stock.on_hand,
        "reserved": pool.stock.reserved,
        "safety_stock": pool.stock.safety_stock,
        "atp": pool.stock.atp,
        "on_order": pool.stock.on_order,
        "future_atp": pool.stock.future_atp,
        "in_transit": pool.stock.in_transit,
        "uninspected": pool.uninspected,
        "locations": [
            {
                "location": place.code,
                "on_hand": place.level.on_hand,
                "reserved": place.level.reserved,
                "safety_stock": place.level.safety_stock,
                "on_order": place.level.on_order,
                "in_transit": place.level.in_transit,
                "counted_at": place.counted_at,
            }
            for place in pool.locations
        ],
    }


def _show_item(screen: Screen, view: ItemStock) -> None:
    from channelsync.engine.plan import StockNumbers

    screen.line(f"{view.sku}  {view.name}".rstrip(), style="bold")
    right = ("On hand", "Reserved", "Safety", "On order")
    for pool in view.pools:
        screen.line()
        screen.line(f"Pool {pool.pool}", style="bold")
        screen.line(stock_text(StockNumbers.of(pool.stock)))
        if pool.stock.in_transit:
            under_way = counted(pool.stock.in_transit, "unit")
            screen.line(f"{under_way} in transit: `channelsync transfers list`")
        if pool.uninspected:
            waiting = counted(pool.uninspected, "unit")
            screen.line(f"{waiting} came back, not inspected yet: `channelsync returns list`")
        grid = Grid("Location", *right, "Counted", right=right)
        for place in pool.locations:
            level = place.level
            units = (level.on_hand, level.reserved, level.safety_stock, level.on_order)
            grid.row(place.code, *units, spoken(place.counted_at))
        screen.grid(grid)


# ------------------------------------------------------------------ changing


Use: TypeAlias = "Callable[[StockDesk, str], Awaitable[StockChange]]"


async def _edit(session: Session, action: str, location: str | None, reason: str, use: Use) -> None:
    """Change one number at the location that is meant, and say so."""
    from channelsync.engine.stock_desk import StockDesk

    async with open_at(session, location) as (database, place):

        async def act(joined: Database) -> Told[StockChange]:
            made = await use(StockDesk(joined, session.environment), place)
            more = {"quantity": made.quantity, "reason": reason}
            sides = sides_of(more, made.before, made.after)
            return Told(result=made, subject=f"stock:{made.location}/{made.sku}", **sides)

        made = await change(session, database, action, act)
    session.output.result({"changes": [made]}, lambda screen: _show_change(screen, made))


async def set_units(
    session: Session,
    sku: SKU,
    units: Annotated[int, typer.Argument(help="The number that it shall be.")],
    what: Annotated[
        Literal["on-hand", "on-order", "safety"], typer.Option(help="Which number.")
    ] = "on-hand",
    location: LOCATION = None,
    reason: REASON = "set by hand",
) -> None:
    """Set a number as it is now. For units on the shelf this is a count taken this moment."""

    async def use(desk: StockDesk, place: str) -> StockChange:
        actor = session.actor
        if what == "on-hand":
            return await desk.count(sku, place, units, reason=reason, actor=actor)
        if what == "on-order":
            return await desk.set_on_order(sku, place, units, reason=reason, actor=actor)
        return await desk.set_safety_stock(sku, place, units, reason=reason, actor=actor)

    actions = {"on-hand": "stock.count", "on-order": "stock.on_order", "safety": "stock.safety"}
    await _edit(session, actions[what], location, reason, use)


async def count(
    session: Session,
    sku: SKU,
    units: Annotated[int, typer.Argument(help="Units that were on the shelf.", min=0)],
    location: LOCATION = None,
    at: AT = None,
    reason: REASON = "count",
) -> None:
    """Take a count into the books; sales and shipments since `--at` are applied to it again."""
    counted_at = teller(session, at)

    async def use(desk: StockDesk, place: str) -> StockChange:
        return await desk.count(
            sku, place, units, reason=reason, actor=session.actor, counted_at=counted_at()
        )

    await _edit(session, "stock.count", location, reason, use)


async def adjust(
    session: Session,
    sku: SKU,
    delta: Annotated[int, typer.Argument(help="Units that came, or as -3 units that went.")],
    reason: REASON,
    location: LOCATION = None,
) -> None:
    """Add units that were found, or take off units that broke or vanished.

    Example: channelsync stock adjust MUG -3 --reason "broken in transit"
    """

    async def use(desk: StockDesk, place: str) -> StockChange:
        return await desk.adjust(sku, place, delta, reason=reason, actor=session.actor)

    await _edit(session, "stock.adjust", location, reason, use)


async def safety(
    session: Session,
    sku: SKU,
    units: Annotated[int, typer.Argument(help="Units that are never offered.", min=0)],
    location: LOCATION = None,
    reason: REASON = "safety stock set by hand",
) -> None:
    """Set the safety stock of an item at a location; it replaces the configured one."""

    async def use(desk: StockDesk, place: str) -> StockChange:
        return await desk.set_safety_stock(sku, place, units, reason=reason, actor=session.actor)

    await _edit(session, "stock.safety", location, reason, use)


def _show_change(screen: Screen, made: StockChange) -> None:
    what = made.quantity.replace("_", " ")
    screen.line(f"{made.sku} at {made.location}: {what} {made.before} -> {made.after}")
