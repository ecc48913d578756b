"""Connections: nodes with a cursor to go on from."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from graphql import GraphQLError

__all__ = ["connection"]

FIRST_MAX: Final = 250
Thing = TypeVar("Thing")


def connection(
    things: Iterable[Thing],
    *,
    first: int | None,
    after: str | None,
    key: Callable[[Thing], tuple[float, ...]],
    node: Callable[[Thing], object],
) -> Mapping[str, Any]:
    """One page in the order of `key`, whatever was added or moved since the page before."""
    if first is None or not 1 <= first <= FIRST_MAX:
        raise GraphQLError(
            f"you must provide first, from 1 to {FIRST_MAX}", extensions={"code": "BAD_REQUEST"}
        )
    reached = _position(after)
    ordered = sorted(
        (thing for thing in things if reached is None or key(thing) > reached), key=key
    )
    page = ordered[:first]
    return {
        "nodes": [node(thing) for thing in page],
        "page_info": {
            "has_next_page": len(ordered) > len(page),
            "has_previous_page": after is not None,
            "start_cursor": _cursor(key(page[0])) if page else None,
            "end_cursor": _cursor(key(page[-1])) if page else None,
        },
    }


def _cursor(position: tuple[float, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _position(cursor: str | None) -> tuple[float, ...] | None:
    if cursor is None:
        return None
    try:
        return tuple(json.loads(base64.urlsafe_b64decode(cursor)))
    except (binascii.Error, ValueError) as error:
        raise GraphQLError("Invalid cursor", extensions={"code": "BAD_REQUEST"}) from error
