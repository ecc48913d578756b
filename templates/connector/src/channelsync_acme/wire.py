"""What crosses the wire, reduced to what may be kept.

A model here is the whitelist: names, addresses, prices and notes are dropped while reading and
reach neither the database nor a log. Replace the shapes by those of your marketplace.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    AwareDatetime,
    Field,
    StringConstraints,
    ValidationError,
)

from channelsync.sdk.wire import Wire

__all__ = [
    "Hook",
    "Hooks",
    "Identifier",
    "Offer",
    "Offers",
    "Order",
    "Orders",
    "Results",
    "WebhookBody",
    "problem",
]

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Units = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]


class Offer(Wire):
    """One offer and its counter, which falls below 0 when staff oversells."""

    id: Identifier
    sku: Annotated[str, StringConstraints(max_length=100)]
    title: str = ""
    quantity: int
    sells_beyond_stock: bool = False


class Offers(Wire):
    """A page of offers."""

    offers: tuple[Offer, ...]
    next: str | None = None


class Line(Wire):
    """One line of an order."""

    id: Identifier
    offer_id: Identifier
    sku: Annotated[str, StringConstraints(max_length=100)]
    ordered: Units
    cancelled: Units = 0
    shipped: Units = 0


class Order(Wire):
    """An order's full state."""

    id: Identifier
    placed_at: AwareDatetime
    changed_at: AwareDatetime
    cancelled_at: AwareDatetime | None = None
    shipped_at: AwareDatetime | None = None
    lines: tuple[Line, ...] = Field(max_length=500)


class Orders(Wire):
    """A page of orders, the longest unchanged first."""

    as_of: AwareDatetime
    orders: tuple[Order, ...]
    next: str | None = None


class WebhookBody(Wire):
    """What a webhook tells."""

    event_id: Identifier
    order: Order


class Result(Wire):
    """What became of one row of a batch."""

    offer_id: Identifier
    status: str


class Results(Wire):
    """What became of a batch; rows in any order."""

    results: tuple[Result, ...]


class Hook(Wire):
    """One webhook subscription."""

    id: Identifier
    topic: str
    url: str


class Hooks(Wire):
    """Every subscription of the account."""

    hooks: tuple[Hook, ...]


def problem(error: ValidationError) -> str:
    """Where and what does not fit, without the value that was given."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(str(step) for step in first['loc']) or 'body'}: {first['type']}"
