"""`items …`: the things that are sold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.commands.stock_door import open_books
from channelsync.cli.output import Grid, Screen
from channelsync.cli.session import Session
from channelsync.cli.trail import Told, change

if TYPE_CHECKING:
    from channelsync.store.database import Database
    from channelsync.store.stock_queries import Item

__all__ = ["add", "list_items", "rename"]


async def add(
    session: Session,
    sku: Annotated[str, typer.Argument(help="How it is called everywhere.")],
    name: Annotated[str, typer.Option(help="The name that people read.", show_default=False)] = "",
    tag: Annotated[
        list[str] | None, typer.Option(help="For rules; may be repeated.", show_default=False)
    ] = None,
) -> None:
    """Make a new item, without stock. `stock import --create-items` makes many."""
    from channelsync.engine.stock_desk import StockDesk

    async def use(joined: Database) -> Told[None]:
        desk = StockDesk(joined, session.environment)
        await desk.create_item(sku, name=name, tags=tag or (), actor=session.actor)
        after = {"sku": sku, "name": name, "tags": tag or []}
        return Told(result=None, subject=f"item:{sku}", after=after)

    async with open_books(session) as database:
        await change(session, database, "item.create", use)
    session.output.result({"sku": sku, "name": name}, lambda screen: screen.line(f"made {sku}"))


async def rename(
    session: Session,
    sku: Annotated[str, typer.Argument(help="The SKU that it has.")],
    new_sku: Annotated[str, typer.Argument(help="The SKU that it gets.")],
) -> None:
    """Give an item another SKU. Stock, history and listings stay with it."""
    from channelsync.engine.stock_desk import StockDesk

    async def use(joined: Database) -> Told[None]:
        desk = StockDesk(joined, session.environment)
        await desk.rename_item(sku, new_sku, actor=session.actor)
        sides = {"before": {"sku": sku}, "after": {"sku": new_sku}}
        return Told(result=None, subject=f"item:{sku}", **sides)

    async with open_books(session, create=False) as database:
        await change(session, database, "item.change", use)
    session.output.result(
        {"sku": new_sku, "was": sku}, lambda screen: screen.line(f"{sku} is now {new_sku}")
    )


async def list_items(
    session: Session,
    pattern: Annotated[
        str | None, typer.Argument(help="A SKU pattern, as MUG-*.", show_default="all")
    ] = None,
) -> None:
    """List items by SKU."""
    from fnmatch import fnmatchcase

    from channelsync.store.stock_queries import load_items

    async with open_books(session, create=False) as database, database.read() as tx:
        items = await load_items(tx)
    found = [item for item in items if pattern is None or fnmatchcase(item.sku, pattern)]
    rows = [{"sku": item.sku, "name": item.name} for item in found]
    session.output.result({"items": rows}, lambda screen: _show(screen, found))


def _show(screen: Screen, items: list[Item]) -> None:
    if not items:
        screen.line("No item. Import some: channelsync stock import FILE --create-items")
        return
    grid = Grid("SKU", "Name")
    for item in items:
        grid.row(item.sku, item.name)
    screen.grid(grid)
