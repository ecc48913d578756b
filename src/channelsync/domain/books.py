"""`free`: the units of an item that nothing may sell yet. Derived, never stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from channelsync.domain.errors import InsufficientFree, InvariantViolated

__all__ = ["Claim", "ItemBooks", "takeable_units"]


class Claim(Struct, frozen=True, gc=False, kw_only=True):
    """What one listing may still sell of one item: `exposure` listing units of `units` each."""

    listing_id: str
    units: int
    exposure: int | None

    def __post_init__(self) -> None:
        if self.units <= 0:
            raise InvariantViolated(f"listing {self.listing_id} uses {self.units} units")


class ItemBooks(Struct, frozen=True, gc=False, kw_only=True):
    """ATP of one item in one pool against the claims of every listing that contains it."""

    atp: int
    claims: tuple[Claim, ...] = ()

    @property
    def unsettled(self) -> tuple[str, ...]:
        """Listings that count as "all" because they were never settled."""
        return tuple([claim.listing_id for claim in self.claims if claim.exposure is None])

    @property
    def exposure(self) -> int:
        """Item units that settled listings may still sell."""
        return sum([claim.units * (claim.exposure or 0) for claim in self.claims])

    @property
    def free(self) -> int:
        """`ATP - sum(recipe * exposure)`; below 0 is a deficit, and then only cuts are allowed."""
        return self.atp - self.exposure

    @property
    def takeable(self) -> int:
        """Units that a raise, a hold or a live sale may take now: none while one is unsettled."""
        return 0 if self.unsettled else max(self.free, 0)

    @property
    def deficit(self) -> int:
        """Units promised beyond ATP."""
        return max(-self.free, 0)

    def require(self, units: int) -> None:
        """Refuse loudly when `units` cannot be taken.

        Raises:
            InsufficientFree: `units` exceeds what can be taken.
        """
        if units > self.takeable:
            raise InsufficientFree(units, self.takeable)


def takeable_units(recipe: Mapping[int, int], takeable: Iterable[tuple[int, int]]) -> int:
    """How many listing units the components allow. `takeable` pairs item id and item units.

    Raises:
        InvariantViolated: a component of the recipe is missing from `takeable`.
    """
    by_item = dict(takeable)
    if missing := recipe.keys() - by_item.keys():
        raise InvariantViolated(f"no books for items {sorted(missing)}")
    return min(by_item[item] // units for item, units in recipe.items())
