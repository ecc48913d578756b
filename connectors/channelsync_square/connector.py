"""The Square connector: what it declares, and the channels that it opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pydantic import BaseModel

from channelsync.sdk.connector import SDK_VERSION, Channel, ChannelContext, Manifest
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
    ListingRef,
    LoadRates,
    PushSemantics,
    SubscriptionReport,
)
from channelsync_square.api import SquareApi
from channelsync_square.catalogue import PAGE_SIZE, Catalogue
from channelsync_square.feed import LEDGER_PAGE_SIZE, VISIBILITY_LAG_SECONDS, Feed
from channelsync_square.health import SelfTest
from channelsync_square.mirror import Mirror
from channelsync_square.names import Names
from channelsync_square.pushing import BATCH_SIZE, Pushing
from channelsync_square.reading import GROUP_SIZE, Reading
from channelsync_square.settings import Mode, SquareSettings
from channelsync_square.subscriptions import Subscriptions
from channelsync_square.webhooks import Keys, Webhooks

__all__ = ["MANIFEST", "MirrorChannel", "SquareChannel", "SquareConnector", "connector"]

MANIFEST: Final = Manifest(
    name="square",
    title="Square",
    sdk_version=SDK_VERSION,
    push_semantics=PushSemantics.KEYED_DELTA,
    # A till marks an item sold out at 0, and its clerk sells it all the same.
    enforces=Enforces.NONE,
    settings_model=SquareSettings,
    checks=frozenset({Assumption.ENFORCES, Assumption.FEED_COMPLETE, Assumption.READS_BACK}),
    own_hosts=("connect.squareup.com", "connect.squareupsandbox.com"),
    batch_size=BATCH_SIZE,
    batch_atomic=True,
    # Square publishes no limit.
    requests_per_second=5.0,
    confirms_at_once=True,
    raises_without_compare=True,
    # The bytes of a change die by themselves: Square refuses one that occurred a day ago.
    key_life_seconds=86_400.0,
    apply_limit_seconds=60.0,
    # A basket at the till, or a checkout on the seller's site, holds nothing meanwhile.
    quarantine_seconds=300.0,
    read_lag_seconds=5.0,
    clock_skew_seconds=5.0,
    visibility_lag_seconds=VISIBILITY_LAG_SECONDS,
    poll_interval_seconds=60.0,
    quiet_limit_seconds=900.0,
    cancel_effect=CancelEffect.UNSURE,
)


class _Seller(WithCatalogue, WithOrders, WithWebhooks, WithSelfTest):
    """What both modes can do: hear of sales, find offers, test themselves."""

    def __init__(self, context: ChannelContext, settings: SquareSettings) -> None:
        self._settings = settings
        self._api = SquareApi(context, settings)
        catalogue = Catalogue(self._api, settings)
        self._catalogue = catalogue
        self._counts = Reading(self._api, settings, catalogue)
        self._orders = Feed(self._api, settings, Names(self._api, catalogue))
        keys = Keys(settings)
        self._webhooks = Webhooks(settings, keys)
        self._subscriptions = Subscriptions(self._api, settings, keys, context.channel, context.now)
        self._self_test = SelfTest(self._api, settings, keys)

    async def ensure_subscriptions(self, url: str) -> SubscriptionReport:
        """Keep the webhook subscription alive."""
        return await self._subscriptions.ensure_subscriptions(url)


class SquareChannel(WithPushing, WithReading, _Seller):
    """Square's number is this channel's share."""

    def __init__(self, context: ChannelContext, settings: SquareSettings) -> None:
        super().__init__(context, settings)
        self._pushing = Pushing(self._api, settings)
        self._reading = self._counts

    def load_rates(self, listings: int) -> LoadRates:
        """By the rate that we keep to: Square publishes none, and one for all calls."""
        calls = MANIFEST.requests_per_second
        return LoadRates(
            found=PAGE_SIZE * calls,
            # One call tells the variations, one what is counted of them.
            read=GROUP_SIZE * calls / 2,
            # What is written stands in the ledger, which is read.
            written=calls / (1 / BATCH_SIZE + 1 / LEDGER_PAGE_SIZE),
            shared=True,
        )


class MirrorChannel(_Seller):
    """Square's number is what lies in the shop; the share is kept apart here alone."""

    def __init__(self, context: ChannelContext, settings: SquareSettings, shelf: str) -> None:
        super().__init__(context, settings)
        self._shelf = shelf
        self._mirror = Mirror(self._api, settings, self._counts, context.new_id)

    def shelf(self) -> str:
        """Our location whose units are shown."""
        return self._shelf

    async def mirror(self, units: Sequence[tuple[ListingRef, int]]) -> None:
        """Make Square show these units."""
        await self._mirror.show(units)


class SquareConnector:
    """The kind of channel that one location of a Square seller is."""

    @property
    def manifest(self) -> Manifest:
        """What it declares, where Square's number is a share."""
        return MANIFEST

    def manifest_for(self, settings: BaseModel) -> Manifest:
        """What it declares with these settings: a mirrored number grants nothing."""
        if isinstance(settings, SquareSettings) and settings.mode is Mode.MIRROR:
            return replace(MANIFEST, push_semantics=PushSemantics.LIVE)
        return MANIFEST

    async def open(self, context: ChannelContext) -> Channel:
        """Open one location. Needs no network.

        Raises:
            Misconfigured: the settings are another connector's.
        """
        settings = context.settings
        if not isinstance(settings, SquareSettings):
            raise Misconfigured("these are not the settings of a Square channel")
        if settings.mode is Mode.MIRROR and settings.location is not None:
            return MirrorChannel(context, settings, settings.location)
        return SquareChannel(context, settings)


connector: Final = SquareConnector()
