"""The Amazon connector: what it declares, and the channel that it opens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from channelsync.sdk.connector import SDK_VERSION, ChannelContext, Manifest
from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.types import (
    Assumption,
    AssumptionFinding,
    CancelEffect,
    Change,
    ChangeResult,
    CheckResult,
    Enforces,
    Instant,
    ListingRef,
    OrderPage,
    PushRequest,
    PushSemantics,
    RemoteListing,
    RemoteReading,
)
from channelsync_amazon.api import AmazonApi, Sleep
from channelsync_amazon.catalogue import Discovery
from channelsync_amazon.health import SelfTest
from channelsync_amazon.offers import Offers
from channelsync_amazon.orders import Orders
from channelsync_amazon.pushing import Pushing
from channelsync_amazon.reading import Fitness, Reading
from channelsync_amazon.settings import AmazonSettings

__all__ = ["MANIFEST", "AmazonChannel", "AmazonConnector", "connector"]

MANIFEST: Final = Manifest(
    name="amazon",
    title="Amazon",
    sdk_version=SDK_VERSION,
    push_semantics=PushSemantics.ABSOLUTE,
    enforces=Enforces.STRICT,
    settings_model=AmazonSettings,
    checks=frozenset({Assumption.ENFORCES, Assumption.READS_BACK}),
    own_hosts=(
        "sellingpartnerapi-na.amazon.com",
        "sellingpartnerapi-eu.amazon.com",
        "sellingpartnerapi-fe.amazon.com",
        "sandbox.sellingpartnerapi-na.amazon.com",
        "sandbox.sellingpartnerapi-eu.amazon.com",
        "sandbox.sellingpartnerapi-fe.amazon.com",
        "api.amazon.com",
        "sqs.*.amazonaws.com",
    ),
    # Every operation has a plan of its own (`buckets`); this one only bounds all of them together.
    requests_per_second=20.0,
    confirms_at_once=False,
    # Amazon documents no bound. Seconds to minutes are usual; the channel's own
    # apply_limit_seconds may be longer, and a violation is an alarm.
    apply_limit_seconds=900.0,
    # A sale takes its units when the order is placed: no checkout holds any.
    quarantine_seconds=0.0,
    read_lag_seconds=30.0,
    clock_skew_seconds=5.0,
    visibility_lag_seconds=300.0,
    # One search of orders has a token every 179 seconds.
    poll_interval_seconds=180.0,
    quiet_limit_seconds=1_800.0,
    # Amazon puts cancelled units on sale again, unless the seller names a want of stock.
    cancel_effect=CancelEffect.UNSURE,
)


class AmazonChannel:
    """One open seller account."""

    def __init__(
        self, context: ChannelContext, settings: AmazonSettings, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._sleep = sleep
        api = AmazonApi(context, settings, sleep=sleep)
        offers = Offers(api, settings)
        fitness = Fitness(api)
        self._pushing = Pushing(api, settings, offers, fitness)
        self._reading = Reading(offers, fitness, api)
        self._discovery = Discovery(offers)
        self._orders = Orders(api, settings)
        self._self_test = SelfTest(api, settings)

    async def close(self) -> None:
        """Nothing is held: the HTTP client belongs to the host."""

    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        """Fix one request for these changes. Pure."""
        [change] = changes
        return self._pushing.prepare(change, key=key)

    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        """Send exactly these bytes once."""
        return [await self._pushing.push(request, sleep=self._sleep)]

    async def read(self, listings: Sequence[ListingRef]) -> Sequence[RemoteReading]:
        """One reading for every listing."""
        return await self._reading.read(listings)

    def listings(self) -> AsyncIterator[RemoteListing]:
        """Every offer of the account."""
        return self._discovery.listings()

    def first_cursor(self, since: Instant) -> str:
        """A cursor for every order unshipped at `since` or changed after."""
        return self._orders.first_cursor(since)

    async def orders_since(self, cursor: str) -> OrderPage:
        """The next page of orders."""
        return await self._orders.orders_since(cursor)

    async def orders_by_id(self, order_ids: Sequence[str]) -> OrderPage:
        """The current state of some orders."""
        return await self._orders.orders_by_id(order_ids)

    async def test(self) -> Sequence[CheckResult]:
        """Check credentials, roles and marketplaces."""
        return await self._self_test.test()

    async def check_assumptions(self) -> Sequence[AssumptionFinding]:
        """Channel-wide findings."""
        return await self._self_test.check_assumptions()


class AmazonConnector:
    """The kind of channel that an Amazon seller account is. `sleep` is how calls wait."""

    def __init__(self, *, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep

    @property
    def manifest(self) -> Manifest:
        """What it declares."""
        return MANIFEST

    async def open(self, context: ChannelContext) -> AmazonChannel:
        """Open one account. Needs no network.

        Raises:
            Misconfigured: the settings are another connector's.
        """
        if not isinstance(context.settings, AmazonSettings):
            raise Misconfigured("these are not the settings of an Amazon channel")
        return AmazonChannel(context, context.settings, sleep=self._sleep)


connector: Final = AmazonConnector()
