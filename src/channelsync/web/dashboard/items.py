"""The page of one item: what there is, who may sell it, why, and what happened last."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from channelsync.domain.permissions import Reach
from channelsync.engine.browse import Rows, Wanted, levels_page, listings_page
from channelsync.engine.core import Engine
from channelsync.engine.explain import Explanation, explain
from channelsync.engine.status import channel_names
from channelsync.engine.stock_errors import UnknownItem
from channelsync.engine.stock_places import find_item
from channelsync.web.dashboard.books import LISTINGS, STOCK
from channelsync.web.dashboard.frame import Crumb, Frame
from channelsync.web.dashboard.marks import of_listing
from channelsync.web.dashboard.table import Mark
from channelsync.web.dashboard.waterfall import waterfall
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = ["show_item"]

LISTINGS_MAX: Final = 200
_LEVELS: Final = tuple(one for one in STOCK.columns if one.key != "sku")
_OFFERS: Final = tuple(one for one in LISTINGS.columns if one.key != "holds")


async def show_item(engine: Engine, frame: Frame, request: Request) -> Response:
    """The page. Whoever is kept to a part sees the stock and the listings of that part.

    Raises:
        Problem: nothing has the SKU (404).
    """
    sku, reach = request.path_params["sku"], principal_of(request).reach
    async with engine.database.read() as tx:
        try:
            item = await find_item(tx, sku)
        except UnknownItem as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
        explained = await explain(engine, tx, item.sku) if reach.is_everywhere else None
        levels = await levels_page(tx, Wanted(limit=1, sku=item.sku, reach=reach))
        offers = await _offers(tx, item.sku, reach)
        channels = [one for one in await channel_names(tx) if reach.has_channel(one)]
    return frame.page(
        request,
        "item.html",
        active="items",
        title=item.sku,
        crumbs=[Crumb("Items", "/items")],
        item=item,
        pools=_pools(explained, channels),
        explained=explained,
        levels=levels,
        level_columns=_LEVELS,
        offers=offers,
        offer_columns=_OFFERS,
        channels=channels,
    )


async def _offers(tx: AsyncConnection, sku: str, reach: Reach) -> Rows:
    found = await listings_page(tx, Wanted(limit=LISTINGS_MAX, sku=sku, reach=reach))
    return [{**row, "standing": of_listing(row)} for row in found]


def _pools(explained: Explanation | None, channels: list[str]) -> list[dict[str, Any]]:
    """Every pool with its picture and what is next."""
    if explained is None:
        return []
    return [
        {
            "pool": pool,
            "falls": waterfall(pool, channels),
            "waiting": [
                {"channel": one.channel, "sku": one.sku, "standing": _next(one)}
                for one in pool.listings
            ],
        }
        for pool in explained.pools
    ]


def _next(listing: Any) -> Mark:
    """What happens with a listing next."""
    if (push := listing.open_push) is not None:
        return Mark("wait", f"{push.kind} by {push.units}: {push.state}", push.cause)
    if (push := listing.next_push) is not None:
        words = f"{push.kind} by {push.units} is next"
        return Mark("wait", words if not push.shadow else f"{words} (shadow)", push.reason)
    if listing.waits is not None:
        return Mark("wait", "stays as it is", listing.waits)
    return Mark("good", "holds what it should")
