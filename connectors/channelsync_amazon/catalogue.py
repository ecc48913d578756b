"""Finding the account's offers by SKU."""

from __future__ import annotations

from collections.abc import AsyncIterator

from channelsync.sdk.types import RemoteListing
from channelsync_amazon.fitness import MISSING, unfit, units_live
from channelsync_amazon.offers import Offers, Seen

__all__ = ["Discovery"]


class Discovery:
    """Pages through every offer of the account."""

    def __init__(self, offers: Offers) -> None:
        self._offers = offers

    async def listings(self) -> AsyncIterator[RemoteListing]:
        """Every offer; unfit ones carry the reason.

        All marketplaces are read before the first offer is told, because only together they show
        whether a SKU has one counter.
        """
        for sku, seen in (await self._offers.everything()).items():
            yield _listing(sku, seen)


def _listing(sku: str, seen: Seen) -> RemoteListing:
    summaries = [one for item in seen.items for one in item.summaries]
    external = {"sku": sku}
    if summaries:
        external["marketplace_id"] = summaries[0].marketplace_id
    quantity = units_live(seen.items)
    return RemoteListing(
        sku=sku,
        external=external,
        title=next((one.item_name for one in summaries if one.item_name), ""),
        quantity=quantity,
        refused=unfit(seen.items) or (MISSING if quantity is None else None),
    )
