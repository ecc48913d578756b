"""A till that asks before it sells is shown its number; nothing depends on its hearing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from channelsync.domain.vocabulary import PushSemantics
from channelsync.sdk.errors import Retryable
from channelsync.sdk.testing.memory import MemoryChannel, MemoryMarket

if TYPE_CHECKING:
    from channelsync.sdk.types import ListingRef
    from tests.support.house import Build, House


@dataclass
class Till(MemoryChannel):
    """A memory market with a screen."""

    market: MemoryMarket
    shown: list[dict[str, int]] = field(default_factory=list)
    deaf: bool = False

    def __post_init__(self) -> None:
        super().__init__(self.market)

    async def tell(self, quantities: Sequence[tuple[ListingRef, int]]) -> None:
        if self.deaf:
            raise Retryable("the till is switched off")
        self.shown.append({listing.sku: units for listing, units in quantities})


def put_till(house: House) -> Till:
    till = Till(house.markets["till"])
    running = house.channels.running["till"]
    house.channels.running["till"] = replace(running, channel=till)
    return till


async def a_shop_with_a_till(build: Build) -> tuple[House, Till]:
    house = await build(
        stock={"MUG": 10, "CUP": 5},
        quotas={"web": 6_000, "till": 4_000},
        semantics={"web": PushSemantics.KEYED_DELTA, "till": PushSemantics.LIVE},
    )
    return house, put_till(house)


async def test_a_till_is_told_its_slice_once_and_again_when_it_changes(build: Build) -> None:
    house, till = await a_shop_with_a_till(build)
    await house.settle_down(300)
    last = {sku: units for told in till.shown for sku, units in told.items()}
    assert last == {"MUG": 4, "CUP": 2}
    told = len(till.shown)
    await house.settle_down(300)
    assert len(till.shown) == told
    house.markets["till"].counters["MUG"] = 4
    assert house.markets["till"].sell("MUG")
    await house.settle_down(300)
    assert till.shown[-1].keys() == {"MUG"}
    assert till.shown[-1]["MUG"] == (await house.exposures("MUG"))["till"]


async def test_a_till_that_was_switched_off_is_told_when_it_is_back(build: Build) -> None:
    house, till = await a_shop_with_a_till(build)
    till.deaf = True
    await house.settle_down(300)
    assert till.shown == []
    assert (await house.exposures("MUG"))["till"] == 4
    till.deaf = False
    await house.settle_down(600)
    assert till.shown == [{"CUP": 2, "MUG": 4}]
    await house.require_clean_books()
