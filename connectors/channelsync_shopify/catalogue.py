"""Finding the shop's offers by SKU."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Final

from channelsync.sdk.types import RemoteListing
from channelsync_shopify.api import ShopifyApi, TooCostly
from channelsync_shopify.documents import VARIANTS
from channelsync_shopify.reading import unfit_for_sale
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.wire import Catalogue, Page, Variant, understood

__all__ = ["Discovery"]

PAGE_SIZE: Final = 100


class Discovery:
    """Pages through every variant of the shop."""

    def __init__(self, api: ShopifyApi, settings: ShopifySettings) -> None:
        self._api = api
        self._location = settings.location_id

    async def listings(self) -> AsyncIterator[RemoteListing]:
        """Every offer; unfit ones carry the reason.

        All pages are read before the first offer is told, because only the whole catalogue shows
        whether a SKU is ambiguous.
        """
        by_item: dict[str, list[Variant]] = {}
        async for variant in self._variants():
            # Several variants may share an inventory item, hence one counter: that is one listing.
            by_item.setdefault(variant.inventory_item.id, []).append(variant)
        owners = Counter(variants[0].sku or "" for variants in by_item.values())
        for variants in by_item.values():
            yield _listing(variants, owners[variants[0].sku or ""])

    async def _variants(self) -> AsyncIterator[Variant]:
        after: str | None = None
        while True:
            page = await self._page(after, PAGE_SIZE)
            for variant in page.nodes:
                yield variant
            if not page.page_info.has_next_page:
                return
            after = page.page_info.end_cursor

    async def _page(self, after: str | None, size: int) -> Page[Variant]:
        variables = {"loc": self._location, "first": size, "after": after}
        try:
            answer = await self._api.read(VARIANTS, variables)
        except TooCostly:
            if size == 1:
                raise
            return await self._page(after, size // 2)
        return understood(Catalogue, answer).product_variants


def _listing(variants: Sequence[Variant], owners: int) -> RemoteListing:
    first = variants[0]
    item = first.inventory_item
    level = item.inventory_level
    sku = first.sku or ""
    reasons = unfit_for_sale(
        tracked=item.tracked,
        policies=[variant.inventory_policy for variant in variants],
        bundle=any(variant.requires_components for variant in variants),
        active=level.is_active if level is not None else None,
    )
    if not sku.strip():
        reasons = ("it has no SKU", *reasons)
    elif owners > 1:
        reasons = (f"{owners} inventory items share the SKU {sku!r}: make it unique", *reasons)
    return RemoteListing(
        sku=sku,
        external={"inventory_item_id": item.id, "variant_id": first.id},
        title=first.product.title,
        quantity=level.available if level is not None else None,
        refused="; ".join(reasons) or None,
    )
