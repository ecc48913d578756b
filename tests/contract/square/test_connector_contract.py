"""The connector contract, kept against the simulated seller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

import httpx
from typing_extensions import override

from channelsync.sdk.signatures import base64_hmac_sha256
from channelsync.sdk.testing.contract import HOOK_URL, Clock, ConnectorContract, World
from channelsync.sdk.types import ListingRef, WebhookRequest
from channelsync_square.connector import SquareConnector
from channelsync_square.settings import SquareSettings
from channelsync_square.simulator import CANARY, SquareSimulator
from channelsync_square.webhooks import SIGNATURE_HEADER
from tests.support.square import as_request

KEY = "the-key-of-the-console"
COUNTED_SECONDS_AGO = 60.0


class SquareWorld(World):
    """A seller's shop with a web site of its own; its orders are picked up."""

    exempt: ClassVar[Mapping[str, str]] = {
        "expire_token": "a seller's token is replaced by a person",
        "rows": "a seller posts no batches",
        "batch": "a seller posts no batches",
    }
    canaries = (CANARY,)
    signature_headers = (SIGNATURE_HEADER,)
    signs_url = True

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.simulator = SquareSimulator(now=clock, rng=Random(7), faults=self.faults)
        self.gone: dict[str, str] = {}

    @property
    @override
    def connector(self) -> SquareConnector:
        return SquareConnector()

    @property
    @override
    def settings(self) -> SquareSettings:
        given = {
            "access_token": self.simulator.account.access_token,
            "application_token": self.simulator.account.application_token,
            "location_id": self.simulator.location_id,
            "webhook_key": KEY,
        }
        return SquareSettings.model_validate(given)

    @override
    def transport(self) -> httpx.AsyncBaseTransport:
        return self.simulator.transport()

    @override
    async def stock(self, sku: str, units: int) -> None:
        known = [one for one in self.simulator.world.variations.values() if one.sku == sku]
        variation = known[0] if known else self.simulator.shop.add_item(sku)
        counted_at = self.clock() - COUNTED_SECONDS_AGO
        self.simulator.shop.count(variation, units, occurred_at=counted_at)

    @override
    def listing(self, sku: str) -> ListingRef:
        variation = self.gone.get(sku) or self.simulator.world.variation_of(sku).id
        external = {"variation_id": variation}
        return ListingRef(listing_id=f"listing-{sku}", sku=sku, external=external)

    @override
    async def buy(self, sku: str, units: int = 1) -> str | None:
        return self.simulator.shop.order_online(sku, units)

    @override
    async def shown(self, sku: str) -> int:
        return self.simulator.shop.shown(sku)

    @override
    async def cancel(self, order: str) -> None:
        self.simulator.shop.cancel(order)

    @override
    async def ship(self, order: str) -> None:
        self.simulator.shop.hand_over(order)

    @override
    async def edit(self, sku: str, delta: int) -> None:
        if delta > 0:
            self.simulator.shop.receive(sku, delta)
        else:
            self.simulator.shop.waste(sku, -delta)

    @override
    async def remove(self, sku: str) -> None:
        variation = self.simulator.world.variation_of(sku)
        self.gone[sku] = variation.id
        variation.deleted = True

    @override
    async def twin(self, sku: str) -> None:
        self.simulator.shop.add_item(sku, 1)

    @override
    async def stop_enforcing(self, sku: str) -> None:
        variation = self.simulator.world.variation_of(sku)
        variation.tracked_at[self.simulator.location_id] = False

    @override
    async def revoke_access(self) -> None:
        self.simulator.account.revoked = True

    @override
    async def hide_orders(self, seconds: float) -> None:
        self.simulator.world.search_lag_seconds = seconds

    @override
    async def deliveries(self) -> Sequence[WebhookRequest]:
        return [
            as_request(url, body, headers, self.clock())
            for url, body, headers in self.simulator.deliveries.pending_requests()
        ]

    @override
    def signed(self, body: bytes) -> WebhookRequest:
        signature = base64_hmac_sha256(KEY.encode(), HOOK_URL.encode() + body)
        return as_request(HOOK_URL, body, {SIGNATURE_HEADER: signature}, self.clock())

    @override
    async def lose_subscriptions(self) -> int:
        subscriptions = self.simulator.world.subscriptions
        for one in subscriptions.values():
            one.enabled = False
        return sum(len(one.event_types) for one in subscriptions.values())


class TestSquare(ConnectorContract):
    @override
    def world(self, clock: Clock) -> World:
        return SquareWorld(clock)
