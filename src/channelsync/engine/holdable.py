"""What a store can hold. Authentic news that it cannot is set aside, or would return for ever.

A delivery is set aside whole: polling finds what it was about. A polled page is kept, for nothing
else tells of its orders: a text that no database takes is replaced by one that it does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from math import isnan
from operator import attrgetter
from typing import Any, Final

from msgspec import Struct, structs
from msgspec.structs import replace

from channelsync.sdk.errors import BadDelivery
from channelsync.sdk.types import Delivery, OrderFact, OrderPage, OrderVoid, Parsed

__all__ = ["UNITS_MAX", "require_holdable", "require_storable", "with_storable_texts"]

UNITS_MAX: Final = 2**31 - 1
"""The largest number of an INTEGER column of PostgreSQL."""
_JSON: Final = json.JSONEncoder(allow_nan=False)


def require_storable(delivery: Delivery) -> None:
    """Refuse a delivery that the table of deliveries cannot hold.

    Raises:
        BadDelivery: a text of it is none that a database takes, or its reduction is no JSON.
    """
    _check((delivery.dedupe_key, delivery.topic))
    try:
        _JSON.encode(dict(delivery.reduced))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadDelivery(f"its reduction is no JSON ({error})") from None


def require_holdable(parsed: Parsed) -> None:
    """Refuse news with a text or a number that no column holds.

    Raises:
        BadDelivery: it names what is wrong.
    """
    _check_alike(parsed.facts)
    look = parsed.look_at
    if look is not None:
        _check_alike(look.shown)
        look = replace(look, shown=())
    _check(replace(parsed, facts=(), look_at=look))


def with_storable_texts(page: OrderPage) -> OrderPage:
    """The page with every text of its orders such as a database takes; mostly it is itself.

    The same text becomes the same other one each time, and two stay two, so an order keeps its
    identity. A SKU that was changed is no offer's: its line is parked, and told, like any other
    that nobody knows; the orders beside it are counted.
    """
    try:
        _check((page.facts, page.voids))
    except BadDelivery:
        facts = tuple(_mended_fact(one) for one in page.facts)
        return replace(page, facts=facts, voids=tuple(_mended_void(one) for one in page.voids))
    return page


def _mended_fact(fact: OrderFact) -> OrderFact:
    texts: dict[str, Any] = {
        name: _mended(getattr(fact, name)) for name in ("order_id", "line_id", "origin")
    }
    for name in ("sku", "location"):
        text = getattr(fact, name)
        texts[name] = None if text is None else _mended(text)
    external = {_mended(name): _mended(value) for name, value in fact.external.items()}
    return replace(fact, external=external, **texts)


def _mended_void(void: OrderVoid) -> OrderVoid:
    return replace(void, order_id=_mended(void.order_id))


def _mended(text: str) -> str:
    if _is_text(text):
        return text
    digest = sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    readable = text.encode(errors="replace").decode().replace("\0", "?")
    return f"{readable}~{digest}"


def _check_alike(values: Sequence[Struct]) -> None:
    """The same of values of one kind, field by field: a backlog holds thousands."""
    for field in zip(*map(structs.astuple, values), strict=True):
        said: list[Any] = [one for one in field if one]
        kinds = set(map(type, said))
        if all(issubclass(kind, str) for kind in kinds):
            _check(("".join(said),))
        elif kinds <= {int, float, bool}:
            _check((min(said), max(said)))
            _check([one for one in said if isnan(one)])
        else:
            _check(said)


def _check(value: object) -> None:
    """Everything in it, however deep. What is false in itself (0, an empty text) is held always."""
    waiting = [value]
    while waiting:
        for one in _parts(waiting.pop()):
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
                waiting.append(one)


def _is_text(text: str) -> bool:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair
            return False
    return "\0" not in text


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, tuple | list):
        return value
    if isinstance(value, dict):
        return (*value, *value.values())
    kind: Any = type(value)
    if (fields := _fields_of(kind)) is not None:
        return fields(value)
    return (*value.keys(), *value.values()) if isinstance(value, Mapping) else ()


@cache
def _fields_of(kind: type) -> Callable[[object], tuple[object, ...]] | None:
    """What takes a value apart; None: it has no fields. Found once a class, for news are many."""
    names = getattr(kind, "__dataclass_fields__", None) or getattr(kind, "__struct_fields__", ())
    if not names:
        return None
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda value: (get(value),)
