"""The Amazon connector: what it declares, and the channel that it opens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from typing_extensions import override

from channelsync.sdk.connector import SDK_VERSION, ChannelContext, Manifest
from channelsync.sdk.errors import BadDelivery, Misconfigured
from channelsync.sdk.parts import WithCatalogue, WithOrders, WithReading, WithSelfTest
from channelsync.sdk.types import (
    Assumption,
    CancelEffect,
    Change,
    ChangeResult,
    Delivery,
    Enforces,
    LoadRates,
    Parsed,
    Pulled,
    PushKind,
    PushRequest,
    PushSemantics,
    Shipment,
    SubscriptionReport,
)
from channelsync_amazon.api import AmazonApi, Sleep
from channelsync_amazon.catalogue import Catalogue
from channelsync_amazon.feeds import FEED, FEED_MAX, Feeds
from channelsync_amazon.health import SelfTest
from channelsync_amazon.notifications import parse, reduce
from channelsync_amazon.offers import LOOK_MAX, Offers
from channelsync_amazon.orders import Orders
from channelsync_amazon.pushing import Pushing
from channelsync_amazon.queue import Message, Queue
from channelsync_amazon.reading import Fitness, Reading
from channelsync_amazon.settings import AmazonSettings, QueueAddress
from channelsync_amazon.shipping import Shipping
from channelsync_amazon.subscriptions import Subscriptions

__all__ = [
    "MANIFEST",
    "AmazonChannel",
    "AmazonChannelWithQueue",
    "AmazonConnector",
    "connector",
]

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
        # Where documents of feeds are put and fetched: buckets of Amazon's own, by signed URLs.
        "tortuga-prod-na.s3*.amazonaws.com",
        "tortuga-prod-eu.s3*.amazonaws.com",
        "tortuga-prod-fe.s3*.amazonaws.com",
    ),
    batch_size=FEED_MAX,
    # A feed with an offer that may not be written is not sent at all.
    batch_atomic=True,
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
    # One search of orders has a token every 179 seconds, and three polls make four of them.
    poll_interval_seconds=240.0,
    quiet_limit_seconds=1_800.0,
    # Amazon puts cancelled units on sale again, unless the seller names a want of stock.
    cancel_effect=CancelEffect.UNSURE,
)


class AmazonChannel(WithReading, WithCatalogue, WithOrders, WithSelfTest):
    """One open seller account."""

    def __init__(
        self, context: ChannelContext, settings: AmazonSettings, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._sleep = sleep
        api = AmazonApi(context, settings, sleep=sleep)
        self._api = api
        self._feed_above = settings.feed_above
        offers = Offers(api, settings)
        fitness = Fitness(api)
        self._pushing = Pushing(api, settings, offers, fitness)
        self._feeds = Feeds(api, context.http, settings, self._pushing)
        self._reading = Reading(offers, fitness, api)
        self._catalogue = Catalogue(offers, settings)
        self._orders = Orders(api, settings)
        self._shipping = Shipping(api, settings)
        self._self_test = SelfTest(api, settings)

    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        """Fix one request for these changes: a patch of one, a feed of more. Pure."""
        if len(changes) == 1:
            return self._pushing.prepare(changes[0], key=key)
        return self._feeds.prepare(changes, key=key)

    def request_size(self, kinds: Sequence[PushKind]) -> int:
        """One patch a request, unless so much waits that a feed is quicker. Zeros never wait.

        None while Amazon works on the previous feed, unless that takes long.
        """
        urgent = PushKind.ZERO in kinds
        if urgent or self._feed_above is None or len(kinds) <= self._feed_above:
            return 1
        if not self._feeds.allowed:
            # Until Amazon takes a feed again, patches go on and the feed grows.
            return 0 if self._feeds.ends_soon else 1
        return min(len(kinds), FEED_MAX)

    def load_rates(self, listings: int) -> LoadRates:
        """By the usage plans: twenty offers a search, and feeds where they are the quicker way."""
        looked = LOOK_MAX * self._api.bucket("searchListingsItems").per_second
        written = self._api.bucket("patchListingsItem").per_second
        if self._feed_above is not None and listings > self._feed_above:
            written = self._feeds.per_second(listings)
        return LoadRates(found=looked, read=looked, written=written)

    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        """Send exactly these bytes once."""
        if request.operation.partition(" ")[0] == FEED:
            return await self._feeds.push(request)
        return [await self._pushing.push(request, sleep=self._sleep)]

    async def follow(self, request: PushRequest, ticket: str) -> Sequence[ChangeResult] | None:
        """What became of a feed; None while Amazon is not done with it."""
        return await self._feeds.follow(request, ticket)

    async def confirm_shipment(self, shipment: Shipment) -> None:
        """Tell Amazon of one package."""
        await self._shipping.confirm(shipment)


class AmazonChannelWithQueue(AmazonChannel):
    """One open seller account whose notifications come by a queue."""

    def __init__(
        self,
        context: ChannelContext,
        settings: AmazonSettings,
        address: QueueAddress,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(context, settings, sleep=sleep)
        self._seller_id = settings.seller_id
        self._queue = Queue(settings, address)
        self._subscriptions = Subscriptions(self._api, address, context.channel)
        self._manages = settings.manage_subscriptions

    @override
    async def close(self) -> None:
        """Close the client of the queue."""
        await self._queue.close()

    async def pull(self) -> Sequence[Pulled]:
        """What waits in the queue."""
        return [self._pulled(one) for one in await self._queue.receive()]

    def _pulled(self, message: Message) -> Pulled:
        try:
            delivery = reduce(message.body, seller_id=self._seller_id)
        except BadDelivery as error:
            problem = str(error)
            return Pulled(
                receipt=message.receipt, body=message.body, delivery=None, problem=problem
            )
        return Pulled(receipt=message.receipt, body=message.body, delivery=delivery)

    async def acknowledge(self, receipts: Sequence[str]) -> None:
        """Take messages out of the queue for good."""
        await self._queue.delete(receipts)

    def parse(self, delivery: Delivery) -> Parsed:
        """What a stored notification says."""
        return parse(delivery)

    async def ensure_subscriptions(self, url: str) -> SubscriptionReport:
        """Keep Amazon delivering to the queue."""
        if not self._manages:
            return SubscriptionReport()
        return await self._subscriptions.ensure()


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
            Misconfigured: the settings are another connector's, or ask for an extra that is not
                installed.
        """
        if not isinstance(context.settings, AmazonSettings):
            raise Misconfigured("these are not the settings of an Amazon channel")
        address = context.settings.queue
        if address is None:
            return AmazonChannel(context, context.settings, sleep=self._sleep)
        if find_spec("aiobotocore") is None:
            raise Misconfigured("queue_url needs the AWS client: install channelsync[aws]")
        return AmazonChannelWithQueue(context, context.settings, address, sleep=self._sleep)


connector: Final = AmazonConnector()
