"""Long stretches of the model world in one rule: many steps from one seed.

A step that Hypothesis draws costs ten times what the step itself does. A walk spends one draw on
many steps, each checked like any other, and so reaches what takes a long chain of coincidences.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.property.machine import PAUSES, PICK, UNITS, WHICH
from tests.property.pushing import FATES, READ_DEEDS, Pushing
from tests.property.shopping import (
    EFFECTS,
    ELSEWHERE_DEEDS,
    ORDER_DEEDS,
    SHOP_DEEDS,
    SLICE_DEEDS,
    VERSIONS,
    Shopping,
)


def yes(chance: random.Random) -> bool:
    return chance.random() < 1 / 2


class Walking(Shopping, Pushing):
    """The rules of the world, taken at random."""

    walk_steps: ClassVar[int] = 25

    @rule(seed=st.integers(0, 2**32 - 1))
    def walk(self, seed: int) -> None:
        chance = random.Random(f"{seed} at step {self.steps}")
        walks = self.walks(chance)
        for _ in range(self.walk_steps):
            chance.choice(walks)()
            self.check_everything()

    def check_everything(self) -> None:
        self.no_listing_can_sell_more_than_its_exposure()
        self.no_unit_is_sold_twice()
        self.the_books_balance()

    def walks(self, chance: random.Random) -> list[Callable[[], None]]:
        """What can be done in this pool; what is listed twice is done twice as often."""
        anywhere = [lambda: self.wait(chance.choice(PAUSES)), lambda: self.walk_elsewhere(chance)]
        remote = [
            lambda: self.walk_shop(chance),
            lambda: self.walk_order(chance),
            lambda: self.walk_hear(chance),
            lambda: self.walk_push(chance),
            lambda: self.walk_push(chance),
            lambda: self.walk_read(chance),
            lambda: self.walk_read(chance),
        ]
        live = [lambda: self.walk_slice(chance)]
        till = [lambda: self.order_outside_the_counter(chance.choice(WHICH), chance.choice(PICK))]
        return [
            *anywhere,
            *(remote if self.remote else []),
            *(live if len(self.remote) < len(self.accounts) else []),
            *(till if any(not shape.enforces for shape in self.shapes) else []),
        ]

    def walk_elsewhere(self, chance: random.Random) -> None:
        which, units = chance.choice(WHICH), chance.choice(UNITS)
        self.elsewhere(which, units, chance.choice(ELSEWHERE_DEEDS))

    def walk_shop(self, chance: random.Random) -> None:
        which, units, habit = chance.choice(WHICH), chance.choice(UNITS), chance.choice(PICK)
        self.shop(which, units, habit, chance.choice(SHOP_DEEDS))

    def walk_order(self, chance: random.Random) -> None:
        if any(one.market.lines for one in self.accounts):
            self.change_order(chance.choice(WHICH), chance.choice(ORDER_DEEDS))

    def walk_hear(self, chance: random.Random) -> None:
        if any(one.market.lines for one in self.accounts):
            version = chance.choice(VERSIONS)
            self.hear(chance.choice(WHICH), version, everything=yes(chance))

    def walk_push(self, chance: random.Random) -> None:
        which, units, pick = chance.choice(WHICH), chance.choice(UNITS), chance.choice(PICK)
        self.push(which, units, pick, chance.choice(FATES), raising=yes(chance))

    def walk_read(self, chance: random.Random) -> None:
        which, pick, deed = chance.choice(WHICH), chance.choice(PICK), chance.choice(READ_DEEDS)
        self.read(which, pick, deed, poll=yes(chance))

    def walk_slice(self, chance: random.Random) -> None:
        deed, units = chance.choice(SLICE_DEEDS), chance.randint(1, 4)
        self.use_slice(deed, units, chance.choice(EFFECTS))
