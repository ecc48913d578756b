"""A channel put together from parts, one for each capability.

A channel of any size keeps pushing, reading, orders and the rest in classes of their own. Each
class here gives a channel one capability and hands its calls to the part of that name, which the
channel makes when it is opened:

    class AcmeChannel(WithPushing, WithOrders):
        def __init__(self, context: ChannelContext, settings: AcmeSettings) -> None:
            api = AcmeApi(context, settings)
            self._pushing = Pushing(api)
            self._orders = OrderFeed(api)

What a capability promises stands in `channelsync.sdk.connector`. A channel may write any of its
methods itself instead; nothing asks for these classes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from channelsync.sdk.connector import FetchesOrders, Pushes, Reads, ReceivesWebhooks, TestsItself
from channelsync.sdk.types import (
    AssumptionFinding,
    Change,
    ChangeResult,
    CheckResult,
    Delivery,
    Instant,
    ListingRef,
    OfferPage,
    OrderPage,
    Parsed,
    PushRequest,
    RemoteListing,
    RemoteReading,
    WebhookRequest,
)

__all__ = [
    "CataloguePages",
    "Parts",
    "WithCatalogue",
    "WithOrders",
    "WithPushing",
    "WithReading",
    "WithSelfTest",
    "WithWebhooks",
]


class CataloguePages(Protocol):
    """A catalogue that is read page by page."""

    async def offers_page(self, cursor: str | None) -> OfferPage:
        """The page at a cursor of the page before; None: the first one."""

    def whole_catalogue(self, offers: Sequence[RemoteListing]) -> Sequence[RemoteListing]:
        """What the offers of all pages, in their order, come to."""


class Parts:
    """A channel that holds nothing of its own."""

    async def close(self) -> None:
        """Nothing is held: the HTTP client belongs to the host."""


class WithPushing(Parts):
    """Writes quantities by its `_pushing`."""

    _pushing: Pushes

    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        """Fix one request for these changes. Pure."""
        return self._pushing.prepare(changes, key=key)

    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        """Send exactly these bytes once."""
        return await self._pushing.push(request)


class WithReading(Parts):
    """Reads quantities back by its `_reading`."""

    _reading: Reads

    async def read(self, listings: Sequence[ListingRef]) -> Sequence[RemoteReading]:
        """One reading for every listing."""
        return await self._reading.read(listings)


class WithCatalogue(Parts):
    """Finds offers by its `_catalogue`, in pages or all at once."""

    _catalogue: CataloguePages

    async def offers_page(self, cursor: str | None) -> OfferPage:
        """A part of the catalogue."""
        return await self._catalogue.offers_page(cursor)

    def whole_catalogue(self, offers: Sequence[RemoteListing]) -> Sequence[RemoteListing]:
        """One listing for each that the pages come to."""
        return self._catalogue.whole_catalogue(offers)

    async def listings(self) -> AsyncIterator[RemoteListing]:
        """Every offer, unfit ones with the reason: all pages, then the whole of them."""
        page = await self._catalogue.offers_page(None)
        found = list(page.offers)
        while page.cursor is not None:
            page = await self._catalogue.offers_page(page.cursor)
            found += page.offers
        for one in self._catalogue.whole_catalogue(found):
            yield one


class WithOrders(Parts):
    """Polls orders by its `_orders`."""

    _orders: FetchesOrders

    def first_cursor(self, since: Instant) -> str:
        """A cursor for every order unshipped at `since` or changed after."""
        return self._orders.first_cursor(since)

    async def orders_since(self, cursor: str) -> OrderPage:
        """The next page of orders."""
        return await self._orders.orders_since(cursor)

    async def orders_by_id(self, order_ids: Sequence[str]) -> OrderPage:
        """The current state of some orders."""
        return await self._orders.orders_by_id(order_ids)


class WithWebhooks(Parts):
    """Understands webhooks by its `_webhooks`."""

    _webhooks: ReceivesWebhooks

    def verify_webhook(self, request: WebhookRequest) -> Delivery:
        """Authenticate and reduce a webhook."""
        return self._webhooks.verify_webhook(request)

    def parse(self, delivery: Delivery) -> Parsed:
        """What a stored delivery says. Pure."""
        return self._webhooks.parse(delivery)


class WithSelfTest(Parts):
    """Checks itself by its `_self_test`."""

    _self_test: TestsItself

    async def test(self) -> Sequence[CheckResult]:
        """Check credentials, rights and whatever the channel needs."""
        return await self._self_test.test()

    async def check_assumptions(self) -> Sequence[AssumptionFinding]:
        """Channel-wide findings."""
        return await self._self_test.check_assumptions()
