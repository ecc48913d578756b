"""What shoppers, staff, tills and the warehouse do, and how we hear of it."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from channelsync.domain import escrow
from channelsync.domain.errors import InsufficientFree
from channelsync.domain.vocabulary import CancelEffect
from tests.property.machine import PICK, SMALL, WHICH, World
from tests.property.market import HABITS


def has_remote(world: World) -> bool:
    return bool(world.remote)


def has_slice(world: World) -> bool:
    return any(one.is_live for one in world.accounts)


class Shopping(World):
    """Sales of every kind, their cancels, returns and edits, and the order facts about them."""

    @precondition(has_remote)
    @rule(which=WHICH, units=SMALL, habit=PICK)
    def shop(self, which: int, units: int, habit: int) -> None:
        account = self.some_remote(which)
        market = account.market
        if market.on_sale >= units or not self.shape_of(account).enforces:
            before = market.excess_units
            market.sell(self.new_line(), units, HABITS[habit])
            self.allow(account, market.excess_units - before)

    @precondition(has_remote)
    @rule(which=WHICH, units=SMALL)
    def begin_checkout(self, which: int, units: int) -> None:
        market = self.some_remote(which).market
        if market.limits.quarantine_seconds and market.on_sale >= units:
            market.begin_checkout(units)

    @precondition(lambda self: any(one.market.checkouts for one in self.accounts))
    @rule(which=WHICH, bought=st.booleans(), habit=PICK)
    def finish_checkout(self, which: int, habit: int, *, bought: bool) -> None:
        markets = [one.market for one in self.accounts if one.market.checkouts]
        market = markets[which % len(markets)]
        market.finish_checkout(self.new_line(), HABITS[habit], bought=bought)

    @precondition(lambda self: any(not self.shape_of(one).enforces for one in self.remote))
    @rule(which=WHICH, habit=PICK)
    def order_outside_the_counter(self, which: int, habit: int) -> None:
        """A second system sells a unit and leaves the counter alone."""
        account = self.some_remote(which)
        market = account.market
        market.book(self.new_line(), 1, HABITS[habit], moves_counter=False)
        self.allow(account, 1)

    @precondition(lambda self: any(one.market.lines for one in self.accounts))
    @rule(which=WHICH, deed=st.sampled_from(["cancel", "cancel", "edit", "ship", "return", "lose"]))
    def change_order(self, which: int, deed: str) -> None:
        found = [(one, line) for one in self.accounts for line in one.market.lines]
        account, line = found[which % len(found)]
        market = account.market
        if deed == "edit" and market.on_sale >= 1 and line.state.moves_counter:
            market.add_unit(line)
        elif deed == "cancel" and line.state.to_reserve:
            market.cancel_unit(line)
        elif deed == "ship" and line.state.to_reserve:
            market.ship_unit(line)
        elif deed in {"return", "lose"} and line.state.shipped > line.state.returned:
            relisted = deed == "return"
            market.take_return(line, relisted=relisted)
            self.allow(account, int(relisted))

    @rule(item=WHICH, units=SMALL)
    def live_peer_sells(self, item: int, units: int) -> None:
        item %= len(self.stock)
        if self.keeper.take_live(item, units):
            self.live_sold[item] += units

    @rule(item=WHICH, delta=st.sampled_from([-1, 1, 2]))
    def count_stock(self, item: int, delta: int) -> None:
        """A delivery, or a loss: what was promised before cannot be taken back."""
        item %= len(self.stock)
        self.keeper.count_stock(item, delta)
        self.bound[item] += max(delta, 0)

    # ------------------------------------------------------------ order facts

    @precondition(lambda self: any(one.market.lines for one in self.accounts))
    @rule(which=WHICH, version=PICK)
    def hear_fact(self, which: int, version: int) -> None:
        """Any state that a line ever had: late, again, out of order."""
        found = [(one, line) for one in self.accounts for line in one.market.lines]
        account, line = found[which % len(found)]
        told = line.history[-1 - version % len(line.history)]
        self.keeper.hear(account, line.line_id, told)

    @precondition(lambda self: any(one.market.lines for one in self.accounts))
    @rule(which=WHICH)
    def poll(self, which: int) -> None:
        self.hear_all(which)

    def hear_all(self, which: int) -> None:
        account = self.some_remote(which)
        for line in account.market.lines:
            self.keeper.hear(account, line.line_id, line.state)

    # ------------------------------------------------------------ slices of live channels

    @precondition(has_slice)
    @rule(which=WHICH, units=SMALL)
    def slice_sells(self, which: int, units: int) -> None:
        slices = [one for one in self.accounts if one.is_live]
        self.keeper.sell_from_slice(slices[which % len(slices)], units)

    @precondition(has_slice)
    @rule(which=WHICH, effect=st.sampled_from(list(CancelEffect)))
    def slice_cancels(self, which: int, effect: CancelEffect) -> None:
        slices = [one for one in self.accounts if one.is_live]
        account = slices[which % len(slices)]
        if account.slice_sold:
            self.keeper.cancel_in_slice(account, effect)

    @precondition(has_slice)
    @rule(which=WHICH, exposure=st.integers(0, 4))
    def resize_slice(self, which: int, exposure: int) -> None:
        slices = [one for one in self.accounts if one.is_live]
        account = slices[which % len(slices)]
        takeable = self.keeper.takeable(account)
        try:
            account.grant = escrow.resize_slice(account.grant, exposure, takeable=takeable)
        except InsufficientFree:
            return
