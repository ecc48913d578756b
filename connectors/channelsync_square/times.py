"""Square's times and quantities, to and from ours.

Square writes RFC 3339 with up to nine fraction digits in events, `2022-01-10 23:29:48 +0000 UTC` in
subscriptions, and leaves the zone out in some examples (its OpenAPI description, 2025-08-20). All
of them are UTC.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from channelsync.sdk.types import Instant

__all__ = ["decimal", "instant", "iso", "units_at_least"]

PATTERN: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,9})?\s*(Z|[+-]\d\d:?\d\d)?(?: UTC)?"
)
MILLISECOND: Final = 1_000


def instant(text: object) -> Instant:
    """The instant of one of Square's times.

    Raises:
        ValueError: it is no time.
    """
    match = PATTERN.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a time of Square's")
    day, clock, fraction, zone = match.groups()
    offset = "+00:00" if zone in {None, "Z"} else zone
    whole = datetime.fromisoformat(f"{day}T{clock}{offset}").timestamp()
    return whole + float(fraction or 0)


def iso(at: Instant) -> str:
    """RFC 3339 in UTC with milliseconds, rounded down."""
    milliseconds = math.floor(at * MILLISECOND)
    second, rest = divmod(milliseconds, MILLISECOND)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"


def decimal(text: object) -> Decimal:
    """A quantity: Square writes decimal text, never a number.

    Raises:
        ValueError: it is none.
    """
    try:
        value = Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite():
        raise ValueError("not a quantity of Square's")
    return value


def units_at_least(quantity: Decimal) -> int:
    """Whole units that cover a quantity: half a unit sold is a unit that cannot be sold again."""
    return math.ceil(quantity)
