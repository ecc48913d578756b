"""What a store can hold. Authentic news that it cannot is set aside, or would return for ever."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Final

from channelsync.sdk.errors import BadDelivery
from channelsync.sdk.types import Delivery, Parsed

__all__ = ["UNITS_MAX", "require_holdable", "require_storable"]

UNITS_MAX: Final = 2**31 - 1
"""The largest number of an INTEGER column of PostgreSQL."""


def require_storable(delivery: Delivery) -> None:
    """Refuse a delivery that the table of deliveries cannot hold.

    Raises:
        BadDelivery: a text of it is none that a database takes, or its reduction is no JSON.
    """
    _check((delivery.dedupe_key, delivery.topic))
    try:
        json.dumps(dict(delivery.reduced), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadDelivery(f"its reduction is no JSON ({error})") from None


def require_holdable(parsed: Parsed) -> None:
    """Refuse news with a text or a number that no column holds.

    Raises:
        BadDelivery: it names what is wrong.
    """
    _check(parsed)


def _check(value: object) -> None:
    """Everything in it, however deep. What is false in itself (0, an empty text) is held always."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if not one:
            continue
        if isinstance(one, str):
            if not _is_text(one):
                raise BadDelivery(f"a text that no database holds: {one[:60]!a}")
        elif isinstance(one, int | float):
            bound = UNITS_MAX if isinstance(one, int) else sys.float_info.max
            if not -bound <= one <= bound:  # nor is a NaN
                raise BadDelivery(f"a number that is not finite, or beyond {UNITS_MAX}")
        else:
            waiting += _parts(one)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return "\0" not in text


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, tuple | list):
        return value
    # What `dataclasses.fields` goes through; asking that of every value costs more than the check.
    names = getattr(value, "__dataclass_fields__", ())
    if names:
        return [getattr(value, name) for name in names]
    return (*value.keys(), *value.values()) if isinstance(value, Mapping) else ()
