"""Finding the account's offers by SKU."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.types import Instant, OfferPage, RemoteListing
from channelsync_amazon.api import InvalidRequest
from channelsync_amazon.fitness import MISSING, unfit, units_live
from channelsync_amazon.offers import PAGED_MAX, Offers
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.wire import ListingItem

__all__ = ["Catalogue"]


class _Place(BaseModel):
    """Where the reading of the catalogue stands: opaque to the engine, safe to use twice.

    Amazon pages through a thousand results of a search at most, so the catalogue is read by date
    of creation, in windows of a thousand, each from where the last one ended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    marketplace: int = 0
    since: Instant | None = None
    """Where this window begins; None: with the oldest offer."""
    reached: Instant | None = None
    """The date of the newest offer told."""
    count: int = 0
    """Offers told in this window so far."""
    token: str | None = None


class Catalogue:
    """Pages through every offer of the account, one marketplace after the other."""

    def __init__(self, offers: Offers, settings: AmazonSettings) -> None:
        self._offers = offers
        self._marketplaces = settings.marketplace_ids

    async def offers_page(self, cursor: str | None) -> OfferPage:
        """The offers of one page of one marketplace.

        Raises:
            ConnectorError: it was not read.
        """
        here = self._place(cursor)
        try:
            items, token = await self._offers.page(
                self._marketplaces[here.marketplace], here.since, here.token
            )
        except InvalidRequest:
            if here.token is None:
                raise
            # The token is too old: the window is read once more from its beginning.
            here = here.model_copy(update={"token": None, "count": 0})
            items, token = await self._offers.page(
                self._marketplaces[here.marketplace], here.since, None
            )
        following = self._following(here, items, token if items else None)
        return OfferPage(
            offers=tuple(_offer(item) for item in items),
            cursor=following.model_dump_json(exclude_none=True) if following else None,
        )

    def _place(self, cursor: str | None) -> _Place:
        if cursor is None:
            return _Place()
        try:
            here = _Place.model_validate_json(cursor)
        except ValidationError:
            return _Place()
        return here if here.marketplace < len(self._marketplaces) else _Place()

    def _following(
        self, here: _Place, items: Sequence[ListingItem], token: str | None
    ) -> _Place | None:
        """Where the next page begins, if there is one."""
        count = here.count + len(items)
        dates = [one.created_date for item in items for one in item.summaries]
        reached = max((at for at in (here.reached, *dates) if at is not None), default=None)
        if token is not None:
            more = {"count": count, "reached": reached, "token": token}
            return here.model_copy(update=more)
        if count >= PAGED_MAX:
            if reached is None or reached == here.since:
                raise Misconfigured(
                    f"more than {PAGED_MAX} offers of {self._marketplaces[here.marketplace]} were"
                    " created in one second: Amazon's search cannot list them all"
                )
            return _Place(marketplace=here.marketplace, since=reached, reached=reached)
        place = here.marketplace + 1
        return _Place(marketplace=place) if place < len(self._marketplaces) else None

    def whole_catalogue(self, offers: Sequence[RemoteListing]) -> list[RemoteListing]:
        """One listing for every SKU: all marketplaces share its number."""
        by_sku: dict[str, list[RemoteListing]] = {}
        for one in offers:
            by_sku.setdefault(one.sku, []).append(one)
        return [_listing(sku, seen) for sku, seen in by_sku.items()]


def _offer(item: ListingItem) -> RemoteListing:
    """What one marketplace shows."""
    external = {"sku": item.sku}
    if item.summaries:
        external["marketplace_id"] = item.summaries[0].marketplace_id
    return RemoteListing(
        sku=item.sku,
        external=external,
        title=next((one.item_name for one in item.summaries if one.item_name), ""),
        quantity=units_live((item,)),
        refused=unfit((item,)) or None,
    )


def _listing(sku: str, seen: Sequence[RemoteListing]) -> RemoteListing:
    quantity = max((one.quantity for one in seen if one.quantity is not None), default=None)
    reasons = dict.fromkeys(one.refused for one in seen if one.refused)
    return RemoteListing(
        sku=sku,
        external=next(
            (one.external for one in seen if "marketplace_id" in one.external), {"sku": sku}
        ),
        title=next((one.title for one in seen if one.title), ""),
        quantity=quantity,
        refused="; ".join(reasons) or (MISSING if quantity is None else None),
    )
