"""A decision about one item in the making: what is still free, and what is wanted so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from channelsync.domain.intents import (
    Cut,
    Drain,
    Intent,
    ItemState,
    ListingState,
    Plan,
    Raise,
    Resize,
    Set,
    Zero,
)
from channelsync.domain.vocabulary import Instant, PushSemantics

__all__ = ["Draft", "is_absolute"]


def is_absolute(listing: ListingState) -> bool:
    """Whether the channel can only be told a whole number, late: slow to raise, dear to lower."""
    return listing.semantics is PushSemantics.ABSOLUTE


@dataclass(slots=True)
class Draft:
    """Collects intents; keeps them within `takeable` and to one for each listing."""

    state: ItemState
    available: int
    """Item units of `takeable` that no intent has taken yet."""
    lowerings: list[Intent] = field(default_factory=list)
    raises: list[Intent] = field(default_factory=list)
    decided: set[str] = field(default_factory=set)
    look_again_at: Instant = inf

    def plan(self) -> Plan:
        """Zeros and drains first, then cuts, then raises."""
        order = sorted(self.lowerings, key=lambda intent: isinstance(intent, Cut))
        again = None if self.look_again_at == inf else self.look_again_at
        return Plan(intents=(*order, *self.raises), look_again_at=again)

    # -------------------------------------------------------------- what may be done

    def open_to(self, listing: ListingState) -> bool:
        """Whether a push of the listing may be opened now; else when to look again is noted."""
        if listing.listing_id in self.decided or not listing.movable:
            return False
        return self.due(listing.last_push_at + self.state.policy.min_gap_seconds)

    def due(self, at: Instant) -> bool:
        """Whether `at` has come; else the item is looked at again then."""
        if at <= self.state.now:
            return True
        self.look_again_at = min(self.look_again_at, at)
        return False

    def may_give_last_units(self, listing: ListingState, taker_rate: float) -> bool:
        """The rule of the last units: a clearly faster taker, and a dwell."""
        policy = self.state.policy
        if (listing.exposure or 0) > policy.last_units:
            return True
        if taker_rate <= 0 or taker_rate < policy.rate_ratio * listing.rate_per_hour:
            return False
        touched_at = max(listing.last_sale_at, listing.last_push_at)
        return self.due(touched_at + policy.dwell_settles * listing.settle_seconds)

    def room(self, listing: ListingState) -> int:
        """Listing units that a raise may take, of every component."""
        room = max(self.available, 0) // listing.units
        elsewhere = listing.takeable_elsewhere
        return room if elsewhere is None else max(min(room, elsewhere), 0)

    def cuttable(self, listing: ListingState) -> int:
        """A keyed cut goes no further than what the channel is believed to show."""
        exposure, shown = listing.exposure or 0, listing.remote_quantity
        if shown is None or is_absolute(listing) or listing.semantics is PushSemantics.LIVE:
            return exposure
        return min(exposure, max(shown, 0))

    # -------------------------------------------------------------- what is wanted

    def raise_by(self, listing: ListingState, units: int, reason: str) -> None:
        """Raise a keyed listing, or widen the slice of a live one."""
        self._take(listing, units)
        identity = listing.listing_id
        if listing.semantics is PushSemantics.LIVE:
            self.raises.append(Resize(identity, (listing.exposure or 0) + units, reason))
        else:
            self.raises.append(Raise(identity, units, reason))

    def set_to(self, listing: ListingState, quantity: int, reason: str) -> None:
        """Set an absolute listing; the whole quantity is charged until it settles."""
        self._take(listing, quantity)
        self.raises.append(Set(listing.listing_id, quantity, reason))

    def lower(self, listing: ListingState, units: int, reason: str, *, back: int = 0) -> None:
        """Take `units` away. An absolute listing goes to zero, and later `back` to some."""
        identity, exposure = listing.listing_id, listing.exposure
        if is_absolute(listing):
            self.lowerings.append(Drain(identity, back, reason) if back else Zero(identity, reason))
        elif exposure is None:
            return
        elif listing.semantics is PushSemantics.LIVE:
            self.lowerings.append(Resize(identity, exposure - units, reason))
        else:
            distance = min(units, self.cuttable(listing))
            if distance <= 0:
                return
            self.lowerings.append(Cut(identity, distance, reason))
        self.decided.add(identity)

    def _take(self, listing: ListingState, units: int) -> None:
        self.available -= units * listing.units
        self.decided.add(listing.listing_id)

    # -------------------------------------------------------------- what is on its way

    def on_its_way(self) -> int:
        """Item units that open pushes and the lowerings of this draft will give back."""
        by_id = {one.listing_id: one for one in self.state.listings}
        total = sum(one.returning * one.units for one in self.state.listings)
        for intent in self.lowerings:
            listing = by_id[intent.listing_id]
            exposure = listing.exposure or 0
            match intent:
                case Cut():
                    units = intent.units
                case Resize():
                    units = exposure - intent.exposure
                case _:
                    units = exposure
            total += units * listing.units
        return total
