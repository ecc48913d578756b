"""Finding the shop's offers by SKU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from channelsync.sdk.types import OfferPage, RemoteListing
from channelsync_shopify.api import ShopifyApi, TooCostly
from channelsync_shopify.documents import VARIANTS
from channelsync_shopify.reading import unfit_for_sale
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.wire import Catalogue, Page, Variant, understood

__all__ = ["PAGE_SIZE", "Discovery"]

PAGE_SIZE: Final = 100
BETWEEN: Final = "; "


class Discovery:
    """Pages through every variant of the shop."""

    def __init__(self, api: ShopifyApi, settings: ShopifySettings) -> None:
        self._api = api
        self._location = settings.location_id

    async def offers_page(self, cursor: str | None) -> OfferPage:
        """The variants of one page.

        Raises:
            ConnectorError: it was not read.
        """
        page = await self._page(cursor, PAGE_SIZE)
        return OfferPage(
            offers=tuple(_offer(variant) for variant in page.nodes),
            cursor=page.page_info.end_cursor if page.page_info.has_next_page else None,
        )

    def whole_catalogue(self, offers: Sequence[RemoteListing]) -> list[RemoteListing]:
        """One listing for every inventory item.

        Several variants may share an item, hence one counter; only the whole catalogue shows that,
        and whether a SKU is ambiguous.
        """
        by_item: dict[str, list[RemoteListing]] = {}
        for one in offers:
            by_item.setdefault(one.external["inventory_item_id"], []).append(one)
        owners = Counter(group[0].sku for group in by_item.values())
        return [_listing(group, owners[group[0].sku]) for group in by_item.values()]

    async def _page(self, after: str | None, size: int) -> Page[Variant]:
        variables = {"loc": self._location, "first": size, "after": after}
        try:
            answer = await self._api.read(VARIANTS, variables)
        except TooCostly:
            if size == 1:
                raise
            return await self._page(after, size // 2)
        return understood(Catalogue, answer).product_variants


def _offer(variant: Variant) -> RemoteListing:
    """What one variant shows."""
    item = variant.inventory_item
    level = item.inventory_level
    reasons = unfit_for_sale(
        tracked=item.tracked,
        policies=(variant.inventory_policy,),
        bundle=variant.requires_components,
        active=level.is_active if level is not None else None,
    )
    return RemoteListing(
        sku=variant.sku or "",
        external={"inventory_item_id": item.id, "variant_id": variant.id},
        title=variant.product.title,
        quantity=level.available if level is not None else None,
        refused=BETWEEN.join(reasons) or None,
    )


def _listing(group: Sequence[RemoteListing], owners: int) -> RemoteListing:
    first = group[0]
    told = (reason for one in group if one.refused for reason in one.refused.split(BETWEEN))
    reasons = list(dict.fromkeys(told))
    if not first.sku.strip():
        reasons.insert(0, "it has no SKU")
    elif owners > 1:
        reasons.insert(0, f"{owners} inventory items share the SKU {first.sku!r}: make it unique")
    return replace(first, refused=BETWEEN.join(reasons) or None)
