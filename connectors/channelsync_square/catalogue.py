"""Finding the seller's offers by SKU, and telling which of them can be synced.

The whole catalogue is listed rather than searched by SKU: Square's search ignores case, and only
the whole shows whether a SKU stands twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from channelsync.sdk.types import OfferPage, RemoteListing
from channelsync_square.api import CursorLost, SquareApi
from channelsync_square.settings import SquareSettings
from channelsync_square.wire import CatalogObject, CatalogPage, Item, Variation, understood

__all__ = ["PAGE_SIZE", "Catalogue", "unfit_for_sale"]

PAGE_SIZE: Final = 1_000
OBJECTS_MAX: Final = 1_000
"""Objects that one batch may ask for."""
SEARCH_PATH: Final = "/v2/catalog/search"
BATCH_PATH: Final = "/v2/catalog/batch-retrieve"
NO_STOCK_KINDS: Final = frozenset({"GIFT_CARD", "APPOINTMENTS_SERVICE", "DIGITAL", "DONATION"})


def unfit_for_sale(
    variation: CatalogObject, related: Mapping[str, CatalogObject], location_id: str
) -> tuple[str, ...]:
    """Why the variation's number at the location cannot be kept; nothing: it can."""
    data = variation.item_variation_data
    if data is None or variation.is_deleted:
        return ("it was deleted in Square",)
    return tuple(_reasons(variation, data, related, location_id))


def _reasons(
    variation: CatalogObject,
    data: Variation,
    related: Mapping[str, CatalogObject],
    location_id: str,
) -> Iterator[str]:
    if not variation.is_at(location_id):
        yield "it is not offered at our location: switch it on there"
    if not variation.tracked_at(location_id):
        yield "Square does not track its stock at our location: turn tracking on"
    if data.stockable is False or data.stockable_conversion is not None:
        yield "its stock is that of another variation, converted: sync that one"
    unit = related.get(data.measurement_unit_id or "")
    if unit is not None and unit.measurement_unit_data is not None:
        precision = unit.measurement_unit_data.precision
        # Square's default precision of a measured unit is three places.
        if precision is None or precision > 0:
            yield "it is sold in fractions of a unit: use whole units, such as the gram"
    item = related.get(data.item_id or "")
    if item is not None and item.item_data is not None:
        yield from _reasons_of_item(item.item_data)


def _reasons_of_item(item: Item) -> Iterator[str]:
    if item.product_type in NO_STOCK_KINDS:
        kind = (item.product_type or "").lower().replace("_", " ")
        yield f"a {kind} is nothing that lies on a shelf"
    if item.is_archived:
        yield "it is archived in Square: bring it back, or remove it here"


class Catalogue:
    """The catalogue half of an open channel."""

    def __init__(self, api: SquareApi, settings: SquareSettings) -> None:
        self._api = api
        self._location = settings.location_id

    async def offers_page(self, cursor: str | None) -> OfferPage:
        """The variations of one page.

        Raises:
            ConnectorError: it was not read.
        """
        content: dict[str, Any] = {
            "object_types": ["ITEM_VARIATION"],
            "include_related_objects": True,
            "limit": PAGE_SIZE,
        }
        onward = content if cursor is None else content | {"cursor": cursor}
        try:
            answer = await self._api.call("POST", SEARCH_PATH, onward)
        except CursorLost:
            # Square's cursors do not live for ever: the catalogue is read from its beginning.
            answer = await self._api.call("POST", SEARCH_PATH, content)
        page = understood(CatalogPage, answer)
        related = {one.id: one for one in page.related_objects}
        following = (answer.body or {}).get("cursor")
        return OfferPage(
            offers=tuple(
                self._offer(one, related)
                for one in page.objects
                if one.item_variation_data is not None
            ),
            cursor=str(following) if following else None,
        )

    def whole_catalogue(self, offers: Sequence[RemoteListing]) -> list[RemoteListing]:
        """One listing for every variation; only the whole shows whether a SKU is ambiguous."""
        by_id = {one.external["variation_id"]: one for one in offers}
        owners = Counter(one.sku for one in by_id.values())
        return [_told(one, owners[one.sku]) for one in by_id.values()]

    def _offer(
        self, variation: CatalogObject, related: Mapping[str, CatalogObject]
    ) -> RemoteListing:
        reasons = unfit_for_sale(variation, related, self._location)
        return RemoteListing(
            sku=_sku_of(variation),
            external={"variation_id": variation.id},
            title=_title(variation, related),
            refused="; ".join(reasons) or None,
        )

    async def fetch(
        self, variation_ids: Sequence[str]
    ) -> tuple[dict[str, CatalogObject], dict[str, CatalogObject]]:
        """Variations by id, and what they refer to by id. Unknown ids are left out."""
        found: dict[str, CatalogObject] = {}
        related: dict[str, CatalogObject] = {}
        for start in range(0, len(variation_ids), OBJECTS_MAX):
            content: dict[str, Any] = {
                "object_ids": list(variation_ids[start : start + OBJECTS_MAX]),
                "include_related_objects": True,
            }
            page = understood(CatalogPage, await self._api.call("POST", BATCH_PATH, content))
            found |= {one.id: one for one in page.objects if one.item_variation_data is not None}
            related |= {one.id: one for one in page.related_objects}
        return found, related


def _told(offer: RemoteListing, owners: int) -> RemoteListing:
    reason = None
    if not offer.sku.strip():
        reason = "it has no SKU"
    elif owners > 1:
        reason = f"{owners} variations share the SKU {offer.sku!r}: make it unique"
    reasons = [one for one in (reason, offer.refused) if one]
    return replace(offer, refused="; ".join(reasons) or None)


def _sku_of(variation: CatalogObject) -> str:
    data = variation.item_variation_data
    return (data.sku if data is not None else None) or ""


def _title(variation: CatalogObject, related: Mapping[str, CatalogObject]) -> str:
    data = variation.item_variation_data
    if data is None:
        return ""
    item = related.get(data.item_id or "")
    name = item.item_data.name if item is not None and item.item_data is not None else None
    return ", ".join(part for part in (name, data.name) if part)
