"""A simulated Shopify shop: the real wire protocol in front, shoppers and staff behind.

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
from channelsync_shopify.simulator.deliveries import Deliveries
from channelsync_shopify.simulator.execution import Execution
from channelsync_shopify.simulator.ledger import Ledger
from channelsync_shopify.simulator.server import Account, Server
from channelsync_shopify.simulator.staff import Shop
from channelsync_shopify.simulator.state import CANARY, World
from channelsync_shopify.times import global_id

__all__ = ["CANARY", "SCOPES", "VERSIONS", "ShopifySimulator"]

SCOPES: Final = frozenset(
    {"read_products", "read_inventory", "write_inventory", "read_locations", "read_orders"}
)
VERSIONS: Final = ("2026-01", "2026-04", "2026-07", "2026-10")
"""Supported API versions, the oldest first."""


class ShopifySimulator:
    """One shop with one app installed.

    `shop` is what shoppers and staff do, `app` what Shopify's servers do, `deliveries` the
    webhooks that leave, `faults` what goes wrong.
    """

    def __init__(
        self,
        *,
        domain: str = "acme.myshopify.com",
        now: Callable[[], float] = time.time,
        rng: Random | None = None,
        faults: FaultPlan | None = None,
        access_token: str | None = "shpat_simulated",  # noqa: S107 - a simulated shop's own
        client_id: str = "simulated-client",
        client_secret: str = "simulated-secret",  # noqa: S107 - a simulated shop's own
        scopes: frozenset[str] = SCOPES,
    ) -> None:
        rng = rng or Random(0)
        self.faults = faults or FaultPlan()
        self.world = World(domain, now)
        self.shop = Shop(self.world)
        self.location = self.shop.add_location("Main warehouse")
        self.ledger = Ledger(self.world)
        self.account = Account(access_token, client_id, client_secret)
        self.scopes = set(scopes)
        execution = Execution(self.world, self.ledger, self.scopes, VERSIONS)
        self.server = Server(
            self.world,
            execution,
            self.account,
            versions=VERSIONS,
            faults=self.faults,
            rng=rng,
        )
        self.deliveries = Deliveries(self.world, secret=client_secret, faults=self.faults, rng=rng)

    @property
    def app(self) -> ASGIApp:
        """The ASGI application, for a real server."""
        return self.server.app

    @property
    def location_id(self) -> str:
        """The first location's id."""
        return global_id("Location", self.location.number)

    def transport(self) -> httpx.AsyncBaseTransport:
        """The way in without a socket; timeouts and lost connections are real exceptions."""
        return SimulatedNetwork(self.app)
