"""The order search, as far as anybody here searches: terms that must all hold."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Final

from channelsync_shopify.simulator.state import Order
from channelsync_shopify.times import instant

__all__ = ["matches"]

TERM: Final = re.compile(r"(?P<name>[a-z_]+):(?P<compare>>=|<=|>|<)?(?P<value>'[^']*'|\S+)")
COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
TIMES: Final = ("created_at", "updated_at")


def matches(order: Order, query: str) -> bool:
    """Whether an order is found.

    Raises:
        ValueError: the query uses what this search does not know.
    """
    return all(_holds(order, term) for term in TERM.finditer(query))


def _holds(order: Order, term: re.Match[str]) -> bool:
    name, value = term["name"], term["value"].strip("'")
    if name in TIMES:
        at: float = getattr(order, name)
        return COMPARISONS[term["compare"]](at, instant(value))
    if name == "fulfillment_status":
        return bool(_statuses(order) & set(value.split(",")))
    raise ValueError(f"the simulated search knows no {name!r}")


def _statuses(order: Order) -> set[str]:
    shipped = sum(order.shipped(line) for line in order.lines)
    to_ship = sum(line.to_ship for line in order.lines)
    if not shipped:
        return {"unshipped", "unfulfilled"}
    return {"partial", "unfulfilled"} if to_ship else {"shipped", "fulfilled"}
