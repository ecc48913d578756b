"""Amazon's answers about listings, sellers and feeds, as far as we ask for them."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from channelsync.sdk.errors import Retryable
from channelsync_amazon.api import Answer
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
    "Wire",
    "understood",
]

Time = Annotated[
    float, BeforeValidator(lambda value: instant(value) if isinstance(value, str) else value)
]
"""An ISO 8601 time on the wire, an instant here."""


class Wire(BaseModel):
    """Names in camelCase on the wire; what we did not ask for is ignored, never kept."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )


Shape = TypeVar("Shape", bound=Wire)


def understood(shape: type[Shape], answer: Answer) -> Shape:
    """The answer as a shape of ours.

    Raises:
        Retryable: it is not of the documented shape.
    """
    try:
        return shape.model_validate(answer.body)
    except ValidationError as error:
        name = shape.__name__
        raise Retryable(f"an answer is not of the documented shape ({name})") from error


class Issue(Wire):
    """What Amazon finds wrong with a submission or a listing."""

    code: str
    message: str
    severity: str


class Submission(Wire):
    """The answer to a patch. `ACCEPTED` means queued, and no more."""

    sku: str
    status: str
    submission_id: str
    issues: tuple[Issue, ...] = ()


class Summary(Wire):
    """A listing in one marketplace."""

    marketplace_id: str
    asin: str | None = None
    status: tuple[str, ...] = ()
    item_name: str = ""
    created_date: Time


class Availability(Wire):
    """The live quantity in one fulfilment network. Absent where Amazon keeps it (FBA)."""

    fulfillment_channel_code: str
    quantity: int | None = None


class ListingItem(Wire):
    """One offer: `fulfillment_availability` is live, the attribute of that name what was sent."""

    sku: str
    summaries: tuple[Summary, ...] = ()
    attributes: dict[str, Any] = {}
    fulfillment_availability: tuple[Availability, ...] = ()


class _Paging(Wire):
    next_token: str | None = None


class ListingsPage(Wire):
    """One page of a search."""

    number_of_results: int
    items: tuple[ListingItem, ...]
    pagination: _Paging | None = None

    @property
    def next_token(self) -> str | None:
        """Where to go on."""
        return self.pagination.next_token if self.pagination is not None else None


class _Marketplace(Wire):
    id: str


class _Standing(Wire):
    is_participating: bool
    has_suspended_listings: bool


class _Participation(Wire):
    marketplace: _Marketplace
    participation: _Standing


class Participations(Wire):
    """Where the account sells."""

    payload: tuple[_Participation, ...]


class FeedDocument(Wire):
    """Where a document is put or fetched. The address lives for minutes."""

    feed_document_id: str
    url: str
    compression_algorithm: str | None = None


class FeedAnswer(Wire):
    """How far a feed is."""

    feed_id: str
    processing_status: str = ""
    result_feed_document_id: str | None = None


class ReportIssue(Wire):
    """What was wrong with one message of a feed, or (no id) with all of it."""

    message_id: int | None = None
    code: str
    severity: str
    message: str


class FeedReport(Wire):
    """What became of a feed's messages."""

    issues: tuple[ReportIssue, ...] = ()
