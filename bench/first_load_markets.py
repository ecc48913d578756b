"""A marketplace of many offers at its own limits, and what was asked of it over the wire."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from urllib.parse import unquote

import httpx
from pydantic import BaseModel
from typing_extensions import override

from bench.first_load_limits import Batches
from channelsync_amazon.buckets import PLANS
from channelsync_amazon.connector import AmazonConnector
from channelsync_amazon.feeds import FEED_TAKEN_MAX
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.simulator import AmazonSimulator
from channelsync_shopify.connector import ShopifyConnector
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.simulator import ShopifySimulator
from channelsync_square.connector import SquareConnector
from channelsync_square.settings import SquareSettings
from channelsync_square.simulator import SquareSimulator

__all__ = ["MARKETS", "Market"]

MADE_PER_SECOND: Final = 10
"""Offers that the merchant made in one second, a month ago: Amazon is searched by that date."""
MONTH_SECONDS: Final = 30 * 86_400.0


@dataclass(slots=True, kw_only=True)
class Market:
    """One marketplace with its offers."""

    name: str
    connector: Any
    settings: BaseModel
    transport: httpx.AsyncBaseTransport
    shown: Callable[[str], int]
    """What shoppers see of a SKU."""
    written_in: Callable[[httpx.Request], Iterable[str]]
    """Offers whose quantity a request writes, by whatever the marketplace calls them."""
    batches: Batches | None = None
    """How it works on what is written, where that is not done when it answers."""
    requests: Counter[str] = field(default_factory=Counter)
    """By what they asked."""
    written: Counter[str] = field(default_factory=Counter)
    """How often the quantity of each offer was written."""

    def counted(self) -> httpx.AsyncBaseTransport:
        """The way in, under the eyes of somebody who counts."""
        return _Counting(self)


class _Counting(httpx.AsyncBaseTransport):
    def __init__(self, market: Market) -> None:
        self._market = market

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        market = self._market
        written = list(market.written_in(request))
        market.requests["write" if written else "other"] += 1
        market.written.update(written)
        return await market.transport.handle_async_request(request)


def _amazon(names: Sequence[str], now: Callable[[], float]) -> Market:
    amazon = AmazonSimulator(now=now, rng=Random(1))
    born = now() - MONTH_SECONDS
    for number, sku in enumerate(names):
        amazon.seller.add_offer(sku, created_at=born + number // MADE_PER_SECOND)
    return Market(
        name="amazon",
        connector=AmazonConnector(),
        settings=AmazonSettings.model_validate(amazon.settings()),
        transport=amazon.transport(),
        shown=amazon.seller.live,
        written_in=_written_at_amazon,
        batches=Batches(
            size_max=FEED_TAKEN_MAX,
            seconds_min=amazon.feeds.seconds[0],
            singles_per_second=PLANS["patchListingsItem"].per_second,
        ),
    )


def _written_at_amazon(request: httpx.Request) -> Iterable[str]:
    if request.method == "PATCH":
        yield unquote(request.url.raw_path.decode().partition("?")[0].rsplit("/", 1)[-1])
    elif request.method == "PUT":
        yield from (message["sku"] for message in json.loads(request.content)["messages"])


def _shopify(names: Sequence[str], now: Callable[[], float]) -> Market:
    shopify = ShopifySimulator(now=now, rng=Random(1))
    for sku in names:
        shopify.shop.add_item(sku)
    settings = {
        "shop": shopify.world.shop,
        "location_id": shopify.location_id,
        "webhook_secret": shopify.deliveries.secret,
        "access_token": shopify.account.access_token,
    }
    return Market(
        name="shopify",
        connector=ShopifyConnector(),
        settings=ShopifySettings.model_validate(settings),
        transport=shopify.transport(),
        shown=shopify.shop.available,
        written_in=_written_at_shopify,
    )


def _written_at_shopify(request: httpx.Request) -> Iterable[str]:
    given = json.loads(request.content or b"{}").get("variables", {}).get("input")
    if isinstance(given, dict):
        for entry in given.get("changes") or given.get("quantities") or ():
            yield entry["inventoryItemId"]


def _square(names: Sequence[str], now: Callable[[], float]) -> Market:
    square = SquareSimulator(now=now, rng=Random(1))
    shop = square.shop
    made = {sku: shop.add_item(sku) for sku in names}
    settings = {
        "access_token": square.account.access_token,
        "location_id": square.location_id,
        "application_token": square.account.application_token,
        "location": "dc",
    }
    return Market(
        name="square",
        connector=SquareConnector(),
        settings=SquareSettings.model_validate(settings),
        transport=square.transport(),
        shown=lambda sku: shop.books.shown(made[sku], shop.place),
        written_in=_written_at_square,
    )


def _written_at_square(request: httpx.Request) -> Iterable[str]:
    if request.url.path.endswith("/changes/batch-create"):
        for change in json.loads(request.content)["changes"]:
            yield change["adjustment"]["catalog_object_id"]


MARKETS: Final = {"amazon": _amazon, "shopify": _shopify, "square": _square}
