"""The Orders API, 2026-01-01 and v0, and the confirmation of shipments."""

from __future__ import annotations

from typing import Any, Final

from channelsync_amazon.simulator.shoppers import Seller
from channelsync_amazon.simulator.state import CANARY, Order, Package, World
from channelsync_amazon.simulator.wire import Asked, Reply, error, page_token, read_token, stamp
from channelsync_amazon.times import instant

__all__ = ["STATUS_V0", "Orders"]

PAGE_MAX: Final = 100
FREE: Final = frozenset({"paginationToken", "NextToken", "maxResultsPerPage", "includedData"})
STATUS_V0: Final = {
    "PENDING_AVAILABILITY": "PendingAvailability",
    "PENDING": "Pending",
    "UNSHIPPED": "Unshipped",
    "PARTIALLY_SHIPPED": "PartiallyShipped",
    "SHIPPED": "Shipped",
    "CANCELLED": "Canceled",
    "UNFULFILLABLE": "Unfulfillable",
}
EXACTLY_ONE: Final = "Provide exactly one of createdAfter and lastUpdatedAfter."


class Orders:
    """The seller's orders over the wire. A state shows some time after it came about."""

    def __init__(self, world: World, seller: Seller) -> None:
        self._world = world
        self._seller = seller
        self.search_delay_seconds = 120.0
        """Every search leaves out what changed in this time."""
        self.empties_cancelled_v0 = True
        """Whether v0 writes 0 as the ordered quantity of a cancelled line, as it is said to do."""

    # ------------------------------------------------------------------ 2026-01-01

    def search(self, asked: Asked) -> Reply:
        """`searchOrders`."""
        query = {
            "after": asked.query.get("lastUpdatedAfter"),
            "created": asked.query.get("createdAfter"),
            "statuses": asked.query.get("fulfillmentStatuses", ""),
            "by": asked.query.get("fulfilledBy", ""),
            "places": asked.query.get("marketplaceIds", ""),
            "token": asked.query.get("paginationToken"),
        }
        size = int(asked.query.get("maxResultsPerPage", PAGE_MAX))
        found = self._found(asked, query, size)
        if isinstance(found, Reply):
            return found
        shown, following, before = found
        body: dict[str, Any] = {
            "orders": [_included(state, asked.listed("includedData")) for state in shown],
            "lastUpdatedBefore" if query["after"] else "createdBefore": stamp(before),
        }
        if following is not None:
            body["pagination"] = {"nextToken": following}
        return Reply(200, body)

    def get(self, asked: Asked) -> Reply:
        """`getOrder`."""
        state = self._state(asked)
        if state is None:
            return error(404, "NotFound", "The requested order was not found.")
        return Reply(200, {"order": _included(state, asked.listed("includedData"))})

    def _state(self, asked: Asked) -> dict[str, Any] | None:
        order = self._world.orders.get(asked.path["orderId"])
        seen = order.visible(asked.now) if order is not None else None
        return seen[1] if seen is not None else None

    def _found(
        self, asked: Asked, query: dict[str, str | None], size: int
    ) -> tuple[list[dict[str, Any]], str | None, float] | Reply:
        after, created = query["after"], query["created"]
        if (after is None) == (created is None):
            return error(400, "InvalidInput", EXACTLY_ONE)
        offset, token = 0, query["token"]
        if token is not None:
            read = read_token(token, asked.query, FREE, asked.now)
            if read is None:
                return error(400, "InvalidInput", "The pagination token is invalid or expired.")
            offset = read
        before = asked.now - self.search_delay_seconds
        matching = sorted(self._matching(asked.now, before, query), key=lambda pair: pair[0])
        shown = [state for _, state in matching[offset : offset + size]]
        more = offset + size < len(matching)
        following = page_token(offset + size, asked.query, FREE, asked.now) if more else None
        return shown, following, before

    def _matching(
        self, now: float, before: float, query: dict[str, str | None]
    ) -> list[tuple[float, dict[str, Any]]]:
        found = []
        statuses = [one for one in (query["statuses"] or "").split(",") if one]
        places = [one for one in (query["places"] or "").split(",") if one]
        for order in self._world.orders.values():
            seen = order.visible(now)
            if seen is None:
                continue
            updated, state = seen
            if query["after"] is not None:
                hit = instant(query["after"]) <= updated <= before
            else:
                hit = instant(query["created"] or "") <= order.placed_at <= before
            by = query["by"]
            right = not by or order.fulfilled_by in by.split(",")
            status = state["fulfillment"]["fulfillmentStatus"]
            listed = not statuses or status in statuses
            if hit and right and listed and (not places or order.marketplace in places):
                found.append((updated, state))
        return found

    # ------------------------------------------------------------------ v0

    def search_v0(self, asked: Asked) -> Reply:
        """`getOrders`."""
        if not asked.query.get("MarketplaceIds"):
            return error(400, "InvalidInput", "MarketplaceIds is required.")
        names = {word: status for status, word in STATUS_V0.items()}
        statuses = [names[one] for one in asked.listed("OrderStatuses") if one in names]
        channel = {"MFN": "MERCHANT", "AFN": "AMAZON", "": ""}
        query = {
            "after": asked.query.get("LastUpdatedAfter"),
            "created": asked.query.get("CreatedAfter"),
            "statuses": ",".join(statuses),
            "by": channel[asked.query.get("FulfillmentChannels", "")],
            "places": asked.query["MarketplaceIds"],
            "token": asked.query.get("NextToken"),
        }
        size = int(asked.query.get("MaxResultsPerPage", PAGE_MAX))
        found = self._found(asked, query, size)
        if isinstance(found, Reply):
            return found
        shown, following, before = found
        payload: dict[str, Any] = {
            "Orders": [_order_v0(state) for state in shown],
            "LastUpdatedBefore" if query["after"] else "CreatedBefore": stamp(before),
        }
        if following is not None:
            payload["NextToken"] = following
        return Reply(200, {"payload": payload})

    def get_v0(self, asked: Asked) -> Reply:
        """`getOrder` of v0."""
        state = self._state(asked)
        if state is None:
            return error(404, "NotFound", "The requested order was not found.")
        return Reply(200, {"payload": _order_v0(state)})

    def items_v0(self, asked: Asked) -> Reply:
        """`getOrderItems`."""
        state = self._state(asked)
        if state is None:
            return error(404, "NotFound", "The requested order was not found.")
        cancelled = state["fulfillment"]["fulfillmentStatus"] == "CANCELLED"
        emptied = cancelled and self.empties_cancelled_v0
        items = [
            {
                "ASIN": one["product"]["asin"],
                "OrderItemId": one["orderItemId"],
                "SellerSKU": one["product"]["sellerSku"],
                "Title": one["product"]["title"],
                "QuantityOrdered": 0 if emptied else one["quantityOrdered"],
                "QuantityShipped": one["fulfillment"]["quantityFulfilled"],
            }
            for one in state["orderItems"]
        ]
        return Reply(200, {"payload": {"AmazonOrderId": state["orderId"], "OrderItems": items}})

    def confirm(self, asked: Asked) -> Reply:
        """`confirmShipment`: one package; the same reference again edits it."""
        order = self._world.orders.get(asked.path["orderId"])
        if order is None:
            return error(404, "NotFound", "The requested order was not found.")
        detail = asked.body["packageDetail"]
        package = Package(
            reference=detail["packageReferenceId"],
            carrier=detail["carrierCode"],
            tracking=detail["trackingNumber"],
            units=tuple((one["orderItemId"], one["quantity"]) for one in detail["orderItems"]),
            shipped_at=detail["shipDate"],
        )
        words = self._seller.ship_package(order, package)
        return error(400, "InvalidInput", words) if words else Reply(204)


