"""A simulated shop, in the words of the connector contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

import httpx
from typing_extensions import override

from channelsync.sdk.signatures import base64_hmac_sha256
from channelsync.sdk.testing.contract import HOOK_URL, Clock, World
from channelsync.sdk.types import ListingRef, WebhookRequest
from channelsync_shopify.connector import ShopifyConnector
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.simulator import CANARY, ShopifySimulator

SIGNATURE = "x-shopify-hmac-sha256"


class ShopifyWorld(World):
    """A shop of one location, whose app fetches its tokens."""

    exempt: ClassVar[Mapping[str, str]] = {
        "rows": "a shop posts no batches",
        "batch": "a shop posts no batches",
    }
    canaries = (CANARY,)
    signature_headers = (SIGNATURE,)

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.simulator = ShopifySimulator(
            now=clock, rng=Random(7), faults=self.faults, access_token=None
        )

    @property
    @override
    def connector(self) -> ShopifyConnector:
        return ShopifyConnector(sleep=self.clock.sleep)

    @property
    @override
    def settings(self) -> ShopifySettings:
        given: dict[str, Any] = {
            "shop": self.simulator.world.shop,
            "location_id": self.simulator.location_id,
            "client_id": self.simulator.account.client_id,
            "client_secret": "simulated-secret",
        }
        return ShopifySettings.model_validate(given)

    @override
    def transport(self) -> httpx.AsyncBaseTransport:
        return self.simulator.transport()

    @override
    async def stock(self, sku: str, units: int) -> None:
        self.simulator.shop.add_item(sku, units)

    @override
    def listing(self, sku: str) -> ListingRef:
        items = self.simulator.world.items.values()
        item = next((one for one in items if one.sku == sku), None) or self.gone[sku]
        external = {
            "inventory_item_id": f"gid://shopify/InventoryItem/{item.number}",
            "variant_id": f"gid://shopify/ProductVariant/{item.variants[0].number}",
        }
        return ListingRef(listing_id=f"listing-{sku}", sku=sku, external=external)

    @override
    async def buy(self, sku: str, units: int = 1) -> str | None:
        return await self.simulator.shop.buy(sku, units)

    @override
    async def shown(self, sku: str) -> int:
        return self.simulator.shop.available(sku)

    @override
    async def cancel(self, order: str) -> None:
        await self.simulator.shop.cancel(order)

    @override
    async def ship(self, order: str) -> None:
        await self.simulator.shop.fulfil(order)

    @override
    async def edit(self, sku: str, delta: int) -> None:
        await self.simulator.shop.edit_stock(sku, delta)

    @override
    async def remove(self, sku: str) -> None:
        self.gone = {sku: self.simulator.world.item_of(sku)}
        self.simulator.shop.delete_item(sku)

    @override
    async def twin(self, sku: str) -> None:
        self.simulator.shop.add_item(sku, 1)

    @override
    async def stop_enforcing(self, sku: str) -> None:
        self.simulator.shop.set_policy(sku, "CONTINUE")

    @override
    async def expire_token(self) -> None:
        self.simulator.account.tokens.clear()

    @override
    async def revoke_access(self) -> None:
        self.simulator.account.tokens.clear()
        self.simulator.account.client_secret = "another"

    @override
    async def hide_orders(self, seconds: float) -> None:
        self.simulator.world.search_lag_seconds = seconds

    @override
    async def deliveries(self) -> Sequence[WebhookRequest]:
        return [
            WebhookRequest(
                url=url,
                headers={name.lower(): value for name, value in headers.items()},
                body=body,
                received_at=self.clock(),
            )
            for url, body, headers in self.simulator.deliveries.pending_requests()
        ]

    @override
    def signed(self, body: bytes) -> WebhookRequest:
        secret = self.simulator.deliveries.secret.encode()
        headers = {
            "x-shopify-topic": "orders/updated",
            "x-shopify-shop-domain": self.simulator.world.shop,
            SIGNATURE: base64_hmac_sha256(secret, body),
        }
        return WebhookRequest(url=HOOK_URL, headers=headers, body=body, received_at=self.clock())

    @override
    async def lose_subscriptions(self) -> int:
        subscriptions = self.simulator.world.subscriptions
        lost = list(subscriptions)[:3]
        for number in lost:
            del subscriptions[number]
        return len(lost)
