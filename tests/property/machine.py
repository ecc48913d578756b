"""The model world of the state machines, and what must hold in it after every step.

Model channels with ground truth (`market`) against the books (`keeper`), which are kept by the
real functions of the domain (`rules`). Shoppers, messages, faults and time are the rules of the
mixins in `shopping` and `pushing`; `settling` can stop everything and ask for exact books.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from channelsync.domain.escrow import Grant
from channelsync.domain.vocabulary import PushSemantics
from tests.property import budget
from tests.property.keeper import Account, Keeper
from tests.property.market import Clock, Market, limits
from tests.property.rules import Rules

ABSOLUTE: Final = PushSemantics.ABSOLUTE
DELTA: Final = PushSemantics.KEYED_DELTA
COMPARE_AND_SET: Final = PushSemantics.KEYED_COMPARE_AND_SET
LIVE: Final = PushSemantics.LIVE

ALL: Final = 9
UNITS: Final = (1, 1, 2, ALL)
"""Of what there is."""
WHICH: Final = range(12)
"""Picks one of what there is, modulo how much there is."""
PICK: Final = range(8)
PAUSES: Final = (0.4, 1.1, 1.1, 2.5, 4.0, 7.5, 20.0, 49.0)


class ProtocolBroken(AssertionError):
    """The world did what the protocol says it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One listing of the model world."""

    semantics: PushSemantics
    recipe: tuple[tuple[int, int], ...] = ((0, 1),)
    enforces: bool = True


class World(RuleBasedStateMachine):
    """One pool: its stock, its listings and their markets, and a peer that asks before it sells."""

    shapes: ClassVar[Sequence[Shape]] = ()
    stock: ClassVar[Sequence[int]] = (6,)
    protocol: ClassVar[type[Rules]] = Rules
    adopts: ClassVar[bool | None] = None
    """Whether the listings begin unsettled; None: sometimes."""
    has_checkouts: ClassVar[bool | None] = None
    """Whether shoppers' checkouts in progress outlive a cut; None: sometimes."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.bent = self.protocol()
        self.accounts: list[Account] = []
        self.keeper = Keeper(self.clock, self.bent, dict(enumerate(self.stock)), self.accounts)
        self.bound = list(self.stock)
        """Units of each item that may be promised: the stock, and what nobody can prevent."""
        self.live_sold = [0] * len(self.stock)
        self.lines_made = 0
        self.broken = False
        self.steps = 0

    @initialize(
        adopting=st.sampled_from([False, False, False, True]),
        checkouts=st.booleans(),
        offset=st.sampled_from([0.0, -1.0, 1.0]),
        shown=st.integers(0, 3),
    )
    def begin(self, *, adopting: bool, checkouts: bool, offset: float, shown: int) -> None:
        adopting = adopting if self.adopts is None else self.adopts
        checkouts = checkouts if self.has_checkouts is None else self.has_checkouts
        left = list(self.stock)
        for number, shape in enumerate(self.shapes):
            live = shape.semantics is LIVE
            fits = min(left[item] // units for item, units in shape.recipe)
            counter = 0 if live else min(shown + number % 2, fits)
            for item, units in shape.recipe:
                left[item] -= counter * units
            market = Market(
                self.clock,
                counter,
                limits(checkouts=checkouts),
                clock_offset_seconds=offset,
                forgets_keys=not self.bent.sends_key,
                repeats_writes=self.bent.repeats_writes,
            )
            unknown = adopting and not live
            grant = Grant(semantics=shape.semantics, exposure=None if unknown else counter)
            self.accounts.append(Account(f"listing {number}", dict(shape.recipe), market, grant))

    # ------------------------------------------------------------ helpers

    @property
    def remote(self) -> list[Account]:
        """Listings with a counter of their own."""
        return [one for one in self.accounts if not one.is_live]

    def some_remote(self, which: int) -> Account:
        return self.remote[which % len(self.remote)]

    def shape_of(self, account: Account) -> Shape:
        return self.shapes[self.accounts.index(account)]

    def new_line(self) -> int:
        self.lines_made += 1
        return self.lines_made

    def allow(self, account: Account, units: int) -> None:
        """Units that no protocol can keep from being promised."""
        for item, each in account.recipe.items():
            self.bound[item] += units * each

    def hear_all(self, account: Account) -> None:
        """Every order of the listing is polled and counted."""
        for line in account.market.lines:
            self.keeper.hear(account, line.line_id, line.state)

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        for account in self.accounts:
            account.market.pass_time()

    def fail(self, why: str) -> None:
        self.broken = True
        raise ProtocolBroken(why)

    # ------------------------------------------------------------ time

    @rule(seconds=st.sampled_from(PAUSES))
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)

    # ------------------------------------------------------------ what must hold

    @invariant()
    def no_listing_can_sell_more_than_its_exposure(self) -> None:
        budget.count_step(type(self).__name__)
        self.steps += 1
        for account in self.remote:
            market, exposure = account.market, account.grant.exposure
            if exposure is None:
                continue
            uncounted = market.uncounted(account.lines)
            most = max(market.counter, market.held, 0) + uncounted
            if most > exposure + market.excess_units:
                self.fail(
                    f"{account.name}: shows {market.counter}, {market.held} in checkouts, "
                    f"{uncounted} sold uncounted, {market.excess_units} sold beyond its number, "
                    f"but exposure {exposure}: {account.grant}"
                )

    @invariant()
    def no_unit_is_sold_twice(self) -> None:
        for item, bound in enumerate(self.bound):
            sold = self.live_sold[item] + sum(
                account.recipe.get(item, 0) * account.units_sold() for account in self.accounts
            )
            if sold > bound:
                self.fail(f"{sold} units of item {item} sold, {bound} were there")

    @invariant()
    def the_books_balance(self) -> None:
        """`free` is what the stock leaves after every promise and every exposure."""
        for item, bound in enumerate(self.stock):
            shipped = promised = exposed = 0
            for account in self.accounts:
                units, lines = account.recipe.get(item, 0), account.lines.values()
                shipped += units * sum(line.shipped for line in lines)
                promised += units * (account.slice_sold + sum(line.to_reserve for line in lines))
                exposed += units * (account.grant.exposure or 0)
            on_hand = bound + self.counted_in(item) - shipped
            free = on_hand - promised - self.live_sold[item] - exposed
            if self.keeper.books(item).free != free:
                self.fail(f"free of item {item}: {self.keeper.books(item).free}, not {free}")

    def counted_in(self, item: int) -> int:
        """Units that counts added since the start."""
        return self.keeper.counted_in.get(item, 0)
