"""What every till can do: tell us of its sales, by webhook or in batches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.errors import BadDelivery, Unauthentic
from channelsync.sdk.signatures import matches_any
from channelsync.sdk.types import Delivery, Parsed, WebhookRequest
from channelsync_pos.mapping import Mapping as EventMapping
from channelsync_pos.settings import TillSettings
from channelsync_pos.webhooks import authenticate, reduce, reduce_webhook
from channelsync_pos.wire import SALE, read_event

__all__ = ["Till"]


class Till:
    """What every till can do: tell us of its sales, by webhook or in batches."""

    def __init__(self, context: ChannelContext, settings: TillSettings) -> None:
        self._context = context
        self._settings = settings
        self._secrets = settings.secrets
        self._mapping = EventMapping(settings.location)

    async def close(self) -> None:
        """Nothing to let go of: the client is the host's."""

    # ------------------------------------------------------------ what it tells

    def verify_webhook(self, request: WebhookRequest) -> Delivery:
        """Authenticate a Standard Webhooks request, then reduce its event to the whitelist."""
        return reduce_webhook(request, self._secrets)

    def parse(self, delivery: Delivery) -> Parsed:
        """What a stored event says."""
        return self._mapping.parsed(read_event(delivery.topic, delivery.reduced))

    def authenticate(self, request: WebhookRequest) -> None:
        """Prove a request by its API key, or else by a signature like a webhook's."""
        key = self._settings.api_key
        if key is None or "authorization" not in request.headers:
            authenticate(request, self._secrets)
            return
        expected = f"Bearer {key.get_secret_value()}"
        if not matches_any(request.headers["authorization"], [expected]):
            raise Unauthentic("the bearer token does not match: check api_key on both sides")

    def accept_sale(self, data: Mapping[str, Any]) -> Delivery:
        """One object of a batch: an event's data, with its `type` unless it is a sale."""
        kind = data.get("type", SALE)
        if not isinstance(kind, str):
            raise BadDelivery("type: write it as text, or leave it out for a sale")
        event = read_event(kind, data)
        delivery = reduce(kind, event, dedupe_key="", received_at=self._context.now())
        content = json.dumps([kind, delivery.reduced], sort_keys=True).encode()
        digest = hashlib.sha256(content).hexdigest()[:16]
        key = f"row/{event.register_id}/{event.sequence}:{digest}"
        return Delivery(dedupe_key=key, topic=kind, reduced=delivery.reduced)

    def parse_batch(self, data: Mapping[str, Any]) -> Parsed:
        """What one object of a batch says."""
        return self.parse(self.accept_sale(data))
