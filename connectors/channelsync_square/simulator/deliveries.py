"""Webhook deliveries: signed, at least once, unordered, retried for a day, then dropped.

Square retries for 24 hours and then discards (its "Webhooks overview"); how often within them is
not published, so the pauses are a parameter. The signature covers the subscribed address and the
body; nothing covers the headers.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from channelsync.sdk.signatures import base64_hmac_sha256
from channelsync.sdk.testing.faults import FaultPlan
from channelsync_square.simulator.state import Event, Subscription, World
from channelsync_square.times import iso

__all__ = ["RETRY_PAUSES_SECONDS", "Deliveries", "Parcel"]

RETRY_PAUSES_SECONDS: Final = (60.0, 120.0, 240.0, 480.0, 960.0, 1_920.0, *(3_600.0,) * 22)
"""The schedule that Square once published: doubling from a minute, then hourly."""
ANSWER_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 0.05
TO_EVERYBODY: Final = "webhooks.test_notification"


@dataclass(slots=True)
class Parcel:
    """One event on its way to one subscription, with every copy and retry of it."""

    event: Event
    subscription: Subscription
    first_sent_at: float
    failures: int = 0


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    parcel: Parcel = field(compare=False)


class Deliveries:
    """The outbox of a seller."""

    def __init__(
        self,
        world: World,
        *,
        faults: FaultPlan,
        rng: Random,
        pauses: Sequence[float] = RETRY_PAUSES_SECONDS,
    ) -> None:
        self.client: httpx.AsyncClient | None = None
        """Whoever drives the simulator lends it; without one everything waits."""
        self.delivered = 0
        self.pauses = tuple(pauses)
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
        """Body and headers of a delivery, as Square would send them."""
        event, subscription = parcel.event, parcel.subscription
        data: dict[str, Any] = {"type": event.data_type, "id": event.data_id}
        if event.object is not None:
            data["object"] = event.object
        envelope = {
            "merchant_id": self._world.merchant_id,
            "type": event.type,
            "event_id": event.event_id,
            # Events have up to nine digits after the second.
            "created_at": iso(event.created_at).replace("Z", "006797Z"),
            "data": data,
        }
        body = json.dumps(envelope, separators=(",", ":")).encode()
        signed = subscription.url.encode() + body
        headers = {
            "Content-Type": "application/json",
            "x-square-hmacsha256-signature": base64_hmac_sha256(
                subscription.signature_key.encode(), signed
            ),
            "square-environment": "Production",
            "square-subscription-id": subscription.id,
            "square-initial-delivery-timestamp": iso(parcel.first_sent_at),
        }
        if parcel.failures:
            headers |= {
                "square-retry-number": str(parcel.failures),
                "square-retry-reason": "http_error",
            }
        return body, headers

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

    def pending_requests(self) -> list[tuple[str, bytes, dict[str, str]]]:
        """Take everything that waits, in order, as (URL, body, headers), instead of posting it."""
        taken = []
        while self._due:
            parcel = heapq.heappop(self._due).parcel
            body, headers = self.request_of(parcel)
            taken.append((parcel.subscription.url, body, headers))
        return taken

    def _on_event(self, event: Event) -> None:
        for subscription in list(self._world.subscriptions.values()):
            wanted = event.type in {*subscription.event_types, TO_EVERYBODY}
            if not (wanted and subscription.enabled):
                continue
            now = self._world.now()
            parcel = Parcel(event, subscription, now)
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
        if parcel.failures >= len(self.pauses):
            self._faults.count("delivery_dropped")
            return 0
        pause = self.pauses[parcel.failures]
        parcel.failures += 1
        self._put(parcel, due.at + pause)
        return 0

    async def _post(self, parcel: Parcel) -> bool:
        if self.client is None:
            return False
        body, headers = self.request_of(parcel)
        try:
            response = await self.client.post(
                parcel.subscription.url, content=body, headers=headers, timeout=ANSWER_SECONDS
            )
        except httpx.RequestError:
            return False
        return response.is_success
