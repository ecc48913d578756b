"""Reading quantities back, with what can be seen of the assumptions on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from channelsync.sdk.types import Assumption, AssumptionFinding, ListingRef, RemoteReading
from channelsync_shopify.api import Answer, ShopifyApi, TooCostly
from channelsync_shopify.documents import LEVELS, LEVELS_EVERYWHERE
from channelsync_shopify.places import Places
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.wire import LevelItem, LevelsAnswer, understood

__all__ = ["ITEMS_MAX", "Reading", "unfit_for_sale"]

ITEMS_MAX: Final = 50
ITEMS_EVERYWHERE_MAX: Final = 25
GONE: Final = "Shopify does not know the inventory item any more (deleted, or out of our reach)"
NO_LEVEL: Final = "the item was never stocked at our location"
NO_ITEM_ID: Final = "the listing has no inventory_item_id: discover the listings"


def unfit_for_sale(
    *, tracked: bool, policies: Sequence[str], bundle: bool, active: bool | None
) -> tuple[str, ...]:
    """Why Shopify would not enforce our number; nothing: it does. `active` None: no level."""
    reasons = (
        (not tracked, "Shopify does not track its quantity: turn tracking on"),
        ("CONTINUE" in policies, "it sells on when out of stock: turn that off"),
        (bundle, "it is a bundle of components: sync the components"),
        (active is None, NO_LEVEL),
        (active is False, "it is not active at our location, so nothing of it sells"),
    )
    return tuple(reason for wrong, reason in reasons if wrong)


class Reading:
    """The read half of an open channel."""

    def __init__(self, api: ShopifyApi, settings: ShopifySettings, places: Places) -> None:
        self._api = api
        self._location = settings.location_id
        self._places = places

    async def read(self, listings: Sequence[ListingRef]) -> Sequence[RemoteReading]:
        """One reading for every listing.

        Raises:
            ConnectorError: nothing was read.
        """
        beside = await self._places.selling_beside_ours()
        size = ITEMS_EVERYWHERE_MAX if beside else ITEMS_MAX
        found: list[RemoteReading] = []
        for start in range(0, len(listings), size):
            found += await self._read_group(listings[start : start + size], beside)
        return found

    async def _read_group(
        self, group: Sequence[ListingRef], beside: Mapping[str, str]
    ) -> list[RemoteReading]:
        document = LEVELS_EVERYWHERE if beside else LEVELS
        items = [listing.external.get("inventory_item_id", "") for listing in group]
        asked = sorted({item for item in items if item})
        try:
            answer = await self._api.read(document, {"items": asked, "loc": self._location})
        except TooCostly:
            if len(group) == 1:
                raise
            middle = len(group) // 2
            first = await self._read_group(group[:middle], beside)
            return first + await self._read_group(group[middle:], beside)
        nodes = understood(LevelsAnswer, answer).nodes
        known = {node.id: node for node in nodes if node is not None and node.id is not None}
        return [
            self._reading(listing, item, known.get(item), answer, beside)
            for listing, item in zip(group, items, strict=True)
        ]

    def _reading(
        self,
        listing: ListingRef,
        item: str,
        node: LevelItem | None,
        answer: Answer,
        beside: Mapping[str, str],
    ) -> RemoteReading:
        level = node.inventory_level if node is not None else None
        quantity = level.available if level is not None else None
        return RemoteReading(
            listing_id=listing.listing_id,
            quantity=quantity,
            sent_at=answer.sent_at,
            received_at=answer.received_at,
            findings=tuple(_findings(listing, item, node, beside)),
        )


def _findings(
    listing: ListingRef, item: str, node: LevelItem | None, beside: Mapping[str, str]
) -> Iterator[AssumptionFinding]:
    level = node.inventory_level if node is not None else None
    absent = NO_LEVEL if node is not None else GONE
    unread = "" if level is not None else (absent if item else NO_ITEM_ID)
    yield AssumptionFinding(
        assumption=Assumption.READS_BACK,
        holds=not unread,
        why=unread,
        listing_id=listing.listing_id,
    )
    if node is None:
        return
    variants = node.variants.nodes if node.variants is not None else ()
    reasons = unfit_for_sale(
        tracked=node.tracked,
        policies=[variant.inventory_policy for variant in variants],
        bundle=any(variant.requires_components for variant in variants),
        active=level.is_active if level is not None else None,
    )
    reasons += tuple(_sold_elsewhere(node, beside))
    yield AssumptionFinding(
        assumption=Assumption.ENFORCES,
        holds=not reasons,
        why="; ".join(reasons),
        listing_id=listing.listing_id,
    )


def _sold_elsewhere(node: LevelItem, beside: Mapping[str, str]) -> Iterator[str]:
    """The storefront sells the sum over its locations, and only one of them is ours."""
    for level in node.inventory_levels.nodes if node.inventory_levels is not None else ():
        units = sum(one.quantity for one in level.quantities if one.name == "available")
        if level.location.id in beside and units > 0:
            name = beside[level.location.id]
            yield f"the storefront also sells {units} units from location {name!r}"
