"""The books, kept as the engine keeps them: facts in, movements and exposures out.

Every decision is a function of the domain (`rules`); this module only carries values between them
in the order in which one transaction would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from channelsync.domain import escrow
from channelsync.domain.books import Claim, ItemBooks, takeable_units
from channelsync.domain.errors import NotSettleable
from channelsync.domain.escrow import Grant, Outcome, Push, Reading, SettleReason, want_settle
from channelsync.domain.orders import LineChange, LineEvent, LineState, merge
from channelsync.domain.stock import StockLevel
from channelsync.domain.vocabulary import CancelEffect, Instant, PushSemantics
from tests.property.market import Clock, Market, Sender
from tests.property.rules import Rules


@dataclass(slots=True)
class Account:
    """One listing as the books know it."""

    name: str
    recipe: Mapping[int, int]
    market: Market
    grant: Grant
    lines: dict[int, LineState] = field(default_factory=dict)
    heard: list[tuple[LineEvent, Instant]] = field(default_factory=list)
    settled_from: Instant | None = None
    settled_to: Instant | None = None
    senders: list[Sender] = field(default_factory=list)
    asleep: list[Sender] = field(default_factory=list)
    """Senders given up for dead that are not (a wrong variant)."""
    slice_sold: int = 0
    """Units sold by a live channel."""
    reading_sent: tuple[Instant, int] | None = None
    readings: list[Reading] = field(default_factory=list)

    @property
    def is_live(self) -> bool:
        return self.grant.semantics is PushSemantics.LIVE

    def units_sold(self) -> int:
        """Net units that this listing's shoppers were promised."""
        return self.slice_sold + self.market.units_sold()


