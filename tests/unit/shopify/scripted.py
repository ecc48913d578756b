"""A Shopify channel whose HTTP answers are written down."""

from __future__ import annotations

from typing import Any

import httpx
import respx

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.http import http_client
from channelsync.sdk.types import Change, ListingRef, PushKind, PushRequest
from channelsync_shopify.connector import MANIFEST, ShopifyChannel, ShopifyConnector
from channelsync_shopify.settings import ShopifySettings
from tests.support.shopify import Clock

SHOP = "https://acme.myshopify.com"
GRAPHQL = f"{SHOP}/admin/api/2026-10/graphql.json"
TOKEN = f"{SHOP}/admin/oauth/access_token"
COST = {
    "requestedQueryCost": 252,
    "actualQueryCost": None,
    "throttleStatus": {
        "maximumAvailable": 2000.0,
        "currentlyAvailable": 52,
        "restoreRate": 100.0,
    },
}


async def open_channel(
    router: respx.MockRouter, clock: Clock | None = None, **more: Any
) -> ShopifyChannel:
    given = {"shop": "acme.myshopify.com", "location_id": "1"} | (
        more or {"access_token": "shpat_1"}
    )
    clock = clock or Clock()
    context = ChannelContext(
        channel="shop",
        settings=ShopifySettings.model_validate(given),
        http=http_client(
            allowed_hosts=MANIFEST.own_hosts,
            transport=httpx.MockTransport(router.async_handler),
        ),
        now=clock,
        new_id=lambda: "id",
    )
    return await ShopifyConnector(sleep=clock.sleep).open(context)


def listing(number: int) -> ListingRef:
    external = {"inventory_item_id": f"gid://shopify/InventoryItem/{number}"}
    return ListingRef(listing_id=f"listing-{number}", sku=f"SKU-{number}", external=external)


def cut(number: int) -> Change:
    return Change(
        push_id=f"push-{number}", listing=listing(number), kind=PushKind.CUT, units=1, compare=5
    )


def raised(number: int, units: int = 1, compare: int | None = None) -> Change:
    return Change(
        push_id=f"push-{number}",
        listing=listing(number),
        kind=PushKind.RAISE,
        units=units,
        compare=compare,
    )


def cuts(channel: ShopifyChannel, count: int) -> PushRequest:
    return channel.prepare([cut(number) for number in range(1, count + 1)], key="key-1")


def set_answer(*errors: dict[str, Any]) -> dict[str, Any]:
    payload = {"inventoryAdjustmentGroup": None, "userErrors": list(errors)}
    return {"data": {"inventorySetQuantities": payload}}


def adjust_answer(*errors: dict[str, Any]) -> dict[str, Any]:
    payload = {"inventoryAdjustmentGroup": None, "userErrors": list(errors)}
    return {"data": {"inventoryAdjustQuantities": payload}}


def user_error(code: str | None, index: int | None = 0) -> dict[str, Any]:
    field = ["input"] if index is None else ["input", "quantities", str(index), "quantity"]
    return {"code": code, "field": field, "message": f"Shopify's words on {code}"}


def top_level(code: str | None, words: str = "No") -> dict[str, Any]:
    error: dict[str, Any] = {"message": words}
    if code is not None:
        error["extensions"] = {"code": code}
    return {"errors": [error], "extensions": {"cost": COST}}
