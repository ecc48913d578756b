"""The model world: model channels with ground truth, driven against the real domain functions.

Shoppers, messages, faults and time are Hypothesis rules; after every one of them the truth is
compared with the books. `quiesce` stops all shopping, delivers or loses all that is under way and
lets the books settle where they ask for it: then they must be exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from channelsync.domain import escrow
from channelsync.domain.errors import InsufficientFree, PushConflict
from channelsync.domain.escrow import Grant, Outcome, Push, SettleReason
from channelsync.domain.vocabulary import CancelEffect, PushKind, PushSemantics
from tests.property import budget
from tests.property.keeper import Account, Keeper
from tests.property.market import (
    ANSWER_WITHIN_SECONDS,
    APPLY_LIMIT_SECONDS,
    HABITS,
    RETRY_SECONDS,
    SEND_WITHIN_SECONDS,
    Clock,
    Copy,
    Line,
    Market,
    limits,
)
from tests.property.rules import Rules

ABSOLUTE: Final = PushSemantics.ABSOLUTE
LIVE: Final = PushSemantics.LIVE
SMALL = st.integers(1, 2)
PICK = st.integers(0, 5)
WHICH = st.integers(0, 11)
"""Picks one of what there is, modulo how much there is."""


class ProtocolBroken(AssertionError):
    """The world did what the protocol says it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One listing of the model world."""

    semantics: PushSemantics
    recipe: tuple[tuple[int, int], ...] = ((0, 1),)
    enforces: bool = True


class EscrowMachine(RuleBasedStateMachine):
    """One pool, its listings, and a peer that asks before it sells."""

    shapes: ClassVar[Sequence[Shape]] = ()
    stock: ClassVar[Sequence[int]] = (6,)
    protocol: ClassVar[type[Rules]] = Rules

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.rules = self.protocol()
        self.accounts: list[Account] = []
        self.keeper = Keeper(self.clock, self.rules, dict(enumerate(self.stock)), self.accounts)
        self.bound = list(self.stock)
        """Units of each item that may be promised: the stock and whatever nobody can prevent."""
        self.live_sold = [0] * len(self.stock)
        self.lines_made = 0

    @initialize(
        adopting=st.booleans(),
        checkouts=st.booleans(),
        offset=st.sampled_from([0.0, -1.0, 1.0]),
        shown=st.integers(0, 3),
    )
    def begin(self, *, adopting: bool, checkouts: bool, offset: float, shown: int) -> None:
        left = list(self.stock)
        for number, shape in enumerate(self.shapes):
            live = shape.semantics is LIVE
            fits = min(left[item] // units for item, units in shape.recipe)
            counter = 0 if live else min(shown + number % 2, fits)
            for item, units in shape.recipe:
                left[item] -= counter * units
            market = Market(
                self.clock,
                shape.semantics,
                counter,
                limits(checkouts=checkouts),
                clock_offset_seconds=offset,
                forgets_keys=not self.rules.sends_key,
                repeats_writes=self.rules.repeats_writes,
            )
            unknown = adopting and not live
            grant = Grant(semantics=shape.semantics, exposure=None if unknown else counter)
            self.accounts.append(Account(f"listing {number}", dict(shape.recipe), market, grant))

    # ------------------------------------------------------------ helpers

    def account(self, which: int, *, live: bool = False) -> Account | None:
        """One of the listings of a kind, if there is one."""
        found = [one for one in self.accounts if one.is_live is live]
        return found[which % len(found)] if found else None

    def shape_of(self, account: Account) -> Shape:
        return self.shapes[self.accounts.index(account)]

    def new_line(self) -> int:
        self.lines_made += 1
        return self.lines_made

    def some_line(self, account: Account, which: int) -> Line | None:
        lines = account.market.lines
        return lines[which % len(lines)] if lines else None

    # ------------------------------------------------------------ time

    @rule(seconds=st.sampled_from([0.4, 1.1, 2.5, 4.0, 7.5, 20.0, 49.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        for account in self.accounts:
            account.market.pass_time()

    # ------------------------------------------------------------ shoppers

    @rule(which=WHICH, units=SMALL, habit=PICK)
    def shop(self, which: int, units: int, habit: int) -> None:
        account = self.account(which)
        if account is None:
            return
        market, shape = account.market, self.shape_of(account)
        if market.on_sale >= units or not shape.enforces:
            before = market.excess_units
            market.sell(self.new_line(), units, HABITS[habit])
            self.allow(account, market.excess_units - before)

    def allow(self, account: Account, units: int) -> None:
        """Units that no protocol can keep from being promised."""
        for item, each in account.recipe.items():
            self.bound[item] += units * each

    @rule(which=WHICH, units=SMALL)
    def begin_checkout(self, which: int, units: int) -> None:
        account = self.account(which)
        if account is None or not account.market.limits.quarantine_seconds:
            return
        if account.market.on_sale >= units:
            account.market.begin_checkout(units)

    @precondition(lambda self: any(one.market.checkouts for one in self.accounts))
    @rule(bought=st.booleans(), habit=PICK)
    def finish_checkout(self, *, bought: bool, habit: int) -> None:
        for account in self.accounts:
            if account.market.checkouts:
                account.market.finish_checkout(self.new_line(), HABITS[habit], bought=bought)
                return

    @rule(which=WHICH, line=WHICH, deed=st.sampled_from(["cancel", "cancel", "edit", "ship"]))
    def change_order(self, which: int, line: int, deed: str) -> None:
        account = self.account(which)
        found = None if account is None else self.some_line(account, line)
        if account is None or found is None:
            return
        market = account.market
        if deed == "edit":
            if market.on_sale >= 1 and found.state.moves_counter:
                market.add_unit(found)
        elif found.state.to_reserve:
            (market.cancel_unit if deed == "cancel" else market.ship_unit)(found)

    @rule(which=WHICH, line=WHICH, relisted=st.booleans())
    def return_unit(self, which: int, line: int, *, relisted: bool) -> None:
        account = self.account(which)
        found = None if account is None else self.some_line(account, line)
        if account is None or found is None or found.state.shipped <= found.state.returned:
            return
        account.market.take_return(found, relisted=relisted)
        if relisted:
            self.allow(account, 1)

    @rule(item=WHICH, units=SMALL)
    def live_peer_sells(self, item: int, units: int) -> None:
        item %= len(self.stock)
        if self.keeper.take_live(item, units):
            self.live_sold[item] += units

    @rule(item=WHICH, delta=st.sampled_from([-1, 1, 2]))
    def count_stock(self, item: int, delta: int) -> None:
        """A delivery, or a loss: what was promised before cannot be taken back."""
        item %= len(self.stock)
        self.keeper.on_hand[item] += delta
        self.bound[item] += max(delta, 0)

    # ------------------------------------------------------------ order facts

    @rule(which=WHICH, line=WHICH, version=PICK)
    def hear_fact(self, which: int, line: int, version: int) -> None:
        """Any state that the line ever had: late, again, out of order."""
        account = self.account(which)
        found = None if account is None else self.some_line(account, line)
        if account is not None and found is not None:
            told = found.history[-1 - version % len(found.history)]
            self.keeper.hear(account, found.line_id, told)

    @rule(which=WHICH)
    def poll(self, which: int) -> None:
        account = self.account(which)
        if account is not None:
            self.hear_all(account)

    def hear_all(self, account: Account) -> None:
        for line in account.market.lines:
            self.keeper.hear(account, line.line_id, line.state)

    # ------------------------------------------------------------ pushes

    @rule(which=WHICH, raising=st.booleans(), units=st.integers(1, 3), compare=PICK)
    def open_push(self, which: int, units: int, compare: int, *, raising: bool) -> None:
        account = self.account(which)
        if account is None:
            return
        push = self.new_push(account, units, compare, raising=raising)
        try:
            self.keeper.open(account, push)
            self.keeper.start(account, deadline=self.clock.now + SEND_WITHIN_SECONDS)
        except (InsufficientFree, PushConflict):
            return

    def new_push(self, account: Account, units: int, compare: int, *, raising: bool) -> Push:
        semantics, counter = account.grant.semantics, account.market.counter
        kind = PushKind.RAISE if raising else PushKind.CUT
        if semantics is ABSOLUTE:
            kind, units = (PushKind.SET, units) if raising else (PushKind.ZERO, 0)
        compared: int | None = None
        if semantics is PushSemantics.KEYED_COMPARE_AND_SET:
            # Mostly right; else stale, or a raise that does not compare.
            compared = counter + {1: 1, 2: -1}.get(compare, 0)
            if compare == 0 and raising:
                compared = None
        return Push(
            push_id=f"push {self.keeper.pushes_opened}",
            kind=kind,
            units=units,
            compare=compared,
            retry_until=self.clock.now + RETRY_SECONDS,
        )

    @rule(which=WHICH)
    def send_copy(self, which: int) -> None:
        """A further copy of the open push: a retry."""
        account = self.account(which)
        if account is None or len(account.senders) > 2:
            return
        try:
            self.keeper.start(account, deadline=self.clock.now + SEND_WITHIN_SECONDS)
        except (InsufficientFree, PushConflict):
            return

    def write(self, account: Account, sender: object) -> None:
        """The sender writes its bytes, if it still may; else they never leave."""
        for one in [*account.senders, *account.asleep]:
            if one is not sender or one.copy is not None:
                continue
            if self.clock.now > one.deadline and one not in account.asleep:
                self.keeper.finish(account, one, Outcome.UNSENT)
                return
            by = self.clock.now + ANSWER_WITHIN_SECONDS + APPLY_LIMIT_SECONDS
            key = one.push.push_id if self.rules.sends_key else None
            keyed = account.grant.semantics is not ABSOLUTE
            one.copy = Copy(one.push, key if keyed else None, by)
            account.market.net.append(one.copy)

    @precondition(lambda self: any(one.senders or one.asleep for one in self.accounts))
    @rule(which=WHICH, fate=st.sampled_from(["answer", "answer", "timeout", "dead", "arrive"]))
    def go_on_sending(self, which: int, fate: str) -> None:
        """One sender goes on: writes, waits for its answer, gives up, or is found dead."""
        found = [(one, s) for one in self.accounts for s in [*one.senders, *one.asleep]]
        account, sender = found[which % len(found)]
        if sender in account.asleep:
            account.asleep.remove(sender)
            account.senders.append(sender)
            self.write(account, sender)
            account.senders.remove(sender)
            return
        if fate == "dead":
            self.end_unknown(account, sender)
            if self.rules.lost_lease_ends_attempt and sender.copy is None:
                account.asleep.append(sender)
            return
        self.write(account, sender)
        if sender not in account.senders:
            return
        copy = sender.copy
        if fate == "answer" and copy is not None and copy in account.market.net:
            self.end_answered(account, sender, copy)
        elif fate == "timeout":
            self.end_unknown(account, sender)

    def end_unknown(self, account: Account, sender: object) -> None:
        for one in list(account.senders):
            if one is sender:
                self.keeper.finish(account, one, Outcome.UNKNOWN)
                if one.copy is not None:
                    latest = self.clock.now + APPLY_LIMIT_SECONDS
                    one.copy.arrives_by = min(one.copy.arrives_by, latest)

    def end_answered(self, account: Account, sender: object, copy: Copy) -> None:
        for one in list(account.senders):
            if one is sender:
                outcome = account.market.process(copy, keep=False)
                self.keeper.finish(account, one, outcome)

    @precondition(lambda self: any(one.senders for one in self.accounts))
    @rule(which=WHICH, written=st.booleans())
    def refuse(self, which: int, *, written: bool) -> None:
        """401, 429, 5xx or an acceptance for later: proof of nothing. Or our own refusal."""
        found = [(one, s) for one in self.accounts for s in one.senders]
        account, sender = found[which % len(found)]
        if not written and sender.copy is None:
            self.keeper.finish(account, sender, Outcome.UNSENT)
            return
        self.write(account, sender)
        if sender not in account.senders or sender.copy is None:
            return
        if account.grant.semantics is ABSOLUTE and written:
            self.keeper.finish(account, sender, Outcome.ACCEPTED)
            latest = self.clock.now + APPLY_LIMIT_SECONDS
            sender.copy.arrives_by = min(sender.copy.arrives_by, latest)
            return
        self.end_unknown(account, sender)
        if sender.copy in account.market.net and not written:
            account.market.net.remove(sender.copy)

    @precondition(lambda self: any(one.market.net for one in self.accounts))
    @rule(which=WHICH, fate=st.sampled_from(["arrive", "arrive", "twice", "lost"]))
    def deliver_copy(self, which: int, fate: str) -> None:
        """A copy arrives without an answer that we hear, or is lost."""
        found = [(one, copy) for one in self.accounts for copy in one.market.net]
        account, copy = found[which % len(found)]
        if fate == "lost":
            account.market.net.remove(copy)
        else:
            account.market.process(copy, keep=fate == "twice")

    @rule(which=WHICH)
    def give_up(self, which: int) -> None:
        account = self.account(which)
        if account is not None:
            account.grant = escrow.give_up(account.grant)

    # ------------------------------------------------------------ readings

    @rule(which=WHICH)
    def send_read(self, which: int) -> None:
        account = self.account(which)
        if account is not None and account.reading_sent is None:
            self.keeper.send_read(account)

    @rule(which=WHICH, pick=PICK)
    def read(self, which: int, pick: int) -> None:
        account = self.account(which)
        if account is not None:
            self.keeper.receive_read(account, pick)

    @rule(which=WHICH, line=st.integers(0, 1))
    def use_reading(self, which: int, line: int) -> None:
        account = self.account(which)
        if account is None or not account.readings:
            return
        reading = account.readings[-1 - line % len(account.readings)]
        if not self.keeper.release(account, reading):
            self.keeper.settle(account, reading)

    # ------------------------------------------------------------ what must hold

    @invariant()
    def no_listing_can_sell_more_than_its_exposure(self) -> None:
        budget.count_step()
        for account in self.accounts:
            market, exposure = account.market, account.grant.exposure
            if exposure is None or account.is_live:
                continue
            uncounted = market.uncounted(account.lines)
            most = max(market.counter, market.held, 0) + uncounted
            if most > exposure + market.excess_units:
                raise ProtocolBroken(
                    f"{account.name}: shows {market.counter}, {market.held} in checkouts, "
                    f"{uncounted} sold uncounted, exposure {exposure}, "
                    f"{market.excess_units} beyond its number: {account.grant}"
                )

    @invariant()
    def no_unit_is_sold_twice(self) -> None:
        for item, bound in enumerate(self.bound):
            sold = self.live_sold[item] + sum(
                account.recipe[item] * account.market.units_sold()
                for account in self.accounts
                if item in account.recipe
            )
            if sold > bound:
                raise ProtocolBroken(f"{sold} of {bound} units of item {item} sold")

    @invariant()
    def the_books_balance(self) -> None:
        for item in self.keeper.on_hand:
            promised = self.live_sold[item] + sum(
                account.recipe[item] * sum(line.to_reserve for line in account.lines.values())
                for account in self.accounts
                if item in account.recipe
            )
            if self.rules.count_sale.__func__ is Rules.count_sale and (
                self.keeper.reserved[item] != promised
            ):
                raise ProtocolBroken(f"{self.keeper.reserved[item]} reserved, {promised} promised")