@dataclass(slots=True)
class Keeper:
    """Stock, order lines and escrow accounts of one pool."""

    clock: Clock
    rules: Rules
    on_hand: dict[int, int]
    accounts: list[Account]
    reserved: dict[int, int] = field(default_factory=dict)
    counted_in: dict[int, int] = field(default_factory=dict)
    pushes_opened: int = 0

    def __post_init__(self) -> None:
        self.reserved = dict.fromkeys(self.on_hand, 0)

    # ------------------------------------------------------------ what may be taken

    def books(self, item: int) -> ItemBooks:
        level = StockLevel(on_hand=self.on_hand[item], reserved=self.reserved[item])
        claims = tuple(
            Claim(listing_id=one.name, units=one.recipe[item], exposure=one.grant.exposure)
            for one in self.accounts
            if item in one.recipe
        )
        return ItemBooks(atp=level.atp, claims=claims)

    def takeable(self, account: Account) -> int:
        items = ((item, self.rules.takeable(self.books(item))) for item in account.recipe)
        return takeable_units(account.recipe, items)

    def take_live(self, item: int, units: int) -> int:
        """A channel that asks before it sells gets as many as there are."""
        taken = min(units, self.rules.takeable(self.books(item)))
        self.reserved[item] += taken
        return taken

    def count_stock(self, item: int, delta: int) -> None:
        """A count found more or less than the books had."""
        self.on_hand[item] += delta
        self.counted_in[item] = self.counted_in.get(item, 0) + delta

    # ------------------------------------------------------------ order facts

    def hear(self, account: Account, line_id: int, told: LineState) -> None:
        known = account.lines.get(line_id)
        state = merge(known, told)
        if state == known:
            return
        change = self.rules.diff(
            known, state, settled_from=account.settled_from, settled_to=account.settled_to
        )
        account.lines[line_id] = state
        account.heard += [(event, self.clock.now) for event in change.events]
        self._apply(account, change, state)

    def _apply(self, account: Account, change: LineChange, state: LineState) -> None:
        grant, excess = account.grant, 0
        if change.sold:
            grant, excess = self.rules.count_sale(grant, change.sold)
        if change.cancelled:
            grant = self.rules.count_cancel(grant, change.cancelled, state.cancel_effect)
        if change.relisted:
            grant = escrow.count_relisted_return(grant, change.relisted)
        if change.settle_wanted:
            grant = want_settle(grant, SettleReason.UNSURE_CANCEL)
        account.grant = grant
        reserve = self.rules.units_to_reserve(change.sold, excess) + change.sold_outside
        reserve -= change.cancelled + change.cancelled_outside + change.shipped
        self._reserve(account, reserve)
        for item, units in account.recipe.items():
            self.on_hand[item] += (change.restocked - change.shipped) * units

    # ------------------------------------------------------------ slices

    def sell_from_slice(self, account: Account, units: int) -> bool:
        """A live channel with a protected slice: the slice first, then `free`."""
        if units > (account.grant.exposure or 0) + self.takeable(account):
            return False
        account.grant, _ = self.rules.count_sale(account.grant, units)
        self._reserve(account, units)
        account.slice_sold += units
        return True

    def cancel_in_slice(self, account: Account, effect: CancelEffect) -> None:
        account.grant = self.rules.count_cancel(account.grant, 1, effect)
        self._reserve(account, -1)
        account.slice_sold -= 1

    def _reserve(self, account: Account, units: int) -> None:
        for item, each in account.recipe.items():
            self.reserved[item] += units * each

    # ------------------------------------------------------------ pushes

    def open(self, account: Account, push: Push) -> None:
        takeable = self.takeable(account)
        account.grant = self.rules.open_push(account.grant, push, takeable=takeable)
        self.pushes_opened += 1

    def start(self, account: Account, *, deadline: Instant) -> None:
        takeable = self.takeable(account)
        now = self.clock.now
        account.grant = self.rules.start_attempt(account.grant, now=now, takeable=takeable)
        push = account.grant.push
        if push is not None:
            account.senders.append(Sender(push, deadline))

    def finish(self, account: Account, sender: Sender, outcome: Outcome) -> None:
        account.senders.remove(sender)
        limits = account.market.limits
        account.grant = self.rules.finish_attempt(
            account.grant, sender.push, outcome, now=self.clock.now, limits=limits
        )

    # ------------------------------------------------------------ readings

    def send_read(self, account: Account) -> None:
        account.reading_sent = (self.clock.now, account.grant.push_seq)

    def receive_read(self, account: Account, pick: int) -> Reading:
        """Any value that the counter had from the read's lag before it was sent until now."""
        sent_at, push_seq = account.reading_sent or (self.clock.now, account.grant.push_seq)
        shown = account.market.shown_since(sent_at - account.market.limits.read_lag_seconds)
        account.reading_sent = None
        reading = Reading(
            quantity=shown[-1 - pick % len(shown)],
            sent_at=sent_at,
            received_at=self.clock.now,
            push_seq=push_seq,
        )
        account.readings = [*account.readings[-1:], reading]
        return reading

    def watermark(self, account: Account) -> Instant:
        if self.rules.watermark_skips_lines:
            return account.market.now
        return account.market.complete_until(account.lines)

    def use(self, account: Account, reading: Reading) -> bool:
        """Release a proven cut, or settle: what the reading is good for, if anything."""
        push, reasons = account.grant.push, account.grant.settle_reasons
        if push is not None and push.release_after is not None and not reasons:
            return self.release(account, reading)
        return self.settle(account, reading)

    def settle(self, account: Account, reading: Reading) -> bool:
        limits = account.market.limits
        around = self.rules.around(account.heard, reading, limits)
        watermark = self.watermark(account)
        try:
            account.grant = self.rules.settle(
                account.grant, reading, around, watermark=watermark, limits=limits
            )
        except NotSettleable:
            return False
        account.settled_from = reading.earliest(limits)
        account.settled_to = reading.latest(limits)
        return True

    def release(self, account: Account, reading: Reading) -> bool:
        try:
            account.grant = self.rules.release_cut(account.grant, reading)
        except NotSettleable:
            return False
        return True
