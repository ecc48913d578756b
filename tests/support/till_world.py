"""A simulated till, in the words of the connector contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

import httpx
from typing_extensions import override

from channelsync.sdk.signatures import decode_standard_secret, standard_webhook_signature
from channelsync.sdk.testing.contract import HOOK_URL, Clock, World
from channelsync.sdk.types import ListingRef, WebhookRequest
from channelsync_pos.connector import PosConnector
from channelsync_pos.mapping import sale_order_id
from channelsync_pos.settings import TillSettings
from channelsync_pos.simulator import Courier, TillSimulator
from channelsync_pos.simulator.app import till_app
from channelsync_pos.simulator.till import CUSTOMERS
from tests.support.till import API, SECRET, simulated_api

API_KEY = "a-key-of-the-till-for-batches"
REGISTER = "T1"


class TillWorld(World):
    """A shop with one register, a server with an API, and webhooks."""

    exempt: ClassVar[Mapping[str, str]] = {
        "ship": "a till's goods leave the shop with the sale",
        "edit": "a till holds no number of its own",
        "remove": "a till has no offers",
        "twin": "a till has no offers",
        "stop_enforcing": "a till enforces nothing",
        "expire_token": "the token of a till's API does not expire",
        "lose_subscriptions": "the till's own settings say where its webhooks go",
    }
    allowed_hosts = ("till.test:8080",)
    canaries = (*CUSTOMERS, "canary@mail.example", "555 0100")
    signature_headers = ("webhook-id", "webhook-timestamp", "webhook-signature")

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.till = TillSimulator(
            now=clock,
            rng=Random(7),
            location="soho",
            registers=(REGISTER,),
            faults=self.faults,
            api_token="simulated-api-token",
        )
        self.courier: Courier = self.till.post_webhooks_to(
            HOOK_URL, client=httpx.AsyncClient(), secrets=(SECRET,)
        )
        self.back_online_at: float | None = None

    @property
    @override
    def connector(self) -> PosConnector:
        return PosConnector()

    @property
    @override
    def settings(self) -> TillSettings:
        given: dict[str, Any] = {
            "webhook_secret": SECRET,
            "location": "soho",
            "base_url": API,
            "api_key": API_KEY,
            "api_token": "simulated-api-token",
        }
        return TillSettings.model_validate(given)

    @override
    def transport(self) -> httpx.AsyncBaseTransport:
        return simulated_api(self.till)

    @override
    async def stock(self, sku: str, units: int) -> None:
        self.till.shown[sku] = units

    @override
    def listing(self, sku: str) -> ListingRef:
        return ListingRef(listing_id=f"listing-{sku}", sku=sku)

    @override
    async def shown(self, sku: str) -> int:
        return self.till.shown[sku]

    @override
    async def buy(self, sku: str, units: int = 1) -> str | None:
        return sale_order_id(REGISTER, self.till.sell(sku, units))

    @override
    async def cancel(self, order: str) -> None:
        self.till.void(order.split("/")[1])

    @override
    async def revoke_access(self) -> None:
        self.till.app = till_app(self.till, api_token="another")

    @override
    async def hide_orders(self, seconds: float) -> None:
        self.till.go_offline()
        self.back_online_at = self.clock() + max(seconds, 30.0)

    @override
    async def later(self, seconds: float) -> None:
        await super().later(seconds)
        if self.back_online_at is not None and self.clock() >= self.back_online_at:
            self.back_online_at = None
            self.till.come_back()

    @override
    async def deliveries(self) -> Sequence[WebhookRequest]:
        return [
            WebhookRequest(url=url, headers=headers, body=body, received_at=self.clock())
            for url, body, headers in self.courier.pending_requests()
        ]

    @override
    def signed(self, body: bytes) -> WebhookRequest:
        timestamp = int(self.clock())
        key = decode_standard_secret(SECRET)
        headers = {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(timestamp),
            "webhook-signature": standard_webhook_signature(key, "msg_1", timestamp, body),
        }
        return WebhookRequest(url=HOOK_URL, headers=headers, body=body, received_at=self.clock())

    @override
    def rows(self) -> Sequence[Mapping[str, Any]]:
        return [{"type": entry.kind, **entry.data} for entry in self.till.log.entries]

    @override
    def batch(self, body: bytes) -> WebhookRequest:
        headers = {"authorization": f"Bearer {API_KEY}"}
        return WebhookRequest(url=HOOK_URL, headers=headers, body=body, received_at=self.clock())
