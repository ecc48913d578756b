"""The shop's locations: ours, and those that the storefront sells from beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from channelsync.sdk.types import Instant
from channelsync_shopify.api import ShopifyApi
from channelsync_shopify.documents import PLACES
from channelsync_shopify.wire import Place, PlacesAnswer, understood

__all__ = ["Places"]

FRESH_SECONDS: Final = 900.0


class Places:
    """Locations, asked for at most every quarter of an hour."""

    def __init__(self, api: ShopifyApi, now: Callable[[], Instant], location: str) -> None:
        self._api = api
        self._now = now
        self._location = location
        self._known: tuple[Place, ...] = ()
        self._stale_at: Instant | None = None

    async def all(self, *, fresh: bool = False) -> tuple[Place, ...]:
        """Every location of the shop."""
        if fresh or self._stale_at is None or self._now() >= self._stale_at:
            self._known = await self._fetch()
            self._stale_at = self._now() + FRESH_SECONDS
        return self._known

    async def selling_beside_ours(self) -> dict[str, str]:
        """Names by id of the other active locations that the storefront sells from."""
        return {
            place.id: place.name
            for place in await self.all()
            if place.id != self._location and place.is_active and place.fulfills_online_orders
        }

    async def _fetch(self) -> tuple[Place, ...]:
        found: list[Place] = []
        after: str | None = None
        while True:
            answer = await self._api.read(PLACES, {"after": after})
            page = understood(PlacesAnswer, answer).locations
            found += page.nodes
            if not page.page_info.has_next_page:
                return tuple(found)
            after = page.page_info.end_cursor
