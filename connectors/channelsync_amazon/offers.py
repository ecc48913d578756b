"""Looking at offers: a few by SKU, or the whole catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from channelsync.sdk.types import Instant
from channelsync_amazon.api import AmazonApi, Call, NotFound, path_part
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.times import iso
from channelsync_amazon.wire import ListingItem, ListingsPage, understood

__all__ = ["LOOK_MAX", "PAGED_MAX", "Offers", "Seen"]

LOOK_MAX: Final = 20
"""SKUs a search may name, and offers a page may hold."""
PAGED_MAX: Final = 1_000
"""Paging ends here, however many results there are; the next search begins where this one ended."""
INCLUDED: Final = "summaries,attributes,fulfillmentAvailability"
BASE: Final = "/listings/2021-08-01/items"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One SKU in every marketplace of the channel that lists it, between two instants."""

    items: tuple[ListingItem, ...]
    sent_at: Instant
    received_at: Instant


class Offers:
    """The reading of offers, shared by discovery, read-back and the guard before a push."""

    def __init__(self, api: AmazonApi, settings: AmazonSettings) -> None:
        self._api = api
        self._seller = settings.seller_id
        self._marketplaces = settings.marketplace_ids

    async def look(self, wanted: Mapping[str, str]) -> dict[str, Seen]:
        """The offers of these SKUs, each in the marketplace that it was found in.

        A SKU that Amazon does not know is left out.

        Raises:
            ConnectorError: nothing was read.
        """
        found: dict[str, Seen] = {}
        by_marketplace: dict[str, list[str]] = {}
        for sku, marketplace in sorted(wanted.items()):
            by_marketplace.setdefault(marketplace or self._marketplaces[0], []).append(sku)
        for marketplace, skus in by_marketplace.items():
            # The list of a search is comma-separated, so a SKU with a comma is asked for alone.
            listable = [sku for sku in skus if "," not in sku]
            for start in range(0, len(listable), LOOK_MAX):
                found |= await self._some(marketplace, listable[start : start + LOOK_MAX])
            for sku in skus:
                if "," in sku and (seen := await self._single(marketplace, sku)) is not None:
                    found[sku] = seen
        return found

    async def _some(self, marketplace: str, skus: Sequence[str]) -> dict[str, Seen]:
        query = {
            "marketplaceIds": marketplace,
            "includedData": INCLUDED,
            "identifiersType": "SKU",
            "identifiers": ",".join(skus),
            "pageSize": str(LOOK_MAX),
        }
        answer = await self._api.read(self._search(query))
        page = understood(ListingsPage, answer)
        return {
            item.sku: Seen(items=(item,), sent_at=answer.sent_at, received_at=answer.received_at)
            for item in page.items
            if item.sku in skus
        }

    async def _single(self, marketplace: str, sku: str) -> Seen | None:
        call = Call(
            operation="getListingsItem",
            method="GET",
            path=f"{BASE}/{path_part(self._seller)}/{path_part(sku)}",
            query={"marketplaceIds": marketplace, "includedData": INCLUDED},
        )
        try:
            answer = await self._api.read(call)
        except NotFound:
            return None
        item = understood(ListingItem, answer)
        return Seen(items=(item,), sent_at=answer.sent_at, received_at=answer.received_at)

    def _search(self, query: Mapping[str, str]) -> Call:
        return Call(
            operation="searchListingsItems",
            method="GET",
            path=f"{BASE}/{path_part(self._seller)}",
            query=query,
        )

    async def page(
        self, marketplace: str, since: Instant | None, token: str | None
    ) -> tuple[tuple[ListingItem, ...], str | None]:
        """Offers created from `since` on, oldest first, and the token of the next page.

        Raises:
            ConnectorError: nothing was read.
        """
        query = {
            "marketplaceIds": marketplace,
            "includedData": INCLUDED,
            "sortBy": "createdDate",
            "sortOrder": "ASC",
            "pageSize": str(LOOK_MAX),
        }
        if since is not None:
            query["createdAfter"] = iso(since)
        if token is not None:
            query["pageToken"] = token
        page = understood(ListingsPage, await self._api.read(self._search(query)))
        return tuple(page.items), page.next_token
