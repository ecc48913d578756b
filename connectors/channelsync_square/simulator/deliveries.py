"""Webhook deliveries: signed, at least once, unordered, retried for a day, then dropped.

Square retries for 24 hours and then discards (its "Webhooks overview"); how often within them is
not published, so the pauses are a parameter. The signature covers the subscribed address and the
body; nothing covers the headers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from typing_extensions import override

from channelsync.sdk.signatures import base64_hmac_sha256
from channelsync.sdk.testing import outbox
from channelsync.sdk.testing.faults import FaultPlan
from channelsync_square.simulator.state import Event, Subscription, World
from channelsync_square.times import iso

__all__ = ["RETRY_PAUSES_SECONDS", "Deliveries", "Parcel"]

RETRY_PAUSES_SECONDS: Final = (60.0, 120.0, 240.0, 480.0, 960.0, 1_920.0, *(3_600.0,) * 22)
"""The schedule that Square once published: doubling from a minute, then hourly."""
ANSWER_SECONDS: Final = 10.0
TO_EVERYBODY: Final = "webhooks.test_notification"


@dataclass(slots=True, kw_only=True)
class Parcel(outbox.Parcel):
    """One event on its way to one subscription."""

    event: Event
    subscription: Subscription
    first_sent_at: float


class Deliveries(outbox.Outbox[Parcel]):
    """The outbox of a seller."""

    def __init__(
        self,
        world: World,
        *,
        faults: FaultPlan,
        rng: Random,
        pauses: Sequence[float] = RETRY_PAUSES_SECONDS,
    ) -> None:
        super().__init__(
            now=world.now, faults=faults, rng=rng, pauses=pauses, answer_seconds=ANSWER_SECONDS
        )
        self._world = world
        world.listeners.append(self._on_event)

    @override
    def address_of(self, parcel: Parcel) -> str:
        return parcel.subscription.url

    @override
    def request_of(self, parcel: Parcel) -> tuple[bytes, dict[str, str]]:
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

    @override
    def give_up(self, parcel: Parcel) -> None:
        self._faults.count("delivery_dropped")

    def _on_event(self, event: Event) -> None:
        for subscription in list(self._world.subscriptions.values()):
            wanted = event.type in {*subscription.event_types, TO_EVERYBODY}
            if wanted and subscription.enabled:
                self.send(
                    Parcel(event=event, subscription=subscription, first_sent_at=self._world.now())
                )
