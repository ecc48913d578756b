"""Which locations serve an order line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from channelsync.domain.errors import InvariantViolated

__all__ = ["Candidate", "route"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A location that could serve. A lower `priority` number is tried first."""

    location_id: int
    available: int
    """`on_hand - reserved` there; safety stock does not bind an accepted order."""
    priority: int
    preferred: bool = False
    """The channel itself said that this location sold or ships it."""


def route(units: int, candidates: Sequence[Candidate]) -> dict[int, int]:
    """Spread `units` over locations: the fewest splits, then by priority. Returns units by id.

    A sale is a fact: what no location has is put on the first choice, whose balance then shows it.

    Raises:
        InvariantViolated: there is no location at all.
    """
    if not candidates:
        raise InvariantViolated("a pool without locations cannot serve an order")
    ranked = sorted(candidates, key=lambda c: (not c.preferred, c.priority, c.location_id))
    if ranked[0].preferred:
        return {ranked[0].location_id: units}
    for candidate in ranked:
        if candidate.available >= units:
            return {candidate.location_id: units}
    plan: dict[int, int] = {}
    left = units
    largest_first = sorted(ranked, key=lambda c: -c.available)
    for candidate in largest_first:
        take = min(left, max(candidate.available, 0))
        if take:
            plan[candidate.location_id] = take
            left -= take
    if left:
        first = ranked[0].location_id
        plan[first] = plan.get(first, 0) + left
    return plan
