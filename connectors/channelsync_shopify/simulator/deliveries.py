"""Webhook deliveries: signed, at least once, unordered, retried, and given up on.

Shopify retries a failed delivery eight times over four hours with the first payload, then deletes
an API-made subscription (shopify.dev, "Troubleshooting webhooks"). The pauses are shorter here.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from channelsync.sdk.signatures import base64_hmac_sha256
from channelsync.sdk.testing.faults import FaultPlan
from channelsync_shopify.simulator.bodies import body_of_event
from channelsync_shopify.simulator.state import Event, Subscription, World
from channelsync_shopify.times import iso

__all__ = ["Deliveries", "Parcel"]

RETRY_PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
ANSWER_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 0.05


@dataclass(slots=True)
class Parcel:
    """One delivery of one event to one subscription, with every copy and retry of it."""

    event: Event
    subscription: Subscription
    webhook_id: str
    triggered_at: float
    body: bytes | None = None
    """Made when the first copy leaves: the state then, not that of the event."""
    failures: int = 0


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    parcel: Parcel = field(compare=False)


class Deliveries:
    """The outbox of a shop."""

    def __init__(self, world: World, *, secret: str, faults: FaultPlan, rng: Random) -> None:
        self.secret = secret
        self.client: httpx.AsyncClient | None = None
        """Whoever drives the simulator lends it; without one everything waits."""
        self.delivered = 0
        self._world = world
        self._faults = faults
        self._rng = rng
        self._due: list[_Due] = []
        world.listeners.append(self._on_event)

    @property
    def waiting(self) -> int:
        """Copies that are still to leave."""
        return len(self._due)

    def request_of(self, parcel: Parcel) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a delivery, as Shopify would send them."""
        world = self._world
        if parcel.body is None:
            parcel.body = json.dumps(body_of_event(parcel.event, world.shop)).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": parcel.event.topic,
            "X-Shopify-Hmac-Sha256": base64_hmac_sha256(self.secret.encode(), parcel.body),
            "X-Shopify-Shop-Domain": world.shop,
            "X-Shopify-API-Version": "2026-10",
            "X-Shopify-Webhook-Id": parcel.webhook_id,
            "X-Shopify-Event-Id": parcel.event.event_id,
            "X-Shopify-Triggered-At": iso(parcel.triggered_at),
            "X-Shopify-Name": parcel.subscription.name or "",
        }
        return parcel.body, headers

    async def drain(self) -> int:
        """Deliver everything that waits, retries included, in the order that it falls due.

        Returns how many copies were accepted. Time does not pass: pauses only order.
        """
        accepted = 0
        while self._due:
            accepted += await self._attempt(heapq.heappop(self._due))
        return accepted

    async def deliver_due(self) -> None:
        """Deliver what is due by the simulator's own clock."""
        while self._due and self._due[0].at <= self._world.now():
            await self._attempt(heapq.heappop(self._due))

    async def run(self) -> None:
        """Deliver as things fall due, for ever."""
        while True:
            now = self._world.now()
            if self._due and self._due[0].at <= now and self.client is not None:
                await self._attempt(heapq.heappop(self._due))
            else:
                wait = self._due[0].at - now if self._due else IDLE_SECONDS
                await asyncio.sleep(min(max(wait, 0.0), IDLE_SECONDS))

    def _on_event(self, event: Event) -> None:
        wanted = event.topic.replace("/", "_").upper()
        for subscription in list(self._world.subscriptions.values()):
            if subscription.topic != wanted:
                continue
            number = self._world.number()
            now = self._world.now()
            parcel = Parcel(event, subscription, f"webhook-{number}", now)
            delays = self._faults.deliveries.draw(self._rng)
            if len(delays) != 1:
                self._faults.count("delivery_doubled" if delays else "delivery_lost")
            for delay in delays:
                self._put(parcel, now + delay)

    def _put(self, parcel: Parcel, at: float) -> None:
        heapq.heappush(self._due, _Due(at, self._world.number(), parcel))

    async def _attempt(self, due: _Due) -> int:
        parcel = due.parcel
        if await self._post(parcel):
            self.delivered += 1
            return 1
        if parcel.failures >= len(RETRY_PAUSES_SECONDS):
            self._world.subscriptions.pop(parcel.subscription.number, None)
            self._faults.count("subscription_deleted")
            return 0
        pause = RETRY_PAUSES_SECONDS[parcel.failures]
        parcel.failures += 1
        self._put(parcel, due.at + pause)
        return 0

    async def _post(self, parcel: Parcel) -> bool:
        if self.client is None:
            return False
        body, headers = self.request_of(parcel)
        try:
            response = await self.client.post(
                parcel.subscription.uri, content=body, headers=headers, timeout=ANSWER_SECONDS
            )
        except httpx.RequestError:
            return False
        return response.is_success

    def pending_requests(self) -> list[tuple[str, bytes, dict[str, Any]]]:
        """Take everything that waits, in order, as (URL, body, headers), instead of posting it."""
        taken = []
        while self._due:
            parcel = heapq.heappop(self._due).parcel
            body, headers = self.request_of(parcel)
            taken.append((parcel.subscription.uri, body, headers))
        return taken
