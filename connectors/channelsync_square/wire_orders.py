"""What we read of orders and payments. Buyers, cards, addresses and notes are dropped."""

from __future__ import annotations

from channelsync.sdk.wire import Wire
from channelsync_square.times import units_at_least
from channelsync_square.wire import Quantity, Time

__all__ = ["Order", "OrderLine", "OrdersPage", "Payment", "PaymentAnswer"]

OVER: frozenset[str] = frozenset({"COMPLETED", "CANCELED", "FAILED"})


class OrderLine(Wire):
    """A line. One without a catalogue id is an amount that somebody typed in."""

    uid: str
    catalog_object_id: str | None = None
    quantity: Quantity

    @property
    def units(self) -> int:
        """Whole units that cover it."""
        return units_at_least(self.quantity)


class Fulfilment(Wire):
    """How units reach the buyer."""

    state: str = ""


class Tender(Wire):
    """How an order was paid for."""

    payment_id: str | None = None


class Order(Wire):
    """An order; a sale at the till is one as well."""

    id: str
    location_id: str = ""
    state: str = ""
    created_at: Time
    updated_at: Time
    closed_at: Time | None = None
    line_items: tuple[OrderLine, ...] = ()
    fulfillments: tuple[Fulfilment, ...] = ()
    tenders: tuple[Tender, ...] = ()

    @property
    def is_fulfilled_later(self) -> bool:
        """Whether its goods leave the house some time after they were sold."""
        return bool(self.fulfillments)

    @property
    def has_left(self) -> bool:
        """Whether its goods are out of the house."""
        if not self.fulfillments:
            return True
        states = {one.state for one in self.fulfillments}
        return "COMPLETED" in states and states <= OVER

    @property
    def is_called_off(self) -> bool:
        """Whether it was cancelled with its goods still in the house."""
        gone = {one.state for one in self.fulfillments} <= {"CANCELED", "FAILED"}
        return self.is_fulfilled_later and (self.state == "CANCELED" or gone)


class OrdersPage(Wire):
    """Of orders."""

    orders: tuple[Order, ...] = ()
    cursor: str | None = None


class OfflinePayment(Wire):
    """A payment that was taken without a connection."""

    client_created_at: Time | None = None


class Payment(Wire):
    """Money for an order: only whether it came, and whether it was taken offline."""

    status: str = ""
    order_id: str | None = None
    location_id: str | None = None
    is_offline_payment: bool = False
    offline_payment_details: OfflinePayment | None = None

    @property
    def goods_left_unpaid(self) -> bool:
        """Taken offline, so that the buyer walked away with the goods, and declined afterwards."""
        offline = self.is_offline_payment or self.offline_payment_details is not None
        return offline and self.status in {"FAILED", "CANCELED"}


class PaymentAnswer(Wire):
    """One payment."""

    payment: Payment
