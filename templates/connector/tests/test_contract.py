"""The connector contract of channelsync, kept against the simulated Acme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import httpx
from typing_extensions import override

from channelsync.sdk.testing.contract import HOOK_URL, Clock, ConnectorContract, World
from channelsync.sdk.types import ListingRef, WebhookRequest
from channelsync_acme.connector import AcmeConnector
from channelsync_acme.settings import AcmeSettings
from channelsync_acme.simulator import CANARY, TOKEN, WEBHOOK_SECRET, AcmeSimulator
from channelsync_acme.webhooks import SIGNATURE, signature_of


class AcmeWorld(World):
    """The simulated account, in the contract's words."""

    exempt: ClassVar[Mapping[str, str]] = {
        "expire_token": "Acme's tokens do not expire",
        "rows": "Acme posts no batches",
        "batch": "Acme posts no batches",
    }
    canaries = (CANARY,)
    signature_headers = (SIGNATURE,)

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.acme = AcmeSimulator(now=clock, faults=self.faults)
        self.offer_ids: dict[str, str] = {}

    @property
    @override
    def connector(self) -> AcmeConnector:
        return AcmeConnector()

    @property
    @override
    def settings(self) -> AcmeSettings:
        given = {"api_token": TOKEN, "webhook_secret": WEBHOOK_SECRET}
        return AcmeSettings.model_validate(given)

    @override
    def transport(self) -> httpx.AsyncBaseTransport:
        return self.acme.transport()

    @override
    async def stock(self, sku: str, units: int) -> None:
        self.acme.stock(sku, units)
        self.offer_ids[sku] = self.acme.offer(sku).id

    @override
    def listing(self, sku: str) -> ListingRef:
        external = {"offer_id": self.offer_ids[sku]}
        return ListingRef(listing_id=f"listing-{sku}", sku=sku, external=external)

    @override
    async def buy(self, sku: str, units: int = 1) -> str | None:
        return self.acme.buy(sku, units)

    @override
    async def shown(self, sku: str) -> int:
        return self.acme.offer(sku).quantity

    @override
    async def cancel(self, order: str) -> None:
        self.acme.cancel(order)

    @override
    async def ship(self, order: str) -> None:
        self.acme.ship(order)

    @override
    async def edit(self, sku: str, delta: int) -> None:
        self.acme.offer(sku).quantity += delta

    @override
    async def remove(self, sku: str) -> None:
        del self.acme.offers[self.offer_ids[sku]]

    @override
    async def twin(self, sku: str) -> None:
        self.acme.stock(sku, 1)

    @override
    async def stop_enforcing(self, sku: str) -> None:
        self.acme.offer(sku).sells_beyond_stock = True

    @override
    async def revoke_access(self) -> None:
        self.acme.token = "another"  # noqa: S105 - a simulated account's own

    @override
    async def hide_orders(self, seconds: float) -> None:
        self.acme.order_lag_seconds = seconds

    @override
    async def deliveries(self) -> Sequence[WebhookRequest]:
        return [
            WebhookRequest(url=url, headers=headers, body=body, received_at=self.clock())
            for url, body, headers in self.acme.take_deliveries()
        ]

    @override
    def signed(self, body: bytes) -> WebhookRequest:
        headers = {SIGNATURE: signature_of(body, WEBHOOK_SECRET)}
        return WebhookRequest(url=HOOK_URL, headers=headers, body=body, received_at=self.clock())

    @override
    async def lose_subscriptions(self) -> int:
        lost = len(self.acme.hooks)
        self.acme.hooks.clear()
        return lost


class TestAcme(ConnectorContract):
    """Every clause is a test of ours."""

    @override
    def world(self, clock: Clock) -> World:
        return AcmeWorld(clock)
