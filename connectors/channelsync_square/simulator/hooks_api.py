"""The endpoints of webhook subscriptions."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from channelsync_square.simulator.bodies import subscription_body
from channelsync_square.simulator.refusals import Refusal
from channelsync_square.simulator.state import Subscription, World

__all__ = ["HooksApi"]

KEY_LENGTH_MAX: Final = 45


class HooksApi:
    """Lists, makes, removes and tests subscriptions."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._made: dict[str, dict[str, Any]] = {}

    def list(self) -> dict[str, Any]:
        """`GET /v2/webhooks/subscriptions`."""
        return {"subscriptions": [subscription_body(s) for s in self._world.subscriptions.values()]}

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`POST /v2/webhooks/subscriptions`. The answer holds the key that will sign."""
        key = body.get("idempotency_key")
        if key is not None and len(str(key)) > KEY_LENGTH_MAX:
            raise Refusal(400, "VALUE_TOO_LONG", "idempotency_key")
        wanted = body.get("subscription") or {}
        if not wanted.get("notification_url"):
            raise Refusal(400, "MISSING_REQUIRED_PARAMETER", "subscription.notification_url")
        if key in self._made:
            # As it was answered then, whatever became of it.
            return {"subscription": self._made[key]}
        made = Subscription(
            id=self._world.identifier("wbhk_"),
            name=str(wanted.get("name") or ""),
            url=str(wanted["notification_url"]),
            event_types=tuple(wanted.get("event_types") or ()),
            api_version=str(wanted.get("api_version") or ""),
            signature_key=f"key-{self._rng.getrandbits(96):024x}",
            created_at=self._world.now(),
        )
        self._world.subscriptions[made.id] = made
        if key is not None:
            self._made[str(key)] = subscription_body(made)
        return {"subscription": subscription_body(made)}

    def delete(self, subscription_id: str) -> dict[str, Any]:
        """`DELETE /v2/webhooks/subscriptions/{id}`."""
        if self._world.subscriptions.pop(subscription_id, None) is None:
            raise Refusal(404, "NOT_FOUND", "subscription_id")
        return {}

    def test(self, subscription_id: str) -> dict[str, Any]:
        """`POST /v2/webhooks/subscriptions/{id}/test`."""
        if subscription_id not in self._world.subscriptions:
            raise Refusal(404, "NOT_FOUND", "subscription_id")
        self._world.tell(
            "webhooks.test_notification", "webhooks", self._world.identifier("test-"), None
        )
        return {"subscription_test_result": {"status_code": 200}}
