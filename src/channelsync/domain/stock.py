"""Stock of one item at its locations, and what a pool of locations may promise."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from channelsync.domain.errors import InvariantViolated

__all__ = ["PoolStock", "StockLevel", "pool_stock"]


class StockLevel(Struct, frozen=True, gc=False, kw_only=True):
    """Units of one item at one location. `on_hand` may be negative: a till sells what it sees."""

    on_hand: int = 0
    reserved: int = 0
    safety_stock: int = 0
    on_order: int = 0
    in_transit: int = 0
    """Units on their way here from another location; they count when they arrive."""

    def __post_init__(self) -> None:
        if min(self.reserved, self.safety_stock, self.on_order, self.in_transit) < 0:
            raise InvariantViolated(
                f"negative reserved, safety stock, on order or in transit: {self}"
            )

    @property
    def atp(self) -> int:
        """Available to promise here. Safety stock protects only units that are there."""
        return self.on_hand - self.reserved - min(self.safety_stock, max(self.on_hand, 0))

    @property
    def future_atp(self) -> int:
        """ATP once everything inbound has arrived."""
        return self.atp + self.on_order


class PoolStock(Struct, frozen=True, gc=False, kw_only=True):
    """One item over all locations of a pool."""

    on_hand: int
    reserved: int
    safety_stock: int
    on_order: int
    atp: int
    in_transit: int = 0
    """Units on their way to one of the locations."""

    @property
    def future_atp(self) -> int:
        """ATP once everything inbound has arrived."""
        return self.atp + self.on_order


def pool_stock(levels: Iterable[StockLevel], *, default_safety_stock: int = 0) -> PoolStock:
    """Add up a pool.

    Where no location sets a safety stock of its own, `default_safety_stock` applies once to the
    whole pool; otherwise the locations' sum replaces it. A negative location counts.
    """
    on_hand = reserved = own_safety = on_order = in_transit = atp = 0
    for level in levels:
        on_hand += level.on_hand
        reserved += level.reserved
        own_safety += level.safety_stock
        on_order += level.on_order
        in_transit += level.in_transit
        atp += level.atp
    if own_safety == 0:
        atp -= min(default_safety_stock, max(on_hand, 0))
    return PoolStock(
        on_hand=on_hand,
        reserved=reserved,
        safety_stock=own_safety or default_safety_stock,
        on_order=on_order,
        atp=atp,
        in_transit=in_transit,
    )
