"""The shortest that a first load can be, by what a marketplace imposes and no program can avoid.

Counted are the catalogue, a reading of every listing after it, the time until the orders placed
before a reading are surely visible, the writing, and what the marketplace takes for a batch where
it works on batches. Nothing of how this program goes about it: how much it puts into a batch, how
often it polls, when it looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from channelsync.engine.first_load import seconds_allowed

__all__ = ["Batches", "shortest_seconds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """Writing by batches that the marketplace works off one after the other."""

    size_max: int
    seconds_min: float
    """What it takes for one, at least."""
    singles_per_second: float
    """What may be written one by one beside them, and is taken in at once."""


def shortest_seconds(
    listings: int,
    rates: Mapping[str, float],
    *,
    visible_after_seconds: float,
    batches: Batches | None = None,
) -> float:
    """Seconds from the first call to the last number taken in.

    A number is written when its listing is proven, and a listing is proven when every order is
    visible that was placed before it was read.
    """
    found, read = listings / rates["found"], listings / rates["read"]
    if batches is None:
        slower = max(read, listings / rates["written"])
        calls = seconds_allowed(listings, listings, rates)
        return found + max(calls, visible_after_seconds + slower)
    one_by_one = max(read, listings / batches.singles_per_second)
    return found + visible_after_seconds + min(one_by_one, _in_batches(listings, read, batches))


def _in_batches(listings: int, read: float, batches: Batches) -> float:
    """Seconds from the first listing that is proven to the last number taken in.

    What is proven after the last batch has left goes one by one. So many are proven in the time
    that one batch takes that it leaves shortly before the last of them, and ends that much sooner.
    """
    proven_per_second = listings / read
    left_out = min(batches.singles_per_second / proven_per_second, 1.0)
    together = batches.size_max / batches.seconds_min + batches.singles_per_second
    return max(read + batches.seconds_min * (1.0 - left_out), listings / together)
