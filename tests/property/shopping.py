"""What shoppers, staff, tills and the warehouse do, and how we hear of it."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from channelsync.domain import escrow
from channelsync.domain.errors import InsufficientFree
from channelsync.domain.vocabulary import CancelEffect
from tests.property.machine import ALL, PICK, UNITS, WHICH, World
from tests.property.market import HABITS

SHOP_DEEDS = ("buy", "begin", "finish")
ORDER_DEEDS = ("cancel", "cancel", "edit", "ship", "return", "lose")
ELSEWHERE_DEEDS = ("sell", "deliver", "deliver", "lose")
SLICE_DEEDS = ("sell", "resize", "cancel")
VERSIONS = (0, 0, 1, 2, 3)
EFFECTS = tuple(CancelEffect)


def has_remote(world: World) -> bool:
    return bool(world.remote)


def has_slice(world: World) -> bool:
    return any(one.is_live for one in world.accounts)


class Shopping(World):
    """Sales of every kind, their cancels, returns and edits, and the order facts about them."""

    @precondition(has_remote)
    @rule(
        which=st.sampled_from(WHICH),
        units=st.sampled_from(UNITS),
        habit=st.sampled_from(PICK),
        deed=st.sampled_from(SHOP_DEEDS),
    )
    def shop(self, which: int, units: int, habit: int, deed: str) -> None:
        """A shopper buys, or begins a checkout, which counts against the number, or ends one."""
        account = self.some_remote(which)
        market = account.market
        if deed == "finish" and market.checkouts:
            market.finish_checkout(self.new_line(), HABITS[habit], bought=units < ALL)
            return
        if self.shape_of(account).enforces:
            units = min(units, market.on_sale)
        if deed == "begin" and market.limits.quarantine_seconds:
            if 0 < units <= market.on_sale:
                market.begin_checkout(units)
        elif units > 0:
            before = market.excess_units
            market.sell(self.new_line(), min(units, 3), HABITS[habit])
            self.allow(account, market.excess_units - before)

    @precondition(lambda self: any(not self.shape_of(one).enforces for one in self.remote))
    @rule(which=st.sampled_from(WHICH), habit=st.sampled_from(PICK))
    def order_outside_the_counter(self, which: int, habit: int) -> None:
        """A second system sells a unit and leaves the counter alone."""
        account = self.some_remote(which)
        market = account.market
        market.book(self.new_line(), 1, HABITS[habit], moves_counter=False)
        self.allow(account, 1)

    @precondition(lambda self: any(one.market.lines for one in self.accounts))
    @rule(which=st.sampled_from(WHICH), deed=st.sampled_from(ORDER_DEEDS))
    def change_order(self, which: int, deed: str) -> None:
        found = [(one, line) for one in self.accounts for line in one.market.lines]
        account, line = found[-1 - which % len(found)]
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

    @rule(
        item=st.sampled_from(WHICH),
        units=st.sampled_from(UNITS),
        deed=st.sampled_from(ELSEWHERE_DEEDS),
    )
    def elsewhere(self, item: int, units: int, deed: str) -> None:
        """The live peer sells, or stock is counted: a delivery, or a loss.

        What was promised before a loss cannot be taken back.
        """
        item %= len(self.stock)
        if deed == "sell":
            self.live_sold[item] += self.keeper.take_live(item, units)
        elif deed == "deliver":
            self.keeper.count_stock(item, min(units, 3))
            self.bound[item] += min(units, 3)
        else:
            self.keeper.count_stock(item, -1)

    # ------------------------------------------------------------ order facts

    @precondition(lambda self: any(one.market.lines for one in self.accounts))
    @rule(which=st.sampled_from(WHICH), version=st.sampled_from(VERSIONS), everything=st.booleans())
    def hear(self, which: int, version: int, *, everything: bool) -> None:
        """All orders of a listing are polled; or any state that one line ever had comes again."""
        found = [(one, line) for one in self.accounts for line in one.market.lines]
        account, line = found[-1 - which % len(found)]
        if everything:
            self.hear_all(account)
        else:
            told = line.history[-1 - version % len(line.history)]
            self.keeper.hear(account, line.line_id, told)

    # ------------------------------------------------------------ slices of live channels

    @precondition(has_slice)
    @rule(
        deed=st.sampled_from(SLICE_DEEDS),
        units=st.integers(1, 4),
        effect=st.sampled_from(EFFECTS),
    )
    def use_slice(self, deed: str, units: int, effect: CancelEffect) -> None:
        account = next(one for one in self.accounts if one.is_live)
        if deed == "sell":
            self.keeper.sell_from_slice(account, units)
        elif deed == "cancel" and account.slice_sold:
            self.keeper.cancel_in_slice(account, effect)
        elif deed == "resize":
            takeable = self.keeper.takeable(account)
            try:
                account.grant = escrow.resize_slice(account.grant, units - 1, takeable=takeable)
            except InsufficientFree:
                return
