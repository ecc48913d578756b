"""How much is measured: in full, or just enough to see that every part runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FULL", "SMALL", "Scale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Sizes of every part."""

    rounds: int
    orders: int
    """Orders of one round of `orders`."""
    order_items: int
    bare_seconds: int
    """How long a limit that runs for a time is watched."""
    requests: int
    """Webhooks of one round of `receiver`."""
    connections: int
    sales: int
    """Sales of one round of `push`."""
    sales_per_second: float
    wake_ups: int
    plan_items: int
    movements: int
    page_loads: int
    """Loads of one round of `overview`."""
    listings: int
    """Listings of `memory`."""
    load_listings: int
    """Listings of `first-load`."""
    load_is_long: bool
    """Whether it is long enough for its targets to mean something."""
    trials: int
    """Trials in one round of `pushes`."""
    ledger_rows: tuple[int, ...]
    """Movements behind the orders of `growth`; the first is the limit."""
    clients: int
    """Buyers at once in `holds`."""
    holds: int
    """Holds of one round of `holds`."""
    streams: int
    """Open streams of `streams`."""
    stream_events: int
    starts: int
    """Starts in one round of `start`, of which the median counts."""


FULL: Final = Scale(
    rounds=3,
    orders=3_000,
    order_items=300,
    bare_seconds=5,
    requests=4_000,
    connections=32,
    sales=500,
    sales_per_second=50.0,
    wake_ups=300,
    plan_items=100_000,
    movements=1_000_000,
    page_loads=30,
    listings=100_000,
    load_listings=100_000,
    load_is_long=True,
    trials=40,
    ledger_rows=(100, 100_000, 10_000_000),
    clients=200,
    holds=2_000,
    streams=200,
    stream_events=20,
    starts=5,
)
SMALL: Final = Scale(
    rounds=1,
    orders=20,
    order_items=5,
    bare_seconds=1,
    requests=20,
    connections=4,
    sales=5,
    sales_per_second=50.0,
    wake_ups=5,
    plan_items=20,
    movements=20,
    page_loads=2,
    listings=20,
    load_listings=20,
    load_is_long=False,
    trials=1,
    ledger_rows=(10, 100),
    clients=4,
    holds=8,
    streams=5,
    stream_events=2,
    starts=1,
)
