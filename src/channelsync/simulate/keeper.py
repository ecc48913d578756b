"""The escrow protocol at work on the simulated marketplaces, with the program's own rules.

Everything that decides is the code that runs in production: `channelsync.domain.escrow` keeps the
accounts, `books` says what is free, `allocation` and `demand` set targets, `rebalance` chooses the
pushes. This module only carries messages between them and the world.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp, inf
from typing import TypeAlias

from msgspec.structs import replace

from channelsync.domain import demand, escrow
from channelsync.domain.allocation import Offer, allocate
from channelsync.domain.allocation_rules import Rule, Strategy
from channelsync.domain.books import Claim, ItemBooks
from channelsync.domain.errors import InvariantViolated
from channelsync.domain.intents import (
    Cut,
    Drain,
    Intent,
    ItemState,
    ListingState,
    Plan,
    Policy,
    Raise,
    Set,
    Zero,
)
from channelsync.domain.rebalance import rebalance
from channelsync.domain.vocabulary import Instant, PushKind, PushSemantics
from channelsync.simulate.scenarios import CHANNELS, ChannelModel
from channelsync.simulate.world import World

__all__ = ["EscrowKeeper"]

ITEM = "ITEM"
ANSWER_SECONDS = 0.2
"""From a write's application until its answer is here."""
READ_BACK_SECONDS = 0.5
"""From a write's application until it is read back."""
FENCE_SECONDS = 30.0
"""From a read-back until every order placed before it is known to be counted."""
KEY_LIFE_SECONDS = 86_400.0
LIMITS = escrow.ChannelLimits(apply_limit_seconds=3_600.0, quarantine_seconds=0.0)

RULE = Rule(
    name="true shares",
    strategy=Strategy.DEMAND,
    quotas={name: round(model.demand_share * 10_000) for name, model in CHANNELS.items()},
    demand_prior_units=1_000.0,
)
SHARES = {name: model.demand_share for name, model in CHANNELS.items()}
FEED_SECONDS = {
    name: model.notify_median_seconds * exp(model.notify_sigma**2 / 2)
    for name, model in CHANNELS.items()
}
OFFERS = tuple(Offer(listing_id=name, channel=name, recipe={ITEM: 1}) for name in CHANNELS)

Decide: TypeAlias = Callable[[ItemState], Plan]


@dataclass(slots=True)
class _Listing:
    """One channel's account and what is remembered beside it."""

    model: ChannelModel
    grant: escrow.Grant
    velocity: demand.Velocity = demand.NO_SALES_YET
    velocity_at: Instant = 0.0
    last_push_at: Instant = -inf
    last_sale_at: Instant = -inf
    drain_target: int | None = None
    shown: int | None = None
    """What the last refused compare-and-set found."""
    counted_at: list[Instant] = field(default_factory=list)
    """When each unit counted since the last settle was sold."""

    @property
    def exposure(self) -> int:
        return self.grant.exposure or 0

    @property
    def returning(self) -> int:
        """What the open push is expected to give back."""
        push = self.grant.push
        if push is None or push.kind is PushKind.RAISE:
            return 0
        if push.kind is PushKind.CUT:
            return push.units
        return max(self.exposure - push.units, 0)


