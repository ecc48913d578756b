"""`explain SKU`: why does this channel show this number?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.commands.plan import push_text
from channelsync.cli.output import Grid, Screen, brief, spoken
from channelsync.cli.session import Session

if TYPE_CHECKING:
    from channelsync.domain.allocation import Step
    from channelsync.engine.explain import Explanation, ListingExplanation, PoolExplanation
    from channelsync.engine.explain_causes import Cause

__all__ = ["explain"]


async def explain(
    session: Session,
    sku: Annotated[str, typer.Argument(help="The item.")],
    channel: Annotated[
        str | None, typer.Option(help="This channel alone.", show_default="all")
    ] = None,
) -> None:
    """Explain a number: from the shelf over reservations and quotas to what is shown."""
    from channelsync.engine.explain import explain as look

    configuration = session.configuration()
    async with session.store() as database, database.read() as tx:
        found = await look(session.engine(database, configuration), tx, sku, channel=channel)
    session.output.result(found, lambda screen: _show(screen, found))


def _show(screen: Screen, found: Explanation) -> None:
    screen.line(f"{found.sku}  {found.name}".rstrip(), style="bold")
    for pool in found.pools:
        _show_pool(screen, pool)
    for one in found.unlisted:
        screen.line(f"{one.channel} {one.sku} is not synced ({one.state}): {one.why}")
    if found.causes:
        screen.line()
        screen.line("What happened last", style="bold")
        screen.grid(_causes(found))


def _show_pool(screen: Screen, pool: PoolExplanation) -> None:
    screen.line()
    screen.line(f"Pool {pool.pool}", style="bold")
    for label, units in _waterfall(pool):
        screen.line(f"{label:<28}{units:>8}", indent=2)
    if pool.rule is None:
        screen.line("no channel lists it", indent=2)
        return
    screen.line()
    screen.line(f"Rule {pool.rule}: shares by {pool.strategy}, guarantee {pool.guarantee}")
    for step in pool.trace:
        screen.line(_step(step), indent=2)
    screen.line()
    screen.grid(_listings(pool))
    for listing in pool.listings:
        for said in _remarks(listing):
            screen.line(f"{_name(listing, pool)}: {said}")


def _waterfall(pool: PoolExplanation) -> list[tuple[str, str]]:
    stock = pool.stock
    return [
        ("on hand", f"{stock.on_hand}"),
        ("reserved", f"{-stock.reserved}"),
        ("safety stock", f"{-stock.safety_stock}"),
        ("ATP", f"{stock.atp}"),
        ("listings may still sell", f"{-pool.exposure}"),
        ("free", f"{pool.free}"),
        ("on order", f"+{stock.on_order}"),
        ("future ATP", f"{stock.future_atp}"),
    ]


def _step(step: Step) -> str:
    numbers = ", ".join(f"{name} {number:g}" for name, number in step.numbers.items())
    return f"{step.explanation}: {numbers}" if numbers else step.explanation


def _name(listing: ListingExplanation, pool: PoolExplanation) -> str:
    alone = sum(one.channel == listing.channel for one in pool.listings) == 1
    return listing.channel if alone else f"{listing.channel} {listing.sku}"


def _listings(pool: PoolExplanation) -> Grid:
    right = ("Quota", "Target", "May sell", "Shows")
    grid = Grid("Channel", *right, "Next push", "Why", right=right)
    for one in pool.listings:
        quota = "" if one.quota is None else f"{one.quota:g}%"
        exposure = "all" if one.exposure is None else one.exposure
        shown = "?" if one.shown is None else one.shown
        why = one.next_push.reason if one.next_push else one.waits
        grid.row(
            _name(one, pool), quota, one.target, exposure, shown, push_text(one.next_push), why
        )
    return grid


def _remarks(listing: ListingExplanation) -> list[str]:
    said = []
    if listing.units != 1:
        said.append(f"one {listing.sku} takes {listing.units} units")
    if listing.mode != "live":
        said.append(f"the channel runs in mode {listing.mode}")
    if listing.target != listing.allocated:
        said.append(f"its share is {listing.allocated}, wanted back now")
    push = listing.open_push
    if push is not None:
        outcome = f", last answer {push.last_outcome}" if push.last_outcome else ""
        said.append(
            f"open push: {push.kind} {push.units} ({push.cause}), {push.state} since"
            f" {spoken(push.opened_at)}, {push.copies} sent{outcome}"
        )
    return said


def _causes(found: Explanation) -> Grid:
    grid = Grid("When", "What", "Change", "Where", "Because", right=("Change",))
    for one in found.causes:
        grid.row(brief(one.at, found.at), _what(one), _change(one), one.subject, _because(one))
    return grid


def _what(cause: Cause) -> str:
    if not cause.quantity:
        return cause.what.replace("push", cause.reference)
    return f"{cause.what}: {cause.quantity}".replace("_", " ")


def _change(cause: Cause) -> str:
    if cause.quantity:
        return f"{cause.delta:+d}"
    sign = {"raise": "+", "cut": "-", "set": "="}.get(cause.reference, "")
    return f"{sign}{cause.delta}"


def _because(cause: Cause) -> str:
    if not cause.quantity:
        return cause.note
    return ", ".join(part for part in (cause.note, cause.reference, cause.actor) if part)
