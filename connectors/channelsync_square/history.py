"""Looking things up that a page of the feed refers to: orders, their rows, counts in between."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from channelsync.sdk.types import Instant
from channelsync_square.api import SquareApi
from channelsync_square.ledger import Row, read_rows
from channelsync_square.settings import SquareSettings
from channelsync_square.times import iso
from channelsync_square.wire import Change, ChangesPage, PhysicalCount, understood
from channelsync_square.wire_orders import Order, OrdersPage, PaymentAnswer

__all__ = ["History"]

LEDGER_PATH: Final = "/v2/inventory/changes/batch-retrieve"
BATCH_PATH: Final = "/v2/orders/batch-retrieve"
IDS_MAX: Final = 100
VARIATIONS_MAX: Final = 100
PAGE_SIZE: Final = 1_000
BEFORE_SECONDS: Final = 60.0
"""Rows of an order are looked for from this long before it: clocks of tills run ahead."""
VERDICTS_KEPT: Final = 2_000


class History:
    """Reads orders, payments and the ledger by what they belong to."""

    def __init__(self, api: SquareApi, settings: SquareSettings) -> None:
        self._api = api
        self._location = settings.location_id
        self._verdicts: OrderedDict[tuple[str, Instant], Instant | None] = OrderedDict()

    async def orders(self, order_ids: Sequence[str]) -> list[Order]:
        """Orders by id; unknown ones are left out."""
        found: list[Order] = []
        wanted = list(dict.fromkeys(order_ids))
        for start in range(0, len(wanted), IDS_MAX):
            content = {"order_ids": wanted[start : start + IDS_MAX]}
            answer = await self._api.call("POST", BATCH_PATH, content)
            found += understood(OrdersPage, answer).orders
        return found

    async def of_orders(
        self, orders: Sequence[Order]
    ) -> tuple[Mapping[str, list[Row]], list[PhysicalCount]]:
        """All rows of some orders, by order, and every count since the first of them."""
        variations = {line.catalog_object_id for order in orders for line in order.line_items} - {
            None
        }
        since = min(order.created_at for order in orders) - BEFORE_SECONDS
        changes = await self._changes([str(one) for one in variations], since)
        rows, counts = read_rows(changes, self._location)
        wanted = {order.id for order in orders}
        by_order: dict[str, list[Row]] = {}
        for row in rows:
            if row.entry.transaction_id in wanted:
                by_order.setdefault(str(row.entry.transaction_id), []).append(row)
        return by_order, counts

    async def counts_around(self, rows: Sequence[Row]) -> list[PhysicalCount]:
        """Every count that may have been taken between a row's occurrence and its arrival."""
        if not rows:
            return []
        since = min(row.entry.occurred_at for row in rows) - 1.0
        variations = {row.entry.catalog_object_id for row in rows}
        changes = await self._changes(variations, since, kinds=("PHYSICAL_COUNT",))
        return read_rows(changes, self._location)[1]

    async def unpaid(self, orders: Iterable[Order]) -> dict[str, Instant]:
        """Orders whose goods left although their offline payment failed, with the time of it."""
        found: dict[str, Instant] = {}
        for order in orders:
            taken_at = await self._unpaid_at(order)
            if taken_at is not None:
                found[order.id] = taken_at
        return found

    async def _unpaid_at(self, order: Order) -> Instant | None:
        payments = [one.payment_id for one in order.tenders if one.payment_id is not None]
        if order.state == "COMPLETED" or order.is_fulfilled_later or not payments:
            return None
        key = (order.id, order.updated_at)
        if key not in self._verdicts:
            self._verdicts[key] = await self._verdict(order, payments)
            while len(self._verdicts) > VERDICTS_KEPT:
                self._verdicts.popitem(last=False)
        return self._verdicts[key]

    async def _verdict(self, order: Order, payment_ids: Sequence[str]) -> Instant | None:
        for payment_id in payment_ids:
            answer = await self._api.call("GET", f"/v2/payments/{payment_id}")
            payment = understood(PaymentAnswer, answer).payment
            if payment.goods_left_unpaid:
                details = payment.offline_payment_details
                taken_at = details.client_created_at if details is not None else None
                return order.created_at if taken_at is None else taken_at
        return None

    async def _changes(
        self,
        variation_ids: Iterable[str],
        since: Instant,
        *,
        kinds: Sequence[str] = ("ADJUSTMENT", "PHYSICAL_COUNT"),
    ) -> list[Change]:
        wanted = sorted(variation_ids)
        found: list[Change] = []
        for start in range(0, len(wanted), VARIATIONS_MAX):
            content: dict[str, Any] = {
                "types": list(kinds),
                "catalog_object_ids": wanted[start : start + VARIATIONS_MAX],
                "location_ids": [self._location],
                "updated_after": iso(max(since, 0.0)),
                "limit": PAGE_SIZE,
            }
            async for answer in self._api.pages(LEDGER_PATH, content):
                found += understood(ChangesPage, answer).changes
        return found
