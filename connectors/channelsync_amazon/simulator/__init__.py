"""A simulated Amazon: one seller account behind the real wire protocol, shoppers in front.

It runs over real HTTP (any ASGI server) or in process (`transport`), on an injected clock and
generator, and fails as its fault plan says. Quantities apply late, orders show late.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any, Final

import httpx
from starlette.types import ASGIApp

from channelsync.sdk.testing.faults import FaultPlan
from channelsync.sdk.testing.network import SimulatedNetwork
from channelsync_amazon.simulator.account import Account, Quota
from channelsync_amazon.simulator.feeds import Feeds
from channelsync_amazon.simulator.listings import Listings
from channelsync_amazon.simulator.notifications import Notifications
from channelsync_amazon.simulator.orders import Orders, state_of
from channelsync_amazon.simulator.server import Operation, Server
from channelsync_amazon.simulator.shoppers import Seller
from channelsync_amazon.simulator.state import CANARY, World
from channelsync_amazon.simulator.wire import Asked, Reply

__all__ = ["CANARY", "MARKETPLACE", "AmazonSimulator"]

MARKETPLACE: Final = "A1PA6795UKMFR9"
LISTINGS: Final = "/listings/2021-08-01/items/{sellerId}"
ORDERS: Final = "/orders/2026-01-01/orders"
ORDERS_V0: Final = "/orders/v0/orders"
FEEDS: Final = "/feeds/2021-06-30"
NOTIFICATIONS: Final = "/notifications/v1"


class AmazonSimulator:
    """One seller account with one app authorised.

    `seller` is what shoppers and the seller do, `app` what Amazon's servers do, `faults` what goes
    wrong, `world.application` how late a quantity applies.
    """

    def __init__(
        self,
        *,
        seller_id: str = "A3CSYNCSELLER1",
        marketplaces: tuple[str, ...] = (MARKETPLACE,),
        now: Callable[[], float] = time.time,
        rng: Random | None = None,
        faults: FaultPlan | None = None,
        unlimited: bool = False,
    ) -> None:
        rng = rng or Random(0)
        self.faults = faults or FaultPlan()
        self.world = World(seller_id, marketplaces, now)
        self.account = Account(
            client_id="amzn1.application-oa2-client.simulated",
            client_secret="amzn1.oa2-cs.v1.simulated",  # noqa: S106 - a simulated app's own
            refresh_token="Atzr|simulated",  # noqa: S106 - a simulated seller's own
        )
        self.quota = Quota(now, unlimited=unlimited)
        self.seller = Seller(self.world, rng, state_of)
        self.listings = Listings(self.world, rng)
        self.orders = Orders(self.world, self.seller)
        self.feeds = Feeds(self.world, rng)
        self.notifications = Notifications(self.world, self.faults, rng)
        self.server = Server(
            self.world,
            self.account,
            self.quota,
            self._operations(),
            faults=self.faults,
            rng=rng,
            routes=self.feeds.routes,
        )

    @property
    def app(self) -> ASGIApp:
        """The ASGI application, for a real server."""
        return self.server.app

    def transport(self) -> httpx.AsyncBaseTransport:
        """The way in without a socket; timeouts and lost connections are real exceptions."""
        return SimulatedNetwork(self.app)

    def settings(self, **more: Any) -> dict[str, Any]:
        """What a merchant would write to sell here."""
        given: dict[str, Any] = {
            "seller_id": self.world.seller_id,
            "marketplace_ids": list(self.world.marketplaces),
            "region": "eu",
            "client_id": self.account.client_id,
            "client_secret": self.account.client_secret,
            "refresh_token": self.account.refresh_token,
        }
        return given | more

    def _operations(self) -> list[Operation]:
        listings, orders = self.listings, self.orders
        # A SKU may hold anything: the last parameter of a path takes encoded slashes as well.
        item = f"{LISTINGS}/{{sku:path}}"
        return [
            *self._around(),
            _listing("patchListingsItem", "PATCH", item, listings.patch),
            _listing("searchListingsItems", "GET", LISTINGS, listings.search),
            _listing("getListingsItem", "GET", item, listings.get),
            _order("searchOrders", "GET", ORDERS, orders.search),
            _order("getOrder", "GET", f"{ORDERS}/{{orderId}}", orders.get),
            _order("getOrders", "GET", ORDERS_V0, orders.search_v0),
            _order("getOrder", "GET", f"{ORDERS_V0}/{{orderId}}", orders.get_v0),
            _order("getOrderItems", "GET", f"{ORDERS_V0}/{{orderId}}/orderItems", orders.items_v0),
            _order(
                "confirmShipment",
                "POST",
                f"{ORDERS_V0}/{{orderId}}/shipmentConfirmation",
                orders.confirm,
            ),
            Operation(
                name="getMarketplaceParticipations",
                method="GET",
                path="/sellers/v1/marketplaceParticipations",
                answer=self._participations,
            ),
        ]

    def _around(self) -> list[Operation]:
        feeds, told = self.feeds, self.notifications
        kind = f"{NOTIFICATIONS}/subscriptions/{{notificationType}}"
        places = f"{NOTIFICATIONS}/destinations"
        return [
            _listing("createFeedDocument", "POST", f"{FEEDS}/documents", feeds.create_document),
            _listing(
                "getFeedDocument",
                "GET",
                f"{FEEDS}/documents/{{feedDocumentId}}",
                feeds.get_document,
            ),
            _listing("createFeed", "POST", f"{FEEDS}/feeds", feeds.create),
            _listing("getFeed", "GET", f"{FEEDS}/feeds/{{feedId}}", feeds.get),
            _app("getDestinations", "GET", places, told.list_destinations),
            _app("createDestination", "POST", places, told.create_destination),
            Operation(
                name="getSubscription", method="GET", path=kind, answer=told.get_subscription
            ),
            Operation(name="createSubscription", method="POST", path=kind, answer=told.subscribe),
        ]

    def _participations(self, _asked: Asked) -> Reply:
        payload = [
            {
                "marketplace": {
                    "id": one,
                    "countryCode": "DE",
                    "name": "Amazon.de",
                    "defaultCurrencyCode": "EUR",
                    "defaultLanguageCode": "de_DE",
                    "domainName": "www.amazon.de",
                },
                "participation": {"isParticipating": True, "hasSuspendedListings": False},
                "storeName": "A simulated shop",
            }
            for one in self.world.marketplaces
        ]
        return Reply(200, {"payload": payload})


def _listing(name: str, method: str, path: str, answer: Callable[[Asked], Reply]) -> Operation:
    return Operation(name=name, method=method, path=path, answer=answer, role="listings")


def _app(name: str, method: str, path: str, answer: Callable[[Asked], Reply]) -> Operation:
    return Operation(name=name, method=method, path=path, answer=answer, grantless=True)


def _order(name: str, method: str, path: str, answer: Callable[[Asked], Reply]) -> Operation:
    return Operation(name=name, method=method, path=path, answer=answer, role="orders")
