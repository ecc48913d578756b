"""SKUs of variations, remembered for a while: the ledger names variations by id alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from channelsync.sdk.types import Instant
from channelsync_square.api import SquareApi
from channelsync_square.catalogue import Catalogue

__all__ = ["Names"]

KEPT_SECONDS: Final = 3_600.0


class Names:
    """Knows variations by SKU."""

    def __init__(self, api: SquareApi, catalogue: Catalogue) -> None:
        self._now = api.now
        self._catalogue = catalogue
        self._known: dict[str, tuple[str, Instant]] = {}

    async def of(self, variation_ids: Iterable[str]) -> dict[str, str]:
        """SKUs by variation. One without a SKU, or gone from the catalogue, is left out."""
        wanted = sorted(set(variation_ids))
        now = self._now()
        stale = [one for one in wanted if self._until(one) <= now]
        if stale:
            found, _ = await self._catalogue.fetch(stale)
            for one in stale:
                variation = found.get(one)
                data = variation.item_variation_data if variation is not None else None
                sku = (data.sku if data is not None else None) or ""
                # A variation that was deleted keeps the name under which it was sold.
                known = self._known.get(one, ("", 0.0))[0]
                self._known[one] = (sku or known, now + KEPT_SECONDS)
        return {one: self._known[one][0] for one in wanted if self._known[one][0]}

    def _until(self, variation_id: str) -> Instant:
        return self._known.get(variation_id, ("", 0.0))[1]
