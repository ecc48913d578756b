"""Webhook deliveries: signed, at least once, unordered, retried, and given up on.

Shopify retries a failed delivery eight times over four hours with the first payload, then deletes
an API-made subscription (shopify.dev, "Troubleshooting webhooks"). The pauses are shorter here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Final

from typing_extensions import override

from channelsync.sdk.signatures import base64_hmac_sha256
from channelsync.sdk.testing import outbox
from channelsync.sdk.testing.faults import FaultPlan
from channelsync_shopify.simulator.bodies import body_of_event
from channelsync_shopify.simulator.state import Event, Subscription, World
from channelsync_shopify.times import iso

__all__ = ["Deliveries", "Parcel"]

RETRY_PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
ANSWER_SECONDS: Final = 5.0


@dataclass(slots=True, kw_only=True)
class Parcel(outbox.Parcel):
    """One delivery of one event to one subscription."""

    event: Event
    subscription: Subscription
    webhook_id: str
    triggered_at: float
    body: bytes | None = None
    """Made when the first copy leaves: the state then, not that of the event."""


class Deliveries(outbox.Outbox[Parcel]):
    """The outbox of a shop."""

    def __init__(self, world: World, *, secret: str, faults: FaultPlan, rng: Random) -> None:
        super().__init__(
            now=world.now,
            faults=faults,
            rng=rng,
            pauses=RETRY_PAUSES_SECONDS,
            answer_seconds=ANSWER_SECONDS,
        )
        self.secret = secret
        self._world = world
        world.listeners.append(self._on_event)

    @override
    def address_of(self, parcel: Parcel) -> str:
        return parcel.subscription.uri

    @override
    def request_of(self, parcel: Parcel) -> tuple[bytes, dict[str, str]]:
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

    @override
    def give_up(self, parcel: Parcel) -> None:
        self._world.subscriptions.pop(parcel.subscription.number, None)
        self._faults.count("subscription_deleted")

    def _on_event(self, event: Event) -> None:
        wanted = event.topic.replace("/", "_").upper()
        for subscription in list(self._world.subscriptions.values()):
            if subscription.topic != wanted:
                continue
            self.send(
                Parcel(
                    event=event,
                    subscription=subscription,
                    webhook_id=f"webhook-{self._world.number()}",
                    triggered_at=self._world.now(),
                )
            )
