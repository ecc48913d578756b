"""What people do in a seller's shop: clerks at the till, staff in the stock room, buyers online."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from channelsync_square.simulator.bodies import payment_body
from channelsync_square.simulator.books import IN_STOCK, Books, Row
from channelsync_square.simulator.state import (
    Fulfilment,
    Line,
    Location,
    Order,
    Payment,
    ReturnedLine,
    Variation,
    World,
)
from channelsync_square.times import iso

__all__ = ["OfflineSale", "Shop"]


@dataclass(slots=True, kw_only=True)
class OfflineSale:
    """Goods that left the shop while a till had no connection."""

    basket: Mapping[str, int]
    occurred_at: float
    declined: bool
    """The card will turn out to be declined."""


@dataclass(slots=True)
class Shop:
    """One seller's people. Times are the world's."""

    world: World
    books: Books
    place: Location
    online_state: str = "SOLD_ONLINE"
    """Where units go that were bought online and are not handed over yet."""
    waiting: list[OfflineSale] = field(default_factory=list)
    refused: int = 0
    """Buyers turned away because the number was used up."""

    # ------------------------------------------------------------ the stock room

    def add_item(
        self, sku: str | None, units: int | None = None, *, title: str = "", **more: Any
    ) -> Variation:
        """Put a new item into the catalogue, and perhaps units of it on the shelf."""
        variation = Variation(
            id=self.world.identifier("VAR"),
            item_id=self.world.identifier("ITEM"),
            sku=sku,
            title=title or f"Thing {sku}",
            **more,
        )
        self.world.variations[variation.id] = variation
        self.tell_catalogue()
        if units is not None:
            self.count(variation, units)
        return variation

    def tell_catalogue(self) -> None:
        """Square says only that something in the catalogue changed."""
        content = {"catalog_version": {"updated_at": iso(self.world.now())}}
        self.world.tell(
            "catalog.version.updated",
            "catalog_version",
            self.world.identifier("version-"),
            content,
        )

    def count(self, what: Variation | str, units: int, *, occurred_at: float | None = None) -> None:
        """Somebody counts the shelf, now or at the time given."""
        now = self.world.now()
        self.books.write(
            self._row(
                self._variation(what),
                units,
                occurred_at=now if occurred_at is None else occurred_at,
                counted_state=IN_STOCK,
                product="DASHBOARD",
            )
        )

    def receive(self, sku: str, units: int) -> None:
        """Goods came in."""
        row = self._row(
            self._variation(sku), units, from_state="NONE", to_state=IN_STOCK, product="DASHBOARD"
        )
        self.books.write(row)

    def waste(self, sku: str, units: int = 1) -> None:
        """Goods broke."""
        row = self._row(
            self._variation(sku), units, from_state=IN_STOCK, to_state="WASTE", product="DASHBOARD"
        )
        self.books.write(row)

    def shown(self, sku: str) -> int:
        """What the till shows of an item."""
        return self.books.shown(self._variation(sku), self.place)

    # ------------------------------------------------------------ the till

    def buy(self, sku: str, units: int = 1) -> str | None:
        """A clerk sells what the till shows as there, and nothing else. Returns the order's id."""
        if self.shown(sku) < units:
            self.refused += 1
            return None
        return self.sell({sku: units})

    def sell(self, basket: Mapping[str, int], *, custom_amounts: int = 0) -> str:
        """A clerk sells whatever the buyer holds in hand, whatever the till shows."""
        lines = [self._line(self._variation(sku), units) for sku, units in basket.items()]
        lines += [self._line(None, 1) for _ in range(custom_amounts)]
        return self._till_order(lines, self.world.now(), offline=False, declined=False).id

    def sell_offline(self, basket: Mapping[str, int], *, declined: bool = False) -> None:
        """The till has no connection: the goods leave, Square hears of it at the upload."""
        sale = OfflineSale(basket=basket, occurred_at=self.world.now(), declined=declined)
        self.waiting.append(sale)

    def upload(self) -> list[str]:
        """The connection is back. Returns the orders' ids."""
        sales, self.waiting = self.waiting, []
        ids = []
        for sale in sales:
            lines = [self._line(self._variation(sku), n) for sku, n in sale.basket.items()]
            order = self._till_order(lines, sale.occurred_at, offline=True, declined=sale.declined)
            ids.append(order.id)
        return ids

    def _till_order(
        self, lines: list[Line], occurred_at: float, *, offline: bool, declined: bool
    ) -> Order:
        now = self.world.now()
        order = self._order(lines, "Square Point of Sale", occurred_at)
        order.state = "CANCELED" if declined else "COMPLETED"
        order.declined = declined
        if not declined:
            self._move(order, IN_STOCK, "SOLD", occurred_at)
        payment = Payment(
            id=self.world.identifier("PAY"),
            order_id=order.id,
            location=self.place,
            status="FAILED" if declined else "COMPLETED",
            created_at=now,
            updated_at=now,
            taken_offline_at=occurred_at if offline else None,
        )
        self.world.payments[payment.id] = payment
        order.payment_ids.append(payment.id)
        for kind in ("payment.created", "payment.updated"):
            self.world.tell(kind, "payment", payment.id, {"payment": payment_body(payment)})
        return order

    def return_goods(
        self, sku: str, units: int = 1, *, of: str | None = None, restock: bool = True
    ) -> str:
        """A buyer brings goods back: a new order, and a row in the ledger only if restocked."""
        variation = self._variation(sku)
        order = self._order([], "Square Point of Sale", self.world.now())
        order.state = "COMPLETED"
        order.returns.append(ReturnedLine(self.world.identifier("line-"), variation, units, of))
        refund_id = self.world.identifier("REFUND")
        if restock:
            state = "UNLINKED_RETURN" if of is None else "RETURNED_BY_CUSTOMER"
            row = self._row(
                variation,
                units,
                from_state=state,
                to_state=IN_STOCK,
                transaction_id=order.id,
                refund_id=refund_id,
            )
            self.books.write(row)
        # Square's own examples give created and updated one event id.
        event_id = self.world.identifier("event-")
        for kind, status in (("refund.created", "PENDING"), ("refund.updated", "COMPLETED")):
            refund = {
                "id": refund_id,
                "status": status,
                "amount_money": {"amount": 100, "currency": "USD"},
                "order_id": order.id,
                "location_id": self.place.id,
                "created_at": iso(self.world.now()),
                "updated_at": iso(self.world.now()),
            }
            self.world.tell(kind, "refund", refund_id, {"refund": refund}, event_id=event_id)
        return order.id

    # ------------------------------------------------------------ online

    def order_online(self, sku: str, units: int = 1) -> str | None:
        """Somebody buys on the seller's web site, to be picked up. None: it shows too little."""
        variation = self._variation(sku)
        if self.books.shown(variation, self.place) < units:
            self.refused += 1
            return None
        order = self._order([self._line(variation, units)], "Square Online", self.world.now())
        order.version = 1
        order.fulfilments.append(Fulfilment(self.world.identifier("ful-")))
        self._move(order, IN_STOCK, self.online_state, self.world.now(), product="ONLINE_STORE")
        self._tell_order(order, "created")
        return order.id

    def hand_over(self, order_id: str) -> None:
        """The buyer has picked an online order up."""
        order = self.world.orders[order_id]
        self._move(order, self.online_state, "SOLD", self.world.now(), product="ONLINE_STORE")
        self._end(order, "COMPLETED")

    def cancel(self, order_id: str) -> None:
        """An online order is called off before it was picked up."""
        order = self.world.orders[order_id]
        self._move(order, self.online_state, IN_STOCK, self.world.now(), product="ONLINE_STORE")
        self._end(order, "CANCELED")

    def _end(self, order: Order, state: str) -> None:
        order.state = state
        order.updated_at = self.world.now()
        order.version = (order.version or 0) + 1
        for one in order.fulfilments:
            one.state = state
        self._tell_order(order, "updated")

    # ------------------------------------------------------------ the truth

    def accepted(self) -> Counter[str]:
        """Net units that buyers were given or promised, by SKU; uploads to come not counted."""
        net: Counter[str] = Counter()
        for order in self.world.orders.values():
            gone = order.state != "CANCELED" or order.declined
            for line in order.lines:
                if line.variation is not None and gone:
                    net[line.variation.sku or ""] += line.quantity
            for back in order.returns:
                net[back.variation.sku or ""] -= back.quantity
        return net

    # ------------------------------------------------------------ pieces

    def _variation(self, what: Variation | str) -> Variation:
        return self.world.variation_of(what) if isinstance(what, str) else what

    def _line(self, variation: Variation | None, units: int) -> Line:
        return Line(self.world.identifier("line-"), variation, units)

    def _order(self, lines: list[Line], source: str, created_at: float) -> Order:
        order = Order(
            id=self.world.identifier("ORDER"),
            location=self.place,
            created_at=created_at,
            updated_at=self.world.now(),
            visible_at=self.world.now() + self.world.search_lag_seconds,
            source=source,
            lines=lines,
        )
        self.world.orders[order.id] = order
        return order

    def _move(
        self,
        order: Order,
        from_state: str,
        to_state: str,
        occurred_at: float,
        *,
        product: str = "SQUARE_POS",
    ) -> None:
        rows = [
            self._row(
                line.variation,
                line.quantity,
                from_state=from_state,
                to_state=to_state,
                occurred_at=occurred_at,
                product=product,
                transaction_id=order.id,
            )
            for line in order.lines
            if line.variation is not None and line.variation.is_tracked(self.place.id)
        ]
        self.books.write(*rows)

    def _row(
        self, variation: Variation, units: int, *, occurred_at: float | None = None, **more: Any
    ) -> Row:
        now = self.world.now()
        return Row(
            id=self.world.identifier("ROW"),
            variation=variation,
            location=self.place,
            quantity=Decimal(units),
            occurred_at=now if occurred_at is None else occurred_at,
            created_at=now,
            visible_at=now + self.world.search_lag_seconds,
            **more,
        )

    def _tell_order(self, order: Order, what: str) -> None:
        name = f"order_{what}"
        content = {
            "order_id": order.id,
            "version": order.version,
            "location_id": order.location.id,
            "state": order.state,
            "created_at": iso(order.created_at),
        }
        if what == "updated":
            content["updated_at"] = iso(order.updated_at)
        self.world.tell(f"order.{what}", name, order.id, {name: content})
