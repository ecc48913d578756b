"""What polling needs of a version of the Orders API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from channelsync.sdk.types import Instant
from channelsync_amazon.api import AmazonApi, Answer, Call, NotFound, path_part
from channelsync_amazon.cursor import Cursor
from channelsync_amazon.mapping import OrderView, view_of
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.times import iso
from channelsync_amazon.wire import understood
from channelsync_amazon.wire_orders import OrderAnswer, OrdersPage

__all__ = ["PAGE_SIZE", "FoundOrders", "OrderSource", "Orders2026"]

PAGE_SIZE: Final = 100
PATH: Final = "/orders/2026-01-01/orders"
INCLUDED: Final = "FULFILLMENT,CANCELLATION"
"""Buyer, recipient, tax and payment are never asked for."""
UNSHIPPED: Final = "PENDING_AVAILABILITY,PENDING,UNSHIPPED,PARTIALLY_SHIPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOrders:
    """One page, whichever API told it."""

    views: Sequence[OrderView]
    count: int
    """Orders on the page, those that Amazon ships included."""
    next_token: str | None
    complete: Instant | None
    """Only orders changed, or created, before this are told."""
    answer: Answer


class OrderSource(Protocol):
    """One version of the Orders API."""

    async def page(self, cursor: Cursor) -> FoundOrders:
        """The page that the cursor stands before.

        Raises:
            ConnectorError: nothing was learnt.
        """

    async def one(self, order_id: str) -> OrderView | None:
        """One order; None where Amazon does not know it, or ships it itself."""


class Orders2026:
    """`searchOrders` and `getOrder` of 2026-01-01: lines come with their orders."""

    def __init__(self, api: AmazonApi, settings: AmazonSettings) -> None:
        self._api = api
        self._marketplaces = ",".join(settings.marketplace_ids)

    async def page(self, cursor: Cursor) -> FoundOrders:
        """See `OrderSource`."""
        query = {
            "marketplaceIds": self._marketplaces,
            "fulfilledBy": "MERCHANT",
            "includedData": INCLUDED,
            "maxResultsPerPage": str(PAGE_SIZE),
        }
        if cursor.phase == "changed":
            query["lastUpdatedAfter"] = iso(cursor.after)
        else:
            query["createdAfter"] = iso(cursor.after)
        if cursor.phase == "unshipped":
            query["fulfillmentStatuses"] = UNSHIPPED
        if cursor.token is not None:
            query["paginationToken"] = cursor.token
        call = Call(operation="searchOrders", method="GET", path=PATH, query=query)
        answer = await self._api.read(call)
        page = understood(OrdersPage, answer)
        views = [view_of(order) for order in page.orders]
        return FoundOrders(
            views=[view for view in views if view is not None],
            count=len(page.orders),
            next_token=page.next_token,
            complete=page.last_updated_before or page.created_before,
            answer=answer,
        )

    async def one(self, order_id: str) -> OrderView | None:
        """See `OrderSource`."""
        call = Call(
            operation="getOrder",
            method="GET",
            path=f"{PATH}/{path_part(order_id)}",
            query={"includedData": INCLUDED},
        )
        try:
            answer = await self._api.read(call)
        except NotFound:
            return None
        return view_of(understood(OrderAnswer, answer).order)
