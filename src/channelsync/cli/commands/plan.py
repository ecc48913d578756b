"""`plan`: what would be pushed now and why, before anything is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.exit_codes import ExitCode
from channelsync.cli.output import Grid, Screen
from channelsync.cli.session import Session
from channelsync.domain.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection

    from channelsync.engine.plan import ItemPlan, ListingPlan, PlannedPush, StockNumbers, StockPlan

__all__ = ["plan", "push_text", "stock_text"]

ITEMS_SHOWN_MAX = 50


async def plan(
    session: Session,
    skus: Annotated[
        list[str] | None, typer.Argument(metavar="[SKU]...", help="Items.", show_default="all")
    ] = None,
) -> int:
    """Show what would be pushed now, and why. Nothing is written, nothing is sent.

    With `-c NEW.yaml` it shows what a changed configuration would do to the present stock.
    Exit code 2: there is something to push.
    """
    from channelsync.bootstrap import setup_of
    from channelsync.engine.plan import view_plan
    from channelsync.engine.propose import propose
    from channelsync.garbage import leave_the_program_out

    leave_the_program_out()
    configuration = session.configuration()
    async with session.store() as database, database.read() as tx:
        engine = session.engine(database, configuration)
        notes = await propose(tx, setup_of(configuration), now=engine.now())
        with session.output.progress("planning") as progress:
            changed = _Changed(every=bool(skus) or session.options.as_json)
            planned = await view_plan(
                engine, tx, skus or (), notes=notes, on_item=progress, keep=changed.keep
            )
    session.output.result(_json(planned), lambda screen: _show(screen, planned, changed))
    for note in planned.notes:
        session.output.warn(f"note: {note}")
    return ExitCode.CHANGES if planned.pushes else ExitCode.DONE


@dataclass(slots=True)
class _Changed:
    """Which items are shown: all that were named, else the first of those that change."""

    every: bool
    found: int = 0

    def keep(self, pushes: Collection[PlannedPush]) -> bool:
        """Whether an item with these pushes is kept to be shown."""
        if not self.every and not pushes:
            return False
        self.found += 1
        return self.every or self.found <= ITEMS_SHOWN_MAX


def _json(planned: StockPlan) -> dict[str, object]:
    return {
        "at": planned.at,
        "items": planned.items,
        "summary": {
            "items": planned.looked_at,
            "pushes": planned.pushes,
            "by_kind": dict(sorted(planned.counts().items())),
            "shadow_pushes": planned.shadow_pushes,
        },
        "notes": planned.notes,
    }


def _show(screen: Screen, planned: StockPlan, changed: _Changed) -> None:
    for item in planned.items[:ITEMS_SHOWN_MAX]:
        _show_item(screen, item)
        screen.line()
    if (more := changed.found - ITEMS_SHOWN_MAX) > 0:
        screen.line(f"… and {more} more items; --json has them all")
    if not planned.looked_at:
        screen.line("Nothing is listed yet: the daemon finds the listings when it runs.")
        return
    screen.line(_summary(planned), style="bold")


def _show_item(screen: Screen, item: ItemPlan) -> None:
    screen.line(f"{item.sku}  pool {item.pool}, rule {item.rule}", style="bold")
    screen.line(stock_text(item.stock))
    right = ("May sell", "Target")
    grid = Grid("Channel", *right, "Push", "Why", right=right)
    for one in item.listings:
        name = one.channel if one.sku == item.sku else f"{one.channel} {one.sku}"
        grid.row(name, _exposure(one), one.target, push_text(one.push), _why(one))
    screen.grid(grid)


def stock_text(stock: StockNumbers) -> str:
    """The arithmetic of ATP in one line."""
    return (
        f"{stock.on_hand} on hand - {stock.reserved} reserved - {stock.safety_stock} safety"
        f" = ATP {stock.atp}; {stock.on_order} on order, future ATP {stock.future_atp}"
    )


def _exposure(listing: ListingPlan) -> str:
    return "all" if listing.exposure is None else str(listing.exposure)


def _why(listing: ListingPlan) -> str:
    if listing.push is not None:
        return listing.push.reason
    return listing.waits or ""


def push_text(push: PlannedPush | None) -> str:
    """A push in short: `+40`, `-3`, `= 12`, `0`, `0, then 12`."""
    if push is None:
        return ""
    text = {
        "raise": f"+{push.units}",
        "cut": f"-{push.units}",
        "set": f"= {push.units}",
        "zero": "0",
        "drain": f"0, then {push.units}",
        "resize": f"slice {push.units}",
    }[push.kind]
    return f"{text} (shadow)" if push.shadow else text


def _summary(planned: StockPlan) -> str:
    counts = planned.counts()
    if not counts and not planned.shadow_pushes:
        return f"Plan: nothing to push; {counted(planned.looked_at, 'item')} looked at."
    said = [f"{count} {kind}" for kind, count in sorted(counts.items())]
    if planned.shadow_pushes:
        said.append(f"{planned.shadow_pushes} in shadow, computed and not sent")
    return f"Plan: {', '.join(said)}."
