"""A few orders with everything that this marketplace lets happen to orders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from channelsync.sdk.testing.contract.bench import Bench
from channelsync.sdk.testing.contract.breaking import ContractBroken
from channelsync.sdk.types import Instant

__all__ = ["Story", "a_story"]

STEP_SECONDS: Final = 30.0
Listen = Callable[["Story"], Awaitable[None]]


@dataclass(slots=True)
class Story:
    """What happened, as the world knows it."""

    began: Instant
    sold: dict[str, int] = field(default_factory=dict)
    """Units sold for good, by order: bought and not called off."""

    @property
    def orders(self) -> list[str]:
        """Every order, the earliest first."""
        return list(self.sold)


async def a_story(bench: Bench, *, after_each: Listen | None = None) -> Story:
    """Three sales; one is called off, one leaves the house, where this marketplace knows that."""
    world, story = bench.world, Story(began=bench.clock())
    await bench.subscribed()
    for sku in ("MUG", "CUP"):
        await world.stock(sku, 30)

    async def happened() -> None:
        bench.clock.passes(STEP_SECONDS)
        if after_each is not None:
            await after_each(story)

    for sku, units in (("MUG", 2), ("CUP", 1), ("MUG", 3)):
        order = await world.buy(sku, units)
        if order is None:
            raise ContractBroken(f"the simulator refuses a sale of {units} {sku} in stock")
        story.sold[order] = units
        await happened()
    kept, _, called_off = story.orders
    if world.offers("cancel"):
        await world.cancel(called_off)
        story.sold[called_off] = 0
        await happened()
    if world.offers("ship"):
        await world.ship(kept)
        await happened()
    return story
