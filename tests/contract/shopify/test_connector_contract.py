"""The connector contract, kept against the simulated shop."""

from __future__ import annotations

from typing_extensions import override

from channelsync.sdk.testing.contract import Clock, ConnectorContract, World
from tests.support.shopify_world import ShopifyWorld


class TestShopify(ConnectorContract):
    @override
    def world(self, clock: Clock) -> World:
        return ShopifyWorld(clock)
