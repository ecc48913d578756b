"""Keeping webhook subscriptions alive.

Shopify deletes a subscription whose deliveries failed too often, silently; so they are listed,
mended and listed again on a schedule (shopify.dev, "Troubleshooting webhooks").
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.types import SubscriptionReport
from channelsync_shopify.answers import shortened
from channelsync_shopify.api import ShopifyApi
from channelsync_shopify.documents import HOOK, HOOKS, UNHOOK
from channelsync_shopify.webhooks import TOPICS
from channelsync_shopify.wire import (
    Complaint,
    CreatedHook,
    DeletedHook,
    Hook,
    HooksAnswer,
    understood,
)

__all__ = ["Subscriptions", "enum_of", "topic_of"]

CHANNEL_LENGTH_MAX: Final = 14
"""Leaves room for the longest topic within the 50 characters of a subscription's name."""


def enum_of(topic: str) -> str:
    """`orders/create` as the API names it: `ORDERS_CREATE`."""
    return topic.replace("/", "_").upper()


BY_ENUM: Final = {enum_of(topic): topic for topic in TOPICS}


def topic_of(enum: str) -> str:
    """The way back, for topics of ours; others stay as they are."""
    return BY_ENUM.get(enum, enum)


class Subscriptions:
    """Lists and mends the shop's subscriptions of one channel."""

    def __init__(self, api: ShopifyApi, channel: str) -> None:
        self._api = api
        prefix = _name_prefix(channel)
        self._names = {topic: prefix + topic.replace("/", "-") for topic in TOPICS}

    async def ensure_subscriptions(self, url: str) -> SubscriptionReport:
        """Make Shopify deliver every topic of ours to `url`, once.

        Subscriptions that bear our name but point elsewhere, or twice to the same place, are
        removed. Others' subscriptions stay untouched.

        Raises:
            Misconfigured: Shopify does not accept a subscription; the message says which and why.
            ConnectorError: the list could not be read or mended now.
        """
        kept: dict[str, Hook] = {}
        superfluous: list[Hook] = []
        for hook in await self._all():
            here = hook.uri == url and hook.topic in BY_ENUM
            if here and hook.topic not in kept:
                kept[hook.topic] = hook
            elif self._is_ours(hook):
                superfluous.append(hook)
        missing = [topic for enum, topic in BY_ENUM.items() if enum not in kept]
        # What is missing comes first, so that no topic is without a subscription meanwhile.
        for topic in missing:
            await self._create(topic, url)
        for hook in superfluous:
            await self._remove(hook)
        return SubscriptionReport(
            kept=tuple(sorted(topic_of(enum) for enum in kept)),
            created=tuple(sorted(missing)),
            removed=tuple(sorted(topic_of(hook.topic) for hook in superfluous)),
        )

    def _is_ours(self, hook: Hook) -> bool:
        return hook.name in self._names.values()

    async def _all(self) -> Sequence[Hook]:
        found: list[Hook] = []
        after: str | None = None
        while True:
            answer = await self._api.read(HOOKS, {"after": after})
            page = understood(HooksAnswer, answer).webhook_subscriptions
            found += page.nodes
            if not page.page_info.has_next_page:
                return found
            after = page.page_info.end_cursor

    async def _create(self, topic: str, url: str) -> None:
        subscription = {"uri": url, "format": "JSON", "name": self._names[topic]}
        answer = await self._api.read(HOOK, {"topic": enum_of(topic), "sub": subscription})
        errors = understood(CreatedHook, answer).webhook_subscription_create.user_errors
        _require_none(errors, f"no webhooks of {topic} to {url}")

    async def _remove(self, hook: Hook) -> None:
        answer = await self._api.read(UNHOOK, {"id": hook.id})
        errors = understood(DeletedHook, answer).webhook_subscription_delete.user_errors
        # Somebody else may have removed it meanwhile, which is just as well.
        gone = all("not" in error.message.lower() for error in errors)
        _require_none(() if gone else errors, f"subscription {hook.id} cannot be removed")


def _name_prefix(channel: str) -> str:
    """Begins the names of a channel's subscriptions: letters, digits, `-` and `_` only."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", channel)
    if plain != channel or len(plain) > CHANNEL_LENGTH_MAX:
        digest = hashlib.sha256(channel.encode()).hexdigest()[:4]
        plain = f"{plain[: CHANNEL_LENGTH_MAX - 5]}-{digest}"
    return f"cs-{plain}-"


def _require_none(errors: Sequence[Complaint], what: str) -> None:
    if errors:
        words = "; ".join(shortened(error.message) for error in errors)
        raise Misconfigured(f"{what}: {words}")