class EscrowKeeper:
    """Strict escrow with demand-weighted targets."""

    def __init__(
        self, world: World, *, policy: Policy | None = None, decide: Decide = rebalance
    ) -> None:
        self._world = world
        self._policy = policy or Policy(hold_back=RULE.paced)
        self._decide = decide
        self._atp = world.scenario.stock
        self._pushes = 0
        self._last_sale_at = -inf
        self._wake_at = inf
        self._listings = {
            name: _Listing(model, escrow.Grant(semantics=model.semantics, exposure=0))
            for name, model in CHANNELS.items()
        }

    # -------------------------------------------------------------- what the world tells

    def start(self) -> None:
        """Open with what the rebalance wants for empty listings."""
        for intent in self._decide(self._state()).intents:
            listing = self._listings[intent.listing_id]
            match intent:
                case Raise():
                    opening = intent.units
                case Set():
                    opening = intent.quantity
                case _:
                    raise InvariantViolated(f"{intent} on an empty listing")
            listing.grant = replace(listing.grant, exposure=opening)
            self._world.remote[intent.listing_id] = opening

    def order_heard(self, channel: str, sold_at: Instant) -> None:
        """Count the sale, then look whether a push is due."""
        listing = self._listings[channel]
        self._age(listing)
        self._atp -= 1
        listing.grant, excess = escrow.count_sale(listing.grant, 1)
        if excess:
            raise InvariantViolated(f"{channel} sold {excess} beyond its exposure")
        listing.velocity = demand.count_sold(listing.velocity, 1)
        listing.shown = None
        if listing.grant.push is not None:
            listing.counted_at.append(sold_at)
        listing.last_sale_at = self._last_sale_at = self._world.now
        self._reconcile()

    def check(self) -> None:
        """The invariant of the protocol against the truth, and the books against the stock."""
        world, total = self._world, 0
        for channel, listing in self._listings.items():
            exposure = listing.exposure
            total += exposure
            if max(world.remote[channel], 0) + len(world.uncounted[channel]) > exposure:
                raise InvariantViolated(
                    f"{channel} at {world.now}: shows {world.remote[channel]}, "
                    f"{len(world.uncounted[channel])} sold uncounted, exposure {exposure}"
                )
        if total > self._atp:
            raise InvariantViolated(f"exposures {total} above ATP {self._atp}")

    # -------------------------------------------------------------- deciding

    def _books(self) -> ItemBooks:
        return ItemBooks(
            atp=self._atp,
            claims=tuple(
                Claim(listing_id=name, units=1, exposure=listing.grant.exposure)
                for name, listing in self._listings.items()
            ),
        )

    def _state(self) -> ItemState:
        for listing in self._listings.values():
            self._age(listing)
        rates = demand.expected_rates(
            {name: listing.velocity for name, listing in self._listings.items()},
            SHARES,
            prior_units=RULE.demand_prior_units,
            feed_seconds=FEED_SECONDS,
        )
        targets = allocate(self._atp, OFFERS, RULE, rates).targets
        books = self._books()
        return ItemState(
            now=self._world.now,
            free=books.free,
            takeable=books.takeable,
            last_sale_at=self._last_sale_at,
            policy=self._policy,
            listings=tuple(
                self._listing_state(name, listing, targets[name], rates[name])
                for name, listing in self._listings.items()
            ),
        )

    def _listing_state(
        self, name: str, listing: _Listing, target: int, rate: float
    ) -> ListingState:
        scenario, model = self._world.scenario, listing.model
        slow = model.slow_to_apply
        apply = scenario.slow_apply_median_seconds if slow else scenario.apply_median_seconds
        apply *= exp(scenario.apply_sigma**2 / 2)
        feed = FEED_SECONDS[name]
        absolute = model.semantics is PushSemantics.ABSOLUTE
        return ListingState(
            listing_id=name,
            channel=name,
            semantics=model.semantics,
            exposure=listing.grant.exposure,
            target=target,
            remote_quantity=listing.shown,
            push_open=listing.grant.push is not None,
            returning=listing.returning,
            last_push_at=listing.last_push_at,
            last_sale_at=listing.last_sale_at,
            drain_target=listing.drain_target,
            rate_per_hour=rate,
            lead_seconds=feed + apply,
            feed_seconds=feed,
            settle_seconds=READ_BACK_SECONDS + (FENCE_SECONDS if absolute else 0.0),
        )

    def _age(self, listing: _Listing) -> None:
        """Bring the exposed time of a listing up to now."""
        now = self._world.now
        if listing.exposure and now > listing.velocity_at:
            listing.velocity = demand.count_exposure(
                listing.velocity,
                now - listing.velocity_at,
                half_life_seconds=RULE.demand_half_life_seconds,
            )
        listing.velocity_at = now

    def _reconcile(self) -> None:
        plan = self._decide(self._state())
        for intent in plan.intents:
            self._open(intent)
        again = plan.look_again_at
        if again is not None and not self._world.now < self._wake_at <= again:
            self._wake_at = again
            self._world.after(max(again - self._world.now, 0.0), self._wake)

    def _wake(self) -> None:
        self._wake_at = inf
        self._reconcile()

    # -------------------------------------------------------------- pushing

    def _open(self, intent: Intent) -> None:
        name = intent.listing_id
        listing = self._listings[name]
        compare: int | None = None
        match intent:
            case Raise():
                kind, units = PushKind.RAISE, intent.units
            case Cut():
                kind, units = PushKind.CUT, intent.units
                compare = listing.exposure if listing.shown is None else listing.shown
            case Set():
                kind, units = PushKind.SET, intent.quantity
                listing.drain_target = None
            case Zero() | Drain():
                kind, units = PushKind.ZERO, 0
                listing.drain_target = intent.target if isinstance(intent, Drain) else None
            case _:
                raise InvariantViolated(f"no channel here is live: {intent}")
        self._age(listing)
        self._pushes += 1
        push = escrow.Push(
            push_id=str(self._pushes),
            kind=kind,
            units=units,
            compare=compare,
            retry_until=self._world.now + KEY_LIFE_SECONDS,
        )
        grant = escrow.open_push(listing.grant, push, takeable=self._books().takeable)
        listing.grant = escrow.start_attempt(grant, now=self._world.now, takeable=0)
        listing.last_push_at = self._world.now
        listing.counted_at.clear()
        self._world.push(name, lambda: self._apply(name, push))

    def _apply(self, name: str, push: escrow.Push) -> None:
        """The marketplace's side: change the number, or refuse because it is another by now."""
        remote, after = self._world.remote, self._world.after
        outcome = escrow.Outcome.APPLIED
        match push.kind:
            case PushKind.RAISE:
                remote[name] += push.units
            case PushKind.SET | PushKind.ZERO:
                remote[name] = push.units
                after(READ_BACK_SECONDS, lambda: self._read_to_settle(name))
            case PushKind.CUT:
                keyed_delta = self._listings[name].grant.semantics is PushSemantics.KEYED_DELTA
                if keyed_delta or remote[name] == push.compare:
                    remote[name] -= push.units
                    after(READ_BACK_SECONDS, lambda: self._read_to_release(name))
                else:
                    outcome = escrow.Outcome.REFUSED
        found = remote[name]
        after(ANSWER_SECONDS, lambda: self._answer(name, push, outcome, found))

    def _answer(self, name: str, push: escrow.Push, outcome: escrow.Outcome, found: int) -> None:
        listing, now = self._listings[name], self._world.now
        listing.grant = escrow.finish_attempt(listing.grant, push, outcome, now=now, limits=LIMITS)
        if outcome is escrow.Outcome.REFUSED:
            listing.shown = found
        if listing.grant.push is None:
            self._reconcile()

    # -------------------------------------------------------------- reading back

    def _read(self, name: str) -> escrow.Reading:
        now, grant = self._world.now, self._listings[name].grant
        return escrow.Reading(
            quantity=self._world.remote[name], sent_at=now, received_at=now, push_seq=grant.push_seq
        )

    def _read_to_release(self, name: str) -> None:
        listing = self._listings[name]
        reading = self._read(name)
        self._age(listing)
        listing.grant = escrow.release_cut(listing.grant, reading)
        if listing.grant.push is None:
            self._reconcile()
        else:
            self._world.after(0.0, lambda: self._read_to_settle(name))

    def _read_to_settle(self, name: str) -> None:
        reading = self._read(name)
        self._world.after(FENCE_SECONDS, lambda: self._settle(name, reading))

    def _settle(self, name: str, reading: escrow.Reading) -> None:
        """A poll counts every order up to the reading; then it proves what the listing holds."""
        self._world.hear_orders_until(name, reading.received_at)
        listing = self._listings[name]
        self._age(listing)
        sold_after = sum(at > reading.received_at for at in listing.counted_at)
        listing.grant = escrow.settle(
            listing.grant,
            reading,
            escrow.UnitsAround(sold_after=sold_after),
            watermark=self._world.now,
            limits=LIMITS,
        )
        self._reconcile()
