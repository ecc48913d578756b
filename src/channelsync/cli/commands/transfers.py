"""`stock transfer` and `transfers …`: units on their way from one location to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.commands.channels import say_alone
from channelsync.cli.commands.stock_door import open_books
from channelsync.cli.output import Grid, Screen, spoken
from channelsync.cli.session import Session
from channelsync.cli.times import teller
from channelsync.cli.trail import Told, change
from channelsync.domain.wording import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from channelsync.engine.transfer_desk import TransferDesk
    from channelsync.engine.transfers_view import TransferView
    from channelsync.store.database import Database

__all__ = ["begin", "cancel", "list_transfers", "receive", "ship"]

ID = Annotated[int, typer.Argument(metavar="ID", help="The transfer's number.", min=1)]
REASON = Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the ledger.")]
FORCE = Annotated[
    bool,
    typer.Option(
        "--force",
        help="They have left already, whatever channels may still sell of them.",
        allow_from_autoenv=False,
    ),
]


async def _step(
    session: Session,
    action: str,
    transfer: int | None,
    step: Callable[[TransferDesk], Awaitable[TransferView]],
) -> None:
    """Take one step of a transfer, a new one where `transfer` is None, and say so."""
    from channelsync.engine.transfer_desk import TransferDesk
    from channelsync.engine.transfers_view import view_transfer

    configuration = session.configuration_if_valid("the configured safety stock")

    async def use(joined: Database) -> Told[TransferView]:
        before = None
        if transfer is not None:
            async with joined.read() as tx:
                before = await view_transfer(tx, transfer, None)
        after = await step(TransferDesk(session.engine(joined, configuration)))
        return Told(result=after, subject=f"transfer:{after.id}", before=before, after=after)

    async with open_books(session) as database:
        view = await change(session, database, action, use)
    session.output.result({"transfer": view}, lambda screen: screen.line(_sentence(view)))


async def begin(
    session: Session,
    sku: Annotated[str, typer.Argument(help="The item.")],
    source: Annotated[str, typer.Option("--from", help="The location that they leave.")],
    target: Annotated[str, typer.Option("--to", help="The location that they go to.")],
    units: Annotated[int, typer.Option("--units", "-n", help="How many.", min=1)],
    reason: REASON = "transfer",
    force: FORCE = False,
) -> None:
    """Send units to another location; on the way they are on hand nowhere.

    Units that channels may still sell are reserved first, and leave (`transfers ship`) once the
    channels have given them back.
    """
    from channelsync.engine.transfer_desk import Begin

    wanted = Begin(
        sku=sku,
        source=source,
        target=target,
        units=units,
        reason=reason,
        actor=session.actor,
        force=force,
    )
    if force:
        say_alone(session)
    await _step(session, "transfer.begin", None, lambda desk: desk.begin(wanted))


async def ship(session: Session, transfer: ID, force: FORCE = False) -> None:
    """The units of a prepared transfer leave; refused while channels may still sell some."""
    if force:
        say_alone(session)
    await _step(
        session,
        "transfer.ship",
        transfer,
        lambda desk: desk.ship(transfer, actor=session.actor, force=force),
    )


async def cancel(session: Session, transfer: ID) -> None:
    """The units of a prepared transfer stay where they are."""
    await _step(
        session,
        "transfer.cancel",
        transfer,
        lambda desk: desk.cancel(transfer, actor=session.actor),
    )


async def receive(
    session: Session,
    transfer: ID,
    units: Annotated[int, typer.Argument(help="Units that arrived, fit for sale.", min=0)],
    lost: Annotated[int, typer.Option(help="Units that never will arrive.", min=0)] = 0,
    damaged: Annotated[int, typer.Option(help="Units that arrived broken.", min=0)] = 0,
    miscounted: Annotated[int, typer.Option(help="Units that were never sent.", min=0)] = 0,
    at: Annotated[
        str | None,
        typer.Option("--at", help="When they arrived.", metavar="TIME", show_default="now"),
    ] = None,
    reason: REASON = "received",
) -> None:
    """Take in what really arrived, in one go or in several; say what became of the rest.

    Example: channelsync transfers receive 7 38 --lost 1 --damaged 1
    """
    from channelsync.domain.transfers import Difference
    from channelsync.engine.transfer_desk import Receive

    arrived_at = teller(session, at)
    written_off = {
        Difference.LOST: lost,
        Difference.DAMAGED: damaged,
        Difference.MISCOUNTED: miscounted,
    }
    await _step(
        session,
        "transfer.receive",
        transfer,
        lambda desk: desk.receive(
            Receive(
                transfer_id=transfer,
                arrived=units,
                written_off=written_off,
                reason=reason,
                actor=session.actor,
                arrived_at=arrived_at(),
            )
        ),
    )


async def list_transfers(
    session: Session,
    closed: Annotated[bool, typer.Option("--all", help="Closed ones as well.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
) -> None:
    """List transfers that are being prepared or under way."""
    from channelsync.engine.transfer_desk import TransferDesk

    configuration = session.configuration_if_valid("the configured safety stock")
    async with open_books(session) as database:
        desk = TransferDesk(session.engine(database, configuration))
        found = await desk.list(closed=closed, limit=limit)
    session.output.result({"transfers": found}, lambda screen: _show(screen, found))


def _sentence(view: TransferView) -> str:
    units = f"{counted(view.units, 'unit')} of {view.sku} from {view.source} to {view.target}"
    return f"transfer {view.id}: {units}: {_state(view)}"


def _state(view: TransferView) -> str:
    if view.state == "preparing":
        return f"preparing, {view.waits}" if view.waits else "ready to leave"
    if view.state == "cancelled":
        return "cancelled"
    parts = [f"{view.in_transit} in transit"] if view.in_transit else []
    parts += [f"{view.received} received"] if view.received else []
    parts += [f"{units} {cause}" for cause, units in view.differences.items()]
    return ", ".join(parts)


def _show(screen: Screen, found: tuple[TransferView, ...]) -> None:
    if not found:
        screen.line("Nothing is under way.")
        return
    grid = Grid("ID", "SKU", "From", "To", "Units", "Since", "State", right=("ID", "Units"))
    for one in found:
        since = spoken(one.shipped_at or one.created_at)
        grid.row(one.id, one.sku, one.source, one.target, one.units, since, _state(one))
    screen.grid(grid)
