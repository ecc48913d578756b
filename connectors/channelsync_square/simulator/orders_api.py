"""The order and payment endpoints, reading only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from channelsync_square.simulator.bodies import order_body, payment_body
from channelsync_square.simulator.paging import paged
from channelsync_square.simulator.refusals import Refusal
from channelsync_square.simulator.state import Order, World
from channelsync_square.times import instant

__all__ = ["OrdersApi"]

LOCATIONS_MAX: Final = 10
IDS_MAX: Final = 100
PAGE_SIZE: Final = 500
PAGE_SIZE_MAX: Final = 1_000


class OrdersApi:
    """Reads orders, however they came about."""

    def __init__(self, world: World) -> None:
        self._world = world

    def search(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`POST /v2/orders/search`."""
        places = body.get("location_ids") or []
        if not 1 <= len(places) <= LOCATIONS_MAX:
            raise Refusal(400, "INVALID_VALUE", "location_ids", "1 to 10 locations")
        query = body.get("query") or {}
        filters = query.get("filter") or {}
        states = (filters.get("state_filter") or {}).get("states")
        orders = [
            one
            for one in self._world.orders.values()
            if one.location.id in places
            and one.visible_at <= self._world.now()
            and (not states or one.state in states)
        ]
        orders = self._within(orders, filters.get("date_time_filter") or {}, query)
        return paged(body, "orders", orders, order_body, size_max=PAGE_SIZE_MAX, size=PAGE_SIZE)

    def _within(
        self, orders: list[Order], ranges: Mapping[str, Any], query: Mapping[str, Any]
    ) -> list[Order]:
        sort = query.get("sort") or {}
        name = str(sort.get("sort_field") or "CREATED_AT").lower()
        if len(ranges) > 1 or (ranges and name not in ranges):
            raise Refusal(400, "INVALID_VALUE", "query.sort.sort_field", "Sort as you filter")
        for key, limits in ranges.items():
            first = instant(limits["start_at"]) if limits.get("start_at") else 0.0
            last = instant(limits["end_at"]) if limits.get("end_at") else self._world.now()
            # Times have no more than milliseconds on the wire; both ends belong to the range.
            orders = [one for one in orders if first <= getattr(one, key) + 0.001 <= last + 0.002]
        up = sort.get("sort_order") == "ASC"
        return sorted(orders, key=lambda one: getattr(one, name), reverse=not up)

    def batch(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`POST /v2/orders/batch-retrieve`. Unknown ids are silently left out."""
        ids = body.get("order_ids") or []
        if len(ids) > IDS_MAX:
            raise Refusal(400, "ARRAY_LENGTH_TOO_LONG", "order_ids")
        known = self._world.orders
        return {"orders": [order_body(known[i]) for i in ids if i in known]}

    def payment(self, payment_id: str) -> dict[str, Any]:
        """`GET /v2/payments/{payment_id}`."""
        payment = self._world.payments.get(payment_id)
        if payment is None:
            raise Refusal(404, "NOT_FOUND", "payment_id")
        return {"payment": payment_body(payment)}
