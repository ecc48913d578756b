"""A simulated Square seller: the real wire protocol in front, clerks and buyers behind.

It runs over real HTTP (any ASGI server) or in process (`transport`), on an injected clock and
generator, and fails as its fault plan says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Final

import httpx
from starlette.types import ASGIApp

from channelsync.sdk.testing.faults import FaultPlan
from channelsync.sdk.testing.network import SimulatedNetwork
from channelsync_square.simulator.books import Books
from channelsync_square.simulator.catalog_api import CatalogApi
from channelsync_square.simulator.deliveries import Deliveries
from channelsync_square.simulator.hooks_api import HooksApi
from channelsync_square.simulator.inventory_api import InventoryApi
from channelsync_square.simulator.orders_api import OrdersApi
from channelsync_square.simulator.server import Account, Server
from channelsync_square.simulator.shop import Shop
from channelsync_square.simulator.state import CANARY, Location, World

__all__ = ["CANARY", "SCOPES", "SquareSimulator"]

SCOPES: Final = frozenset(
    {
        *("INVENTORY_READ", "INVENTORY_WRITE", "ITEMS_READ", "ORDERS_READ", "PAYMENTS_READ"),
        "MERCHANT_PROFILE_READ",
    }
)


class SquareSimulator:
    """One seller with one application.

    `shop` is what clerks, staff and buyers do, `app` what Square's servers do, `deliveries` the
    webhooks that leave, `faults` what goes wrong.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.time,
        rng: Random | None = None,
        faults: FaultPlan | None = None,
        access_token: str = "EAAA-simulated",  # noqa: S107 - a simulated seller's own
        application_token: str = "EAAA-application",  # noqa: S107 - a simulated application's own
        scopes: frozenset[str] = SCOPES,
    ) -> None:
        rng = rng or Random(0)
        self.faults = faults or FaultPlan()
        self.world = World(now)
        self.location = Location("LSIMULATED001", "Main street")
        other = Location("LSIMULATED002", "Station")
        self.world.locations = {one.id: one for one in (self.location, other)}
        self.books = Books(self.world)
        self.shop = Shop(self.world, self.books, self.location)
        self.elsewhere = Shop(self.world, self.books, other)
        """The people of the seller's other shop."""
        self.account = Account(access_token, application_token, "sq0idp-simulated", set(scopes))
        self.inventory = InventoryApi(self.world, self.books)
        self.server = Server(
            self.world,
            self.inventory,
            CatalogApi(self.world),
            OrdersApi(self.world),
            HooksApi(self.world, rng),
            self.account,
            self.faults,
            rng,
        )
        self.deliveries = Deliveries(self.world, faults=self.faults, rng=rng)

    @property
    def app(self) -> ASGIApp:
        """The ASGI application, for a real server."""
        return self.server.app

    @property
    def location_id(self) -> str:
        """The first location's id."""
        return self.location.id

    def transport(self) -> httpx.AsyncBaseTransport:
        """The way in without a socket; timeouts and lost connections are real exceptions."""
        return SimulatedNetwork(self.app)
