"""`ship`: tell a marketplace that a package has left the house."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.failures import Refused
from channelsync.cli.session import Session
from channelsync.cli.trail import Told, change
from channelsync.domain.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from channelsync.sdk.types import Shipment
    from channelsync.store.database import Database

__all__ = ["ship"]


async def ship(
    session: Session,
    channel: Annotated[str, typer.Argument(help="The channel's name in the configuration.")],
    order: Annotated[str, typer.Argument(help="The marketplace's number of the order.")],
    carrier: Annotated[str, typer.Option(help="The marketplace's code of the carrier.")],
    tracking: Annotated[str, typer.Option(help="The carrier's number of the package.")],
    package: Annotated[
        str, typer.Option(help="Numbers the order's packages; the same again corrects it.")
    ] = "1",
    units: Annotated[
        list[str] | None,
        typer.Option(
            "--units",
            "-u",
            metavar="SKU=UNITS",
            help="What is in it; repeat for more.",
            show_default="everything that is left",
        ),
    ] = None,
) -> None:
    """Tell a marketplace that a package of an order has left the house.

    The books follow the marketplace's own word on the order, which comes with its next poll.
    """
    from channelsync.engine.ship import plan_shipment

    chosen = _units(units) if units else None
    async with session.store() as database:
        async with database.read() as tx:
            shipment = await plan_shipment(
                tx,
                channel,
                order,
                carrier=carrier,
                tracking=tracking,
                reference=package,
                shipped_at=session.environment.now(),
                units=chosen,
            )
        total = sum(one for _, one in shipment.lines)
        await _tell(session, database, channel, shipment)
    session.output.result(
        {"channel": channel, "order": order, "package": package, "units": total},
        lambda screen: screen.line(
            f"{channel} was told of package {package} of {order}: {counted(total, 'unit')}"
        ),
    )


def _units(given: list[str]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for one in given:
        sku, _, number = one.rpartition("=")
        if not sku or not number.isdecimal():
            raise Refused(f"{one!r} is not SKU=UNITS")
        found[sku] = found.get(sku, 0) + int(number)
    return found


async def _note(session: Session, database: Database, name: str, shipment: Shipment) -> None:
    """Before anything leaves: whatever the marketplace answers, it was told by somebody."""

    async def use(_joined: Database) -> Told[None]:
        units = sum(one for _, one in shipment.lines)
        after = {"order": shipment.order_id, "package": shipment.reference, "units": units}
        return Told(result=None, subject=f"channel:{name}", after=after)

    await change(session, database, "shipment.confirm", use)


async def _tell(session: Session, database: Database, name: str, shipment: Shipment) -> None:
    from channelsync.bootstrap import lent_by
    from channelsync.plugins.opening import open_channel
    from channelsync.sdk.connector import ConfirmsShipments

    wanted = session.configuration().channels.get(name)
    if wanted is None:
        raise Refused(f"there is no channel {name!r} in {session.settings.config}")
    opened = await open_channel(
        session.registry,
        name=name,
        connector=wanted.connector,
        settings=wanted.settings,
        lent=lent_by(session.settings, session.environment),
    )
    try:
        if not isinstance(opened.channel, ConfirmsShipments):
            raise Refused(f"{name} cannot be told of shipments: confirm them there")
        await _note(session, database, name, shipment)
        await opened.channel.confirm_shipment(shipment)
    finally:
        await opened.close()
