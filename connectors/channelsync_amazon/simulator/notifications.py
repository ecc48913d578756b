"""Notifications: destinations, subscriptions, and messages that come twice, late and out of order.

Live quantities reach the queue by an EventBridge rule of the seller's, wrapped; it is set up
outside of this API, so here it is a switch.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from channelsync.sdk.testing.faults import FaultPlan
from channelsync_amazon.simulator.feeds import Feed
from channelsync_amazon.simulator.orders import STATUS_V0
from channelsync_amazon.simulator.state import CANARY, Offer, Order, World
from channelsync_amazon.simulator.wire import Asked, Reply, error, stamp

__all__ = ["KINDS", "Notifications"]

KINDS: Final = frozenset({"ORDER_CHANGE", "FEED_PROCESSING_FINISHED"})
"""Those that go to a queue; live quantities go to EventBridge only."""
IDLE_SECONDS: Final = 0.05
APPLICATION: Final = "amzn1.sellerapps.app.csync"


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    body: str = field(compare=False)


class Notifications:
    """The app's destinations, the seller's subscriptions, and what is on its way to the queue."""

    def __init__(self, world: World, faults: FaultPlan, rng: Random) -> None:
        self._world = world
        self._faults = faults
        self._rng = rng
        self.destinations: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.eventbridge = False
        """Whether the seller's rule sends live quantities to the queue as well."""
        self.pending_orders = True
        """Whether an order is told of while its payment is pending; Amazon is unclear on that."""
        self._outbox: list[_Due] = []
        world.listeners.append(self._happened)

    # ------------------------------------------------------------------ the API

    def list_destinations(self, _asked: Asked) -> Reply:
        """`getDestinations`."""
        return Reply(200, {"payload": list(self.destinations.values())})

    def create_destination(self, asked: Asked) -> Reply:
        """`createDestination`."""
        arn = asked.body["resourceSpecification"]["sqs"]["arn"]
        known = [one["resource"]["sqs"]["arn"] for one in self.destinations.values()]
        if arn in known:
            return error(409, "Conflict", "The destination already exists.")
        name = f"dest-{self._world.number():08x}"
        self.destinations[name] = {
            "name": asked.body["name"],
            "destinationId": name,
            "resource": {"sqs": {"arn": arn}},
        }
        return Reply(200, {"payload": self.destinations[name]})

    def get_subscription(self, asked: Asked) -> Reply:
        """`getSubscription`."""
        known = self.subscriptions.get(asked.path["notificationType"])
        if known is None:
            return error(404, "NotFound", "There is no subscription of this type.")
        return Reply(200, {"payload": known})

    def subscribe(self, asked: Asked) -> Reply:
        """`createSubscription`."""
        kind = asked.path["notificationType"]
        if kind not in KINDS:
            return error(400, "InvalidInput", f"{kind} cannot go to a queue.")
        if kind in self.subscriptions:
            return error(409, "Conflict", "The subscription already exists.")
        if asked.body["destinationId"] not in self.destinations:
            return error(400, "InvalidInput", "The destination does not exist.")
        if kind == "ORDER_CHANGE" and "processingDirective" not in asked.body:
            return error(400, "InvalidInput", "processingDirective is required.")
        self.subscriptions[kind] = {
            "subscriptionId": f"sub-{self._world.number():08x}",
            "payloadVersion": asked.body["payloadVersion"],
            "destinationId": asked.body["destinationId"],
        }
        return Reply(200, {"payload": self.subscriptions[kind]})

    # ------------------------------------------------------------------ the outbox

    def take(self) -> list[str]:
        """The bodies that reach the queue by now, in the order in which they arrive."""
        self._world.catch_up()
        found = []
        while self._outbox and self._outbox[0].at <= self._world.now():
            found.append(heapq.heappop(self._outbox).body)
        return found

    async def run(self, post: Callable[[str], Awaitable[None]]) -> None:
        """Post to a queue, for as long as the simulator is served."""
        while True:
            for body in self.take():
                await post(body)
            await asyncio.sleep(IDLE_SECONDS)

    def _happened(self, what: str, subject: Any) -> None:
        if what == "order" and isinstance(subject, Order):
            pending = subject.status == "PENDING"
            if "ORDER_CHANGE" in self.subscriptions and (self.pending_orders or not pending):
                self._send(self._order(subject))
        elif what == "feed" and isinstance(subject, Feed):
            if "FEED_PROCESSING_FINISHED" in self.subscriptions:
                self._send(self._feed(subject))
        elif self.eventbridge and isinstance(subject, Offer):
            self._send(self._quantity(subject))

    def _send(self, body: dict[str, Any]) -> None:
        text = json.dumps(body)
        for delay in self._faults.deliveries.draw(self._rng):
            due = _Due(self._world.now() + delay, self._world.number(), text)
            heapq.heappush(self._outbox, due)

    # ------------------------------------------------------------------ bodies

    def _metadata(self, kind: str) -> dict[str, Any]:
        known = self.subscriptions.get(kind, {})
        return {
            "ApplicationId": APPLICATION,
            "SubscriptionId": known.get("subscriptionId", "sub-eventbridge"),
            "PublishTime": stamp(self._world.now()),
            "NotificationId": f"{self._world.number():08x}-0000-4000-8000-000000000000",
        }

    def _order(self, order: Order) -> dict[str, Any]:
        now = stamp(self._world.now())
        left = {line.item_id: line.ordered - line.cancelled for line in order.lines}
        return {
            "NotificationVersion": "1.0",
            "NotificationType": "ORDER_CHANGE",
            "PayloadVersion": "1.0",
            "EventTime": now,
            "Payload": {
                "OrderChangeNotification": {
                    "NotificationLevel": "OrderLevel",
                    "SellerId": self._world.seller_id,
                    "AmazonOrderId": order.order_id,
                    "OrderChangeType": "OrderStatusChange",
                    "OrderChangeTrigger": {
                        "TimeOfOrderChange": now,
                        "ChangeReason": "OrderStatusChange",
                    },
                    "Summary": {
                        "MarketplaceId": order.marketplace,
                        "OrderStatus": STATUS_V0[order.status],
                        "PurchaseDate": stamp(order.placed_at),
                        "DestinationPostalCode": CANARY,
                        "FulfillmentType": "MFN" if order.fulfilled_by == "MERCHANT" else "AFN",
                        "OrderType": "StandardOrder",
                        "NumberOfItemsShipped": sum(one.shipped for one in order.lines),
                        "NumberOfItemsUnshipped": sum(
                            left[one.item_id] - one.shipped for one in order.lines
                        ),
                        "OrderPrograms": [],
                        "ShippingPrograms": [],
                        "OrderItems": [
                            {
                                "OrderItemId": line.item_id,
                                "SellerSKU": line.offer.sku,
                                "SupplySourceId": None,
                                "Quantity": line.ordered,
                                "QuantityShipped": line.shipped,
                                "IsBuyerRequestedCancel": False,
                            }
                            for line in order.lines
                        ],
                    },
                }
            },
            "NotificationMetadata": self._metadata("ORDER_CHANGE"),
        }

    def _quantity(self, offer: Offer) -> dict[str, Any]:
        """As an EventBridge rule hands it on."""
        now = stamp(self._world.now())
        return {
            "version": "0",
            "id": f"{self._world.number():08x}-0001-4000-8000-000000000000",
            "detail-type": "LISTINGS_ITEM_MFN_QUANTITY_CHANGE",
            "source": "aws.partner/sellingpartnerapi.amazon.com/210987654321/amzn1.sp.csync",
            "account": "210987654321",
            "time": now,
            "region": "eu-west-1",
            "resources": [],
            "detail": {
                "NotificationVersion": "1.0",
                "NotificationType": "LISTINGS_ITEM_MFN_QUANTITY_CHANGE",
                "PayloadVersion": "1.0",
                "EventTime": now,
                "Payload": {
                    "SellerId": self._world.seller_id,
                    "FulfillmentChannelCode": offer.code,
                    "Sku": offer.sku,
                    "Quantity": offer.live,
                },
                "NotificationMetadata": self._metadata("LISTINGS_ITEM_MFN_QUANTITY_CHANGE"),
            },
        }

    def _feed(self, feed: Feed) -> dict[str, Any]:
        """This kind alone writes its keys with a small first letter."""
        told: dict[str, Any] = {
            "sellerId": self._world.seller_id,
            "accountId": f"amzn1.merchant.o.{self._world.seller_id}",
            "feedId": feed.feed_id,
            "feedType": "JSON_LISTINGS_FEED",
            "processingStatus": feed.status,
        }
        if feed.result is not None:
            told["resultFeedDocumentId"] = feed.result
        metadata = self._metadata("FEED_PROCESSING_FINISHED")
        return {
            "notificationVersion": "2020-09-04",
            "notificationType": "FEED_PROCESSING_FINISHED",
            "payloadVersion": "2020-09-04",
            "eventTime": stamp(self._world.now()),
            "payload": {"feedProcessingFinishedNotification": told},
            "notificationMetadata": {
                name[0].lower() + name[1:]: value for name, value in metadata.items()
            },
        }
