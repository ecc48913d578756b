"""What `channelsync.domain.rebalance` is told about an item, and what it wants done.

The engine fills `ItemState` from its tables (level-triggered: the state alone decides, never the
event that led here) and turns each intent into a push in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TypeAlias

from msgspec import Struct, field

from channelsync.domain.errors import InvariantViolated
from channelsync.domain.vocabulary import Enforces, Instant, PushSemantics

__all__ = [
    "Cut",
    "Drain",
    "Intent",
    "ItemState",
    "ListingState",
    "Plan",
    "Policy",
    "Raise",
    "Resize",
    "Set",
    "Zero",
]


class ListingState(Struct, frozen=True, gc=False, kw_only=True):
    """One listing as the books know it. Quantities are listing units unless said otherwise."""

    listing_id: str
    channel: str
    semantics: PushSemantics
    enforces: Enforces = Enforces.STRICT
    exposure: int | None
    """None: never settled, counts as "all"."""
    target: int
    """What the allocation wants it to hold: 0 while its channel is paused or its feed quiet."""
    withdraw: bool = False
    """Its units are wanted back at once, needed elsewhere or not: a paused channel, a quiet feed,
    a broken assumption, a removed listing. Use it with `target=0`."""
    units: int = 1
    """Units of this item in one listing unit."""
    takeable_elsewhere: int | None = None
    """Listing units that the other components of its recipe allow; None: no other component."""
    remote_quantity: int | None = None
    """What the channel is believed to show, where known; it is never above `exposure`."""
    push_open: bool = False
    """A push is open: charged, under way, in quarantine or waiting for its settle."""
    returning: int = 0
    """Units that its open push is expected to give back: the distance of a cut, the exposure
    under a zero or a drain, what a set will replace."""
    overtakable: bool = False
    """Its open push is an absolute set under way, perhaps stuck: a zero may overtake it."""
    settling: bool = False
    """Its exposure is inexact and a settle is due: nothing is decided on its number till then."""
    last_push_at: Instant = -inf
    drain_target: int | None = None
    """A drain was begun: the listing goes to 0, settles, and is then set to this many units."""
    last_sale_at: Instant = -inf
    """When its latest sale was counted."""
    rate_per_hour: float = 0.0
    """Units sold per EXPOSED hour (`channelsync.domain.demand`), the prior where unexposed."""
    rank: int = 0
    """Order in which listings draw on the common pool: the lowest first."""
    lead_seconds: float = 0.0
    """From a sale on the channel until a push in answer to it shows: mean time until the sale is
    counted, plus mean time to apply."""
    feed_seconds: float = 0.0
    """The part of `lead_seconds` until a sale is counted."""
    settle_seconds: float = 0.0
    """From a lowering until its units are free: quarantine plus read-back plus watermark."""

    def __post_init__(self) -> None:
        if self.units <= 0 or self.target < 0:
            raise InvariantViolated(f"listing {self.listing_id}: {self.units=} {self.target=}")
        if self.withdraw and self.target:
            raise InvariantViolated(f"listing {self.listing_id} is withdrawn, yet has a target")

    @property
    def apply_seconds(self) -> float:
        """Mean time from opening a push until shoppers see it."""
        return max(self.lead_seconds - self.feed_seconds, 0.0)

    @property
    def movable(self) -> bool:
        """Whether a new push may be opened."""
        return not self.push_open and not self.settling and self.exposure is not None

    @property
    def zeroable(self) -> bool:
        """Whether it may be lowered in need: a zero is safe at any time."""
        return self.movable or self.overtakable


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the rebalance weighs. Times in seconds."""

    low_water: float = 0.5
    """A listing that holds less than this part of its target is topped up."""
    hold_back: bool = False
    """Pace the grants: give a selling listing what it will surely sell, keep the rest in `free`
    where any listing can still draw it, and weigh every slow push (`domain.pacing`). For rules
    that share by demand (`Rule.paced`); without it listings are kept near their targets."""
    min_gap_seconds: float = 0.0
    """Between two pushes of one listing, urgent ones excepted (deficit, withdrawal)."""
    dwell_settles: float = 9.0
    """Last units move only after their listing has neither sold nor been pushed for this many
    times its settle time."""
    rate_ratio: float = 1.5
    """Last units move only towards a listing that sells this many times faster."""
    last_units: int = 2
    """A listing that holds no more than this many units holds its last units."""
    quiet_sales: float = 20.0
    """Shopping has stopped when the time of this many expected sales went by without one. Then
    nothing is held back any more."""

    def __post_init__(self) -> None:
        if not 0 <= self.low_water <= 1 or self.rate_ratio < 1 or self.quiet_sales <= 0:
            raise InvariantViolated(f"policy {self}")


class ItemState(Struct, frozen=True, gc=False, kw_only=True):
    """One item in one pool at `now`."""

    now: Instant
    free: int
    """Item units: ATP less every exposure. Below 0 is a deficit."""
    takeable: int
    """Item units a raise may take: `free`, or 0 while a listing of the item is unsettled."""
    listings: tuple[ListingState, ...]
    last_sale_at: Instant = -inf
    """When the latest sale of the item, on any channel, was counted."""
    policy: Policy = field(default_factory=Policy)

    @property
    def deficit(self) -> int:
        """Item units promised beyond ATP."""
        return max(-self.free, 0)


class Raise(Struct, frozen=True, gc=False):
    """Keyed: add `units` to what the channel shows; `free` has them."""

    listing_id: str
    units: int
    reason: str


class Cut(Struct, frozen=True, gc=False):
    """Keyed: take `units` away; they are free after the quarantine."""

    listing_id: str
    units: int
    reason: str


class Set(Struct, frozen=True, gc=False):
    """Absolute: show `quantity`, above 0; `free` has all of it."""

    listing_id: str
    quantity: int
    reason: str


class Zero(Struct, frozen=True, gc=False):
    """Absolute: show nothing, and stay there."""

    listing_id: str
    reason: str


class Drain(Struct, frozen=True, gc=False):
    """Absolute: show nothing now, settle, then set about `target`.

    The engine pushes the zero and remembers `target` (`ListingState.drain_target`) until the
    closing `Set`, or a plain `Zero`, is opened.
    """

    listing_id: str
    target: int
    reason: str


class Resize(Struct, frozen=True, gc=False):
    """Live channel: make its protected slice `exposure` units."""

    listing_id: str
    exposure: int
    reason: str


Intent: TypeAlias = Raise | Cut | Set | Zero | Drain | Resize


class Plan(Struct, frozen=True, gc=False, kw_only=True):
    """What to do now, in this order, and when to look again though nothing happens."""

    intents: tuple[Intent, ...] = ()
    look_again_at: Instant | None = None
