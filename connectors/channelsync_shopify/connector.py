"""The Shopify connector: what it declares, and the channel that it opens."""

from __future__ import annotations

import asyncio
from typing import Final

from channelsync.sdk.connector import SDK_VERSION, ChannelContext, Manifest
from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.parts import (
    WithCatalogue,
    WithOrders,
    WithPushing,
    WithReading,
    WithSelfTest,
    WithWebhooks,
)
from channelsync.sdk.types import (
    Assumption,
    CancelEffect,
    Enforces,
    LoadRates,
    PushSemantics,
    SubscriptionReport,
)
from channelsync_shopify.api import ShopifyApi, Sleep
from channelsync_shopify.catalogue import PAGE_SIZE, Discovery
from channelsync_shopify.documents import ADJUST, LEVELS, VARIANTS
from channelsync_shopify.health import SelfTest
from channelsync_shopify.orders import VISIBILITY_LAG_SECONDS, Orders
from channelsync_shopify.places import Places
from channelsync_shopify.pushing import BATCH_SIZE, Pushing
from channelsync_shopify.reading import ITEMS_MAX, Reading
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.subscriptions import Subscriptions
from channelsync_shopify.webhooks import Webhooks

__all__ = ["MANIFEST", "ShopifyChannel", "ShopifyConnector", "connector"]

MANIFEST: Final = Manifest(
    name="shopify",
    title="Shopify",
    sdk_version=SDK_VERSION,
    push_semantics=PushSemantics.KEYED_COMPARE_AND_SET,
    enforces=Enforces.STRICT,
    settings_model=ShopifySettings,
    checks=frozenset({Assumption.ENFORCES, Assumption.FEED_COMPLETE, Assumption.READS_BACK}),
    own_hosts=("*.myshopify.com",),
    batch_size=BATCH_SIZE,
    batch_atomic=True,
    # The shop's budget of query cost is what counts; this many mutations of 10 points a second are
    # all that the smallest plan pays for.
    requests_per_second=10.0,
    confirms_at_once=True,
    raises_without_compare=True,
    key_life_seconds=86_400.0,
    apply_limit_seconds=60.0,
    # Checkout holds last "several minutes" (shopify.engineering) and show in no field.
    quarantine_seconds=1_800.0,
    clock_skew_seconds=5.0,
    visibility_lag_seconds=VISIBILITY_LAG_SECONDS,
    poll_interval_seconds=60.0,
    quiet_limit_seconds=900.0,
    cancel_effect=CancelEffect.UNSURE,
)


class ShopifyChannel(
    WithPushing, WithReading, WithCatalogue, WithOrders, WithWebhooks, WithSelfTest
):
    """One open shop: every capability of the sdk but telling live numbers."""

    def __init__(
        self, context: ChannelContext, settings: ShopifySettings, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        api = ShopifyApi(context, settings, sleep=sleep)
        places = Places(api, context.now, settings.location_id)
        self._api = api
        self._pushing = Pushing(api, settings, context.now)
        self._reading = Reading(api, settings, places)
        self._catalogue = Discovery(api, settings)
        self._orders = Orders(api, settings)
        self._webhooks = Webhooks(settings)
        self._subscriptions = Subscriptions(api, context.channel)
        self._self_test = SelfTest(api, settings, places)

    def load_rates(self, listings: int) -> LoadRates:
        """By the shop's budget of query cost."""
        calls = self._api.bucket.calls_per_second
        return LoadRates(
            found=PAGE_SIZE * calls(VARIANTS.name, most=MANIFEST.requests_per_second),
            read=ITEMS_MAX * calls(LEVELS.name, most=MANIFEST.requests_per_second),
            written=BATCH_SIZE * calls(ADJUST.name, most=MANIFEST.requests_per_second),
            shared=True,
        )

    async def ensure_subscriptions(self, url: str) -> SubscriptionReport:
        """Keep the webhook subscriptions alive."""
        return await self._subscriptions.ensure_subscriptions(url)


class ShopifyConnector:
    """The kind of channel that a Shopify shop is. `sleep` is how reads wait for their budget."""

    def __init__(self, *, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep

    @property
    def manifest(self) -> Manifest:
        """What it declares."""
        return MANIFEST

    async def open(self, context: ChannelContext) -> ShopifyChannel:
        """Open one shop. Needs no network.

        Raises:
            Misconfigured: the settings are another connector's.
        """
        if not isinstance(context.settings, ShopifySettings):
            raise Misconfigured("these are not the settings of a Shopify channel")
        return ShopifyChannel(context, context.settings, sleep=self._sleep)


connector: Final = ShopifyConnector()
