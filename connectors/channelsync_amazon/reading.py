"""Reading quantities back: the live number, and what one look shows of the assumptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from channelsync.sdk.types import (
    Assumption,
    AssumptionFinding,
    Instant,
    ListingRef,
    RemoteReading,
)
from channelsync_amazon.api import AmazonApi
from channelsync_amazon.fitness import MISSING, unfit, units_live
from channelsync_amazon.offers import Offers, Seen

__all__ = ["Fitness", "Reading"]

GONE = "Amazon knows no such SKU any more (deleted, or of another account)"
NEVER: Instant = 0.0
FRESH_SECONDS = 60.0
"""How long a look at an offer stands for the guard before a push."""


class Fitness:
    """Which offers were found fit a moment ago, so that a push need not look again."""

    def __init__(self, api: AmazonApi) -> None:
        self._now = api.now
        self._fit_at: dict[str, Instant] = {}

    def note(self, sku: str, *, fit: bool) -> None:
        """An offer was looked at."""
        self._fit_at[sku] = self._now() if fit else NEVER

    def is_fresh(
        self, sku: str, fresh_seconds: float = FRESH_SECONDS, seen_at: Instant = NEVER
    ) -> bool:
        """Whether the offer was fit when last looked at, and that was just now.

        `seen_at` is what else is known of an offer that this program has not looked at yet.
        """
        return self._now() - self._fit_at.get(sku, seen_at) <= fresh_seconds


class Reading:
    """The read half of an open channel."""

    def __init__(self, offers: Offers, fitness: Fitness, api: AmazonApi) -> None:
        self._offers = offers
        self._fitness = fitness
        self._now = api.now

    async def read(self, listings: Sequence[ListingRef]) -> Sequence[RemoteReading]:
        """One reading for every listing: the live quantity, never the one that was submitted.

        Raises:
            ConnectorError: nothing was read.
        """
        began = self._now()
        wanted = {one.sku: one.external.get("marketplace_id", "") for one in listings}
        seen = await self._offers.look(wanted)
        return [self._reading(listing, seen.get(listing.sku), began) for listing in listings]

    def _reading(self, listing: ListingRef, seen: Seen | None, began: Instant) -> RemoteReading:
        quantity = units_live(seen.items) if seen is not None else None
        reason = unfit(seen.items) if seen is not None else ""
        self._fitness.note(listing.sku, fit=quantity is not None and not reason)
        return RemoteReading(
            listing_id=listing.listing_id,
            quantity=quantity,
            sent_at=seen.sent_at if seen is not None else began,
            received_at=seen.received_at if seen is not None else self._now(),
            findings=tuple(_findings(listing, quantity, reason, known=seen is not None)),
        )


def _findings(
    listing: ListingRef, quantity: int | None, reason: str, *, known: bool
) -> Iterator[AssumptionFinding]:
    absent = MISSING if known else GONE
    yield AssumptionFinding(
        assumption=Assumption.READS_BACK,
        holds=quantity is not None,
        why="" if quantity is not None else absent,
        listing_id=listing.listing_id,
    )
    if known:
        yield AssumptionFinding(
            assumption=Assumption.ENFORCES,
            holds=not reason,
            why=reason,
            listing_id=listing.listing_id,
        )
