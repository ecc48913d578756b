"""Showing at the till what lies in the shop: Square's number follows the shelf.

What the shop's own tills sell Square has taken off already. What leaves for other reasons, or comes
in, is brought to it as an adjustment by the difference, so that sales in between add up with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from channelsync.sdk.types import Instant, ListingRef
from channelsync_square.api import SquareApi
from channelsync_square.pushing import BATCH_SIZE, CHANGE_PATH, REFERENCE, adjustment, batch_of
from channelsync_square.reading import Reading
from channelsync_square.settings import SquareSettings
from channelsync_square.times import units_at_least

__all__ = ["Mirror"]

REFERENCE_KIND: Final = "shelf:"
LOOK_AGAIN_SECONDS: Final = 3_600.0
"""A number that was shown is compared again after this time, whether it changed or not."""


class Mirror:
    """Brings Square's number to ours."""

    def __init__(
        self,
        api: SquareApi,
        settings: SquareSettings,
        reading: Reading,
        new_id: Callable[[], str],
    ) -> None:
        self._api = api
        self._settings = settings
        self._reading = reading
        self._new_id = new_id
        self._shown: dict[str, tuple[int, Instant]] = {}

    async def show(self, units: Sequence[tuple[ListingRef, int]]) -> None:
        """Make Square show these units.

        Raises:
            ConnectorError: perhaps not all of them are shown now; the next time mends it.
        """
        wanted = {
            listing.external["variation_id"]: number
            for listing, number in units
            if self._is_news(listing.external.get("variation_id"), number)
        }
        for start in range(0, len(wanted), BATCH_SIZE):
            group = dict(list(wanted.items())[start : start + BATCH_SIZE])
            await self._show_group(group)
            now = self._api.now()
            self._shown |= {variation: (number, now) for variation, number in group.items()}

    def _is_news(self, variation: str | None, number: int) -> bool:
        if variation is None:
            return False
        shown, at = self._shown.get(variation, (None, 0.0))
        return shown != number or self._api.now() - at >= LOOK_AGAIN_SECONDS

    async def _show_group(self, wanted: dict[str, int]) -> None:
        counted = await self._reading.counted(sorted(wanted))
        key = self._new_id()
        entries = []
        for variation, number in sorted(wanted.items()):
            shown = units_at_least(counted.quantities.get(variation, Decimal(0)))
            if number != shown:
                entries.append(
                    adjustment(
                        self._settings,
                        variation_id=variation,
                        up=number > shown,
                        units=abs(number - shown),
                        reference=f"{REFERENCE}{REFERENCE_KIND}{key}",
                        occurred_at=self._api.now_there,
                    )
                )
        if entries:
            await self._api.call("POST", CHANGE_PATH, batch_of(entries, key=key))