def _included(state: dict[str, Any], data: list[str]) -> dict[str, Any]:
    """What was asked for. A person's data stands in every order; asking for it is what shows it."""
    body = {name: value for name, value in state.items() if name != "fulfillment"}
    items = []
    for item in state["orderItems"]:
        keep = dict(item)
        if "FULFILLMENT" not in data:
            keep.pop("fulfillment", None)
        if "CANCELLATION" not in data:
            keep.pop("cancellation", None)
        items.append(keep)
    body["orderItems"] = items
    if "FULFILLMENT" in data:
        body["fulfillment"] = state["fulfillment"]
    if "BUYER" in data:
        body["buyer"] = {"buyerName": CANARY, "buyerEmail": CANARY}
    if "RECIPIENT" in data:
        body["recipient"] = {"deliveryAddress": {"name": CANARY, "addressLine1": CANARY}}
    return body


def _order_v0(state: dict[str, Any]) -> dict[str, Any]:
    """An order of v0 tells of a person without being asked."""
    units = [one["fulfillment"] for one in state["orderItems"]]
    return {
        "AmazonOrderId": state["orderId"],
        "PurchaseDate": state["createdTime"],
        "LastUpdateDate": state["lastUpdatedTime"],
        "OrderStatus": STATUS_V0[state["fulfillment"]["fulfillmentStatus"]],
        "FulfillmentChannel": "MFN" if state["fulfillment"]["fulfilledBy"] == "MERCHANT" else "AFN",
        "MarketplaceId": state["salesChannel"]["marketplaceId"],
        "NumberOfItemsShipped": sum(one["quantityFulfilled"] for one in units),
        "NumberOfItemsUnshipped": sum(one["quantityUnfulfilled"] for one in units),
        "BuyerInfo": {"BuyerName": CANARY, "BuyerEmail": CANARY},
        "ShippingAddress": {"Name": CANARY, "AddressLine1": CANARY, "PostalCode": CANARY[:9]},
    }


def state_of(order: Order) -> dict[str, Any]:
    """The order as the API 2026-01-01 shows it, every data set included that is no person's."""
    items = []
    for line in order.lines:
        item: dict[str, Any] = {
            "orderItemId": line.item_id,
            "quantityOrdered": line.ordered,
            "product": {
                "asin": line.offer.asin,
                "sellerSku": line.offer.sku,
                "title": line.offer.title,
            },
            "fulfillment": {
                "quantityFulfilled": line.shipped,
                "quantityUnfulfilled": line.ordered - line.cancelled - line.shipped,
            },
        }
        if line.cancelled_by is not None:
            item["cancellation"] = {"cancellationExecution": {"cancelledBy": line.cancelled_by}}
        items.append(item)
    return {
        "orderId": order.order_id,
        "createdTime": stamp(order.placed_at),
        "lastUpdatedTime": stamp(order.updated_at),
        "programs": [],
        # A number of the seller's own, in which anything may stand.
        "orderAliases": [{"aliasId": CANARY, "aliasType": "SELLER_ORDER_ID"}],
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": order.marketplace},
        "fulfillment": {
            "fulfillmentStatus": order.status,
            "fulfilledBy": order.fulfilled_by,
            "fulfillmentServiceLevel": "STANDARD",
        },
        "orderItems": items,
    }
