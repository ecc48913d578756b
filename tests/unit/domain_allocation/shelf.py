"""Listings without shoppers: pushes are opened, finish in any order, and nothing is ever sold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from channelsync.domain.allocation import Offer, allocate
from channelsync.domain.allocation_rules import Rule, Strategy
from channelsync.domain.intents import (
    Cut,
    Drain,
    Intent,
    ItemState,
    ListingState,
    Policy,
    Raise,
    Resize,
    Set,
    Zero,
)
from channelsync.domain.rebalance import rebalance

__all__ = ["Shelf"]

BY_DEMAND = Rule(name="demand", strategy=Strategy.DEMAND)


@dataclass(slots=True)
class Shelf:
    """An item's listings and a clock."""

    now: float
    atp: int
    listings: dict[str, ListingState]
    policy: Policy
    last_sale_at: float
    pushes: int = 0

    def state(self) -> ItemState:
        """The item as the engine would describe it, with targets by the rates of its listings."""
        offers = [Offer(listing_id=n, channel=n, recipe={"MUG": 1}) for n in self.listings]
        rates = {name: one.rate_per_hour for name, one in self.listings.items()}
        targets = allocate(self.atp, offers, BY_DEMAND, rates).targets
        for name, one in self.listings.items():
            self.listings[name] = replace(one, target=targets[name])
        charged = sum((one.exposure or 0) * one.units for one in self.listings.values())
        free = self.atp - charged
        unsettled = any(one.exposure is None for one in self.listings.values())
        return ItemState(
            now=self.now,
            free=free,
            takeable=0 if unsettled else max(free, 0),
            listings=tuple(self.listings.values()),
            last_sale_at=self.last_sale_at,
            policy=self.policy,
        )

    def run_to_rest(self, choose: Callable[[int], int], most: int = 400) -> None:
        """Play until nothing is open, wanted or awaited; `choose(n)` picks which push ends next."""
        ends: list[Intent] = []
        for _ in range(most):
            plan = rebalance(self.state())
            ends.extend(intent for intent in plan.intents if self.open(intent))
            self.now += 1.0
            if ends:
                self.finish(ends.pop(choose(len(ends))))
            elif not plan.intents:
                if plan.look_again_at is None:
                    return
                self.now = max(self.now, plan.look_again_at)
        raise AssertionError(f"no rest after {most} steps: {self.state()}")

    def open(self, intent: Intent) -> bool:
        """Charge and open a push; a slice is resized at once."""
        one, state = self.listings[intent.listing_id], self.state()
        exposure = one.exposure or 0
        charge, returning, drain = 0, 0, one.drain_target
        match intent:
            case Resize():
                assert (intent.exposure - exposure) * one.units <= state.takeable
                self.listings[one.listing_id] = replace(one, exposure=intent.exposure)
                return False
            case Raise():
                charge = intent.units
            case Set():
                charge, returning, drain = intent.quantity, exposure, None
            case Cut():
                returning = intent.units
            case Zero():
                returning, drain = exposure, None
            case Drain():
                returning, drain = exposure, intent.target
        assert charge * one.units <= state.takeable
        self.pushes += 1
        self.listings[one.listing_id] = replace(
            one,
            exposure=exposure + charge,
            push_open=True,
            returning=returning,
            last_push_at=self.now,
            drain_target=drain,
        )
        return True

    def finish(self, intent: Intent) -> None:
        """The push was applied, proven and closed: what it replaced is free again."""
        one = self.listings[intent.listing_id]
        left = (one.exposure or 0) - one.returning
        self.listings[one.listing_id] = replace(one, exposure=left, push_open=False, returning=0)
