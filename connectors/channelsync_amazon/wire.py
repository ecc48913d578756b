"""Amazon's answers about listings, sellers and feeds, as far as we ask for them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from channelsync.sdk.wire import CamelWire, JsonAnswer, Shape, shaped
from channelsync_amazon.times import instant

__all__ = [
    "Availability",
    "FeedAnswer",
    "FeedDocument",
    "FeedReport",
    "Issue",
    "ListingItem",
    "ListingsPage",
    "Participations",
    "ReportIssue",
    "Submission",
    "Summary",
    "Time",
    "understood",
]

Time = Annotated[
    float, BeforeValidator(lambda value: instant(value) if isinstance(value, str) else value)
]
"""An ISO 8601 time on the wire, an instant here."""


def understood(shape: type[Shape], answer: JsonAnswer) -> Shape:
    """The answer as a shape of ours.

    Raises:
        Retryable: it is not of the documented shape.
    """
    return shaped(shape, answer.body, of="Amazon")


class Issue(CamelWire):
    """What Amazon finds wrong with a submission or a listing."""

    code: str
    message: str
    severity: str


class Submission(CamelWire):
    """The answer to a patch. `ACCEPTED` means queued, and no more."""

    sku: str
    status: str
    submission_id: str
    issues: tuple[Issue, ...] = ()


class Summary(CamelWire):
    """A listing in one marketplace."""

    marketplace_id: str
    asin: str | None = None
    status: tuple[str, ...] = ()
    item_name: str = ""
    created_date: Time


class Availability(CamelWire):
    """The live quantity in one fulfilment network. Absent where Amazon keeps it (FBA)."""

    fulfillment_channel_code: str
    quantity: int | None = None


class ListingItem(CamelWire):
    """One offer: `fulfillment_availability` is live, the attribute of that name what was sent."""

    sku: str
    summaries: tuple[Summary, ...] = ()
    attributes: dict[str, Any] = Field(default_factory=dict)
    fulfillment_availability: tuple[Availability, ...] = ()


class _Paging(CamelWire):
    next_token: str | None = None


class ListingsPage(CamelWire):
    """One page of a search."""

    number_of_results: int
    items: tuple[ListingItem, ...]
    pagination: _Paging | None = None

    @property
    def next_token(self) -> str | None:
        """Where to go on."""
        return self.pagination.next_token if self.pagination is not None else None


class _Marketplace(CamelWire):
    id: str


class _Standing(CamelWire):
    is_participating: bool
    has_suspended_listings: bool


class _Participation(CamelWire):
    marketplace: _Marketplace
    participation: _Standing


class Participations(CamelWire):
    """Where the account sells."""

    payload: tuple[_Participation, ...]


class FeedDocument(CamelWire):
    """Where a document is put or fetched. The address lives for minutes."""

    feed_document_id: str
    url: str
    compression_algorithm: str | None = None


class FeedAnswer(CamelWire):
    """How far a feed is."""

    feed_id: str
    processing_status: str = ""
    result_feed_document_id: str | None = None


class ReportIssue(CamelWire):
    """What was wrong with one message of a feed, or (no id) with all of it."""

    message_id: int | None = None
    code: str
    severity: str
    message: str


class FeedReport(CamelWire):
    """What became of a feed's messages."""

    issues: tuple[ReportIssue, ...] = ()
