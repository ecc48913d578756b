"""The Orders API v0, until Amazon removes it after 2027-03-27: lines cost a call an order."""

from __future__ import annotations

from typing import Final

from channelsync_amazon.api import AmazonApi, Call, NotFound, path_part
from channelsync_amazon.cursor import Cursor
from channelsync_amazon.mapping import OrderView, view_of_v0
from channelsync_amazon.order_source import FoundOrders
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.times import iso
from channelsync_amazon.wire import understood
from channelsync_amazon.wire_orders import (
    ItemsOfOrderV0,
    OrderAnswerV0,
    OrderItemV0,
    OrdersPageV0,
    OrderV0,
)

__all__ = ["OrdersV0"]

PATH: Final = "/orders/v0/orders"
PAGE_SIZE: Final = 20
"""Each order costs a call for its lines, of which 30 can be made at once."""
UNSHIPPED: Final = "PendingAvailability,Pending,Unshipped,PartiallyShipped"


class OrdersV0:
    """`getOrders`, `getOrder` and `getOrderItems` of v0."""

    def __init__(self, api: AmazonApi, settings: AmazonSettings) -> None:
        self._api = api
        self._marketplaces = ",".join(settings.marketplace_ids)

    async def page(self, cursor: Cursor) -> FoundOrders:
        """See `OrderSource`."""
        query = {
            "MarketplaceIds": self._marketplaces,
            "FulfillmentChannels": "MFN",
            "MaxResultsPerPage": str(PAGE_SIZE),
        }
        if cursor.phase == "changed":
            query["LastUpdatedAfter"] = iso(cursor.after)
        else:
            query["CreatedAfter"] = iso(cursor.after)
        if cursor.phase == "unshipped":
            query["OrderStatuses"] = UNSHIPPED
        if cursor.token is not None:
            query["NextToken"] = cursor.token
        call = Call(operation="getOrders", method="GET", path=PATH, query=query)
        answer = await self._api.read(call)
        told = understood(OrdersPageV0, answer).payload
        views = [await self._whole(order) for order in told.orders]
        return FoundOrders(
            views=[view for view in views if view is not None],
            count=len(told.orders),
            next_token=told.next_token,
            complete=told.last_updated_before or told.created_before,
            answer=answer,
        )

    async def one(self, order_id: str) -> OrderView | None:
        """See `OrderSource`."""
        call = Call(operation="getOrder", method="GET", path=f"{PATH}/{path_part(order_id)}")
        try:
            answer = await self._api.read(call)
        except NotFound:
            return None
        return await self._whole(understood(OrderAnswerV0, answer).payload)

    async def _whole(self, order: OrderV0) -> OrderView | None:
        """The order with its lines."""
        items: list[OrderItemV0] = []
        query: dict[str, str] = {}
        while True:
            path = f"{PATH}/{path_part(order.amazon_order_id)}/orderItems"
            call = Call(operation="getOrderItems", method="GET", path=path, query=query)
            told = understood(ItemsOfOrderV0, await self._api.read(call)).payload
            items += told.order_items
            if told.next_token is None:
                return view_of_v0(order, tuple(items))
            query = {"NextToken": told.next_token}
