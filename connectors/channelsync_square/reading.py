"""Reading quantities back, with what can be seen of the assumptions on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from channelsync.sdk.types import (
    Assumption,
    AssumptionFinding,
    Instant,
    ListingRef,
    RemoteReading,
)
from channelsync_square.api import SquareApi
from channelsync_square.catalogue import Catalogue, unfit_for_sale
from channelsync_square.settings import SquareSettings
from channelsync_square.times import units_at_least
from channelsync_square.wire import CatalogObject, CountsPage, understood

__all__ = ["GROUP_SIZE", "Counted", "Reading"]

GROUP_SIZE: Final = 1_000
"""Variations that one call tells, and of which one page tells the counts."""
COUNTS_PAGE_SIZE: Final = 1_000
COUNTS_PATH: Final = "/v2/inventory/counts/batch-retrieve"
GONE: Final = "Square does not know the variation any more (deleted, or another seller's)"
NO_VARIATION: Final = "the listing has no variation_id: discover the listings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What Square counts at our location, true at some instant from sending to receiving."""

    quantities: Mapping[str, Decimal]
    """By variation. One that nobody ever put in stock is missing: Square shows none of it."""
    sent_at: Instant
    received_at: Instant


class Reading:
    """The read half of an open channel."""

    def __init__(self, api: SquareApi, settings: SquareSettings, catalogue: Catalogue) -> None:
        self._api = api
        self._location = settings.location_id
        self._catalogue = catalogue

    async def read(self, listings: Sequence[ListingRef]) -> Sequence[RemoteReading]:
        """One reading for every listing.

        Raises:
            ConnectorError: nothing was read.
        """
        found: list[RemoteReading] = []
        for start in range(0, len(listings), GROUP_SIZE):
            found += await self._read_group(listings[start : start + GROUP_SIZE])
        return found

    async def _read_group(self, group: Sequence[ListingRef]) -> list[RemoteReading]:
        ids = sorted({one.external.get("variation_id", "") for one in group} - {""})
        variations, related = await self._catalogue.fetch(ids) if ids else ({}, {})
        counted = await self.counted(ids)
        return [self._reading(one, variations, related, counted) for one in group]

    async def counted(self, variation_ids: Sequence[str]) -> Counted:
        """What Square counts of these variations now."""
        quantities: dict[str, Decimal] = {}
        sent_at = received_at = None
        content = {
            "catalog_object_ids": list(variation_ids),
            "location_ids": [self._location],
            "states": ["IN_STOCK"],
            "limit": COUNTS_PAGE_SIZE,
        }
        if variation_ids:
            async for answer in self._api.pages(COUNTS_PATH, content):
                sent_at = answer.sent_at if sent_at is None else sent_at
                received_at = answer.received_at
                for count in understood(CountsPage, answer).counts:
                    if count.state == "IN_STOCK" and count.location_id == self._location:
                        # Newest first: an older one further down is no news.
                        quantities.setdefault(count.catalog_object_id, count.quantity)
        now = self._api.now
        return Counted(
            quantities=quantities,
            sent_at=now() if sent_at is None else sent_at,
            received_at=now() if received_at is None else received_at,
        )

    def _reading(
        self,
        listing: ListingRef,
        variations: Mapping[str, CatalogObject],
        related: Mapping[str, CatalogObject],
        counted: Counted,
    ) -> RemoteReading:
        variation_id = listing.external.get("variation_id", "")
        variation = variations.get(variation_id)
        known = variation is not None and not variation.is_deleted
        shown = counted.quantities.get(variation_id, Decimal(0))
        return RemoteReading(
            listing_id=listing.listing_id,
            quantity=units_at_least(shown) if known else None,
            sent_at=counted.sent_at,
            received_at=counted.received_at,
            findings=tuple(self._findings(listing, variation if known else None, related)),
        )

    def _findings(
        self,
        listing: ListingRef,
        variation: CatalogObject | None,
        related: Mapping[str, CatalogObject],
    ) -> Iterator[AssumptionFinding]:
        absent = GONE if listing.external.get("variation_id") else NO_VARIATION
        yield AssumptionFinding(
            assumption=Assumption.READS_BACK,
            holds=variation is not None,
            why="" if variation is not None else absent,
            listing_id=listing.listing_id,
        )
        if variation is None:
            return
        reasons = unfit_for_sale(variation, related, self._location)
        yield AssumptionFinding(
            assumption=Assumption.ENFORCES,
            holds=not reasons,
            why="; ".join(reasons),
            listing_id=listing.listing_id,
        )
