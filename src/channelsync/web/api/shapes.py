"""What the API's bodies have in common: instants as ISO 8601, pages, problem documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Query
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from channelsync.web.problems import MEDIA_TYPE

__all__ = [
    "ERRORS",
    "Body",
    "Limit",
    "Moment",
    "Page",
    "ProblemDocument",
    "Reason",
    "Shown",
    "Sku",
    "Text",
    "Units",
    "errors",
    "instant_of",
    "page_of",
]

LIMIT_MAX: Final = 500
UNITS_MAX: Final = 1_000_000_000
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

Text = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Sku = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["MUG"]),
]
Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=500,
        pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$",
        description="Why: it is part of the books.",
        examples=["broken in transit"],
    ),
]
Units = Annotated[int, Field(strict=True, ge=0, le=UNITS_MAX)]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Rows of a page.")]


def _moment(value: Any) -> Any:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else value


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(_iso, return_type=str),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-11-21T09:00:00.000Z"]}
    ),
]
"""An instant as ISO 8601 in UTC; inside the program it is POSIX seconds."""


def instant_of(at: datetime | None) -> float | None:
    """A moment that somebody sent, as the program keeps it.

    Raises:
        ValueError: it says no time zone, or is out of all reason.
    """
    if at is None:
        return None
    if at.tzinfo is None:
        raise ValueError("say the time zone: 2026-11-21T09:00:00Z")
    if not EARLIEST <= at <= LATEST:
        raise ValueError("this instant is out of all reason")
    return at.timestamp()


class Body(BaseModel):
    """What somebody sends: nothing that is not known here."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )


class Shown(BaseModel):
    """What we answer."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


Row = TypeVar("Row", bound=Shown)


class Page(Shown, Generic[Row]):
    """Some rows, and where the next ones begin."""

    items: Sequence[Row]
    next: str | None = Field(
        description="Give it as `after` to see the next page; null: this is the last."
    )


def page_of(
    model: type[Row], rows: Iterable[Mapping[str, Any] | object], limit: int, key: str
) -> Page[Row]:
    """A page of `limit` rows at most, whose last row's `key` is where the next one begins."""
    shown = [model.model_validate(row, from_attributes=True) for row in rows]
    full = len(shown) >= limit
    return Page[model](items=shown, next=str(getattr(shown[-1], key)) if full else None)  # type: ignore[valid-type]


class Complaint(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(examples=["body.units"])
    what: str = Field(examples=["Input should be greater than or equal to 0"])


class ProblemDocument(BaseModel):
    """RFC 9457. Some refusals say more: `errors`, `sku`, `permission`."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(default="", examples=["there is no item 'MUGG'; did you mean 'MUG'?"])
    request_id: str | None = Field(
        default=None,
        description="As in X-Request-Id, the log and the audit trail.",
        examples=["0b8a5f3c6d2e4f719e1a2b3c4d5e6f70"],
    )
    errors: list[Complaint] = []


_SAID: Final[Mapping[int, str]] = {
    400: "The request cannot be read.",
    401: "Nobody that is known here.",
    403: "Known, and not allowed to.",
    404: "There is none, or it is out of your reach.",
    409: "It does not fit what is; or the first request with this Idempotency-Key is in flight.",
    412: "It is not what `If-Match` says any more: read it again.",
    413: "The body is above 1 MiB.",
    415: "The body has a Content-Encoding.",
    422: "The request is of the wrong shape, makes no sense, or its Idempotency-Key was used for"
    " another one.",
    429: "Too many requests; `Retry-After` says when to go on.",
    503: "The database cannot be used now; nothing was changed.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How these errors are answered, for the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        example = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": _SAID[status],
            "request_id": "0b8a5f3c6d2e4f719e1a2b3c4d5e6f70",
        }
        content = {MEDIA_TYPE: {"schema": schema, "example": example}}
        found[status] = {"description": _SAID[status], "content": content}
    return found


ERRORS: Final = errors(*_SAID)
"""Every error that a route of the API may answer with."""
