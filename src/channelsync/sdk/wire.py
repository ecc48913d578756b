"""What connectors to JSON APIs share: answers, shapes, and the place where a poll goes on.

Nothing here is needed by a connector; a marketplace that speaks JSON over HTTP finds here what each
of them would write again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Final, Self, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from channelsync.sdk.errors import Misconfigured, Retryable
from channelsync.sdk.types import Instant

__all__ = [
    "CamelWire",
    "JsonAnswer",
    "Shape",
    "StoredPlace",
    "Wire",
    "after_seconds",
    "http_date",
    "json_bytes",
    "json_object",
    "shaped",
]

AFTER_SECONDS_MAX: Final = 600.0
"""Longer than this no header makes us wait."""
SHOWN_MAX: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonAnswer:
    """An HTTP answer, whatever it says."""

    status: int
    headers: httpx.Headers
    body: Mapping[str, Any] | None
    """None: it is not a JSON object."""
    sent_at: Instant
    received_at: Instant

    @classmethod
    def of(cls, response: httpx.Response, *, sent_at: Instant, received_at: Instant) -> Self:
        """The answer to a request that was sent and came back at these times."""
        return cls(
            status=response.status_code,
            headers=response.headers,
            body=json_object(response),
            sent_at=sent_at,
            received_at=received_at,
        )

    @property
    def server_time(self) -> Instant | None:
        """The server's clock when the answer was made, as its `Date` header tells."""
        return http_date(self.headers.get("date"))

    @property
    def not_before(self) -> Instant:
        """An instant, on the server's clock and on ours, before which the answer was not made."""
        told = self.server_time
        if told is None:
            return self.sent_at
        return min(self.sent_at, told - (self.received_at - self.sent_at))


def json_object(response: httpx.Response) -> Mapping[str, Any] | None:
    """The body as a JSON object; None: it is something else."""
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """The bytes of a request; the same content gives the same bytes."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def http_date(text: str | None) -> Instant | None:
    """The instant of an HTTP `Date` header; None where it is absent or unreadable."""
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def after_seconds(headers: httpx.Headers, default: float | None) -> float | None:
    """How many seconds `Retry-After` asks us to wait, bounded; `default` where it does not say."""
    try:
        asked = float(headers["retry-after"])
    except (KeyError, ValueError):
        return default
    return default if math.isnan(asked) else min(max(asked, 0.0), AFTER_SECONDS_MAX)


# ------------------------------------------------------------------ shapes


class Wire(BaseModel):
    """A shape of what crosses the wire. What it does not name is dropped while reading."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class CamelWire(Wire):
    """A shape whose names are in camelCase on the wire, and in snake_case here."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


Shape = TypeVar("Shape", bound=Wire)


def shaped(shape: type[Shape], content: object, *, of: str) -> Shape:
    """Content that came over the wire, in its documented shape.

    Args:
        shape: What it should look like.
        content: As JSON has it.
        of: Whose answer it is, for people.

    Raises:
        Retryable: it has another shape; which field is said, what it holds is not.
    """
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        places = {".".join(map(str, one["loc"])) for one in error.errors(include_input=False)}
        where = ", ".join(sorted(place or "its top" for place in places)[:3])
        raise Retryable(
            f"{of}'s answer is not of the documented shape ({shape.__name__}: {where})"
        ) from None


# ------------------------------------------------------------------ where a poll goes on


class StoredPlace(BaseModel):
    """Base of a poll's cursor: opaque to the engine, JSON, safe to use twice.

    Fields that are added later need a default, for places are kept across releases.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    WHERE: ClassVar[str] = "the channel's orders"
    """What it is a place in, for people."""

    @classmethod
    def read(cls, text: str) -> Self:
        """A place as it was handed out.

        Raises:
            Misconfigured: it is not one of ours.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            raise Misconfigured(
                f"the stored place in {cls.WHERE} is unreadable ({text[:SHOWN_MAX]!r}): remove and"
                " adopt the channel again"
            ) from None

    def text(self) -> str:
        """As it is handed out."""
        return self.model_dump_json(exclude_none=True)
