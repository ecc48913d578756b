"""What a till's events mean to the books.

A sale is one order whose units have left the house: they were carried out of the door. A till
holds no number of its own, so nothing is ever put back on a counter of its: what comes back is
back with us.

Every fact follows from the event's data alone, never from how or when it reached us, so that a
webhook, its repetition, a batch and a page of the till's API say the same. A sale never changes,
so all its states bear one version and merge upwards: should a till use one sale id for two
baskets, each line counts at its larger quantity, whichever is heard first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from channelsync.sdk.types import (
    CancelEffect,
    OrderFact,
    OrderVoid,
    Parsed,
    RegisterSequence,
    StockCount,
)
from channelsync_pos.wire import CountEvent, Event, ReturnEvent, SaleEvent, VoidEvent

__all__ = ["Mapping", "joined", "return_order_id", "sale_order_id"]

ONLY_VERSION: Final = 0.0
RETURNS: Final = "returns"


def sale_order_id(register_id: str, sale_id: str) -> str:
    """The order id of a sale. Neither part may hold a slash."""
    return f"{register_id}/{sale_id}"


def return_order_id(register_id: str, return_id: str) -> str:
    """The order id of a return."""
    return f"{register_id}/{RETURNS}/{return_id}"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Reads events for one till."""

    location: str
    """Where events happen that name no location."""

    def parsed(self, event: Event) -> Parsed:
        """Everything that one event says."""
        heard = (RegisterSequence(register_id=event.register_id, sequence=event.sequence),)
        match event:
            case SaleEvent():
                return Parsed(facts=tuple(self._sold(event)), sequences=heard)
            case VoidEvent():
                return Parsed(voids=(_void(event),), sequences=heard)
            case ReturnEvent():
                return Parsed(facts=tuple(self._returned(event)), sequences=heard)
            case CountEvent():
                return Parsed(counts=tuple(self._counted(event)), sequences=heard)
            case _:
                return Parsed(sequences=heard)

    def _sold(self, event: SaleEvent) -> Iterable[OrderFact]:
        for line in event.lines:
            yield OrderFact(
                order_id=sale_order_id(event.register_id, event.sale_id),
                # A second basket under the same sale id must not rename what a line sold.
                line_id=f"{line.line_id}/{line.sku}",
                sku=line.sku,
                ordered=line.quantity,
                shipped=line.quantity,
                version=ONLY_VERSION,
                sold_at=event.occurred_at,
                shipped_at=event.occurred_at,
                cancel_effect=CancelEffect.NOT_RELISTED,
                location=event.location or self.location,
                origin="till, offline" if event.recorded_offline else "till",
            )

    def _returned(self, event: ReturnEvent) -> Iterable[OrderFact]:
        """A return is an order of its own that sold nothing: its sale may be unknown, or to come.

        Two returns of one sale thus add up, and each counts once.
        """
        of_sale = ""
        if event.sale_id is not None:
            seller = event.sale_register_id or event.register_id
            of_sale = f" of {sale_order_id(seller, event.sale_id)}"
        for line in event.lines:
            yield OrderFact(
                order_id=return_order_id(event.register_id, event.return_id),
                line_id=f"{line.line_id}/{line.sku}",
                sku=line.sku,
                ordered=0,
                returned=line.quantity,
                restocked=line.quantity if line.restock else 0,
                version=event.occurred_at,
                returned_at=event.occurred_at,
                cancel_effect=CancelEffect.NOT_RELISTED,
                location=event.location or self.location,
                origin=f"till, return{of_sale}",
            )

    def _counted(self, event: CountEvent) -> Iterable[StockCount]:
        for line in event.lines:
            yield StockCount(
                sku=line.sku,
                location=event.location or self.location,
                on_hand=line.quantity,
                counted_at=event.as_of,
                reference=f"register {event.register_id}, event {event.sequence}",
            )


def _void(event: VoidEvent) -> OrderVoid:
    return OrderVoid(
        order_id=sale_order_id(event.sale_register_id or event.register_id, event.sale_id),
        at=event.occurred_at,
        cancel_effect=CancelEffect.NOT_RELISTED,
    )


def joined(several: Iterable[Parsed]) -> Parsed:
    """What several events say together."""
    every = tuple(several)
    return Parsed(
        facts=tuple(fact for one in every for fact in one.facts),
        voids=tuple(void for one in every for void in one.voids),
        counts=tuple(count for one in every for count in one.counts),
        sequences=tuple(heard for one in every for heard in one.sequences),
    )
