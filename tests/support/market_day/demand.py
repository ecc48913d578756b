"""Who wants what, where and when: the same buyers for every policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

__all__ = ["BUYERS", "FLASH_SKU", "Buyer", "buyers", "stock_of"]

FLASH_SKU: Final = "SKU-00"
BUYERS: Final = {"amazon": 0.45, "shopify": 0.40, "square": 0.15}
"""Where buyers come from. The quotas, 50/30/20, do not know it."""
ITEMS: Final = 50
EVERYDAY_PER_SECOND: Final = 0.05
FLASH_PER_SECOND: Final = 0.25
FLASH_FROM_SECONDS: Final = 120.0
FLASH_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Buyer:
    """Somebody who wants one unit, and perhaps thinks better of it later."""

    at: float
    """Seconds after the doors open."""
    channel: str
    sku: str
    cancels_after: float | None


def stock_of(rng: Random) -> dict[str, int]:
    """Units of each item; the flash sale's has the most."""
    stock = {f"SKU-{number:02}": rng.randint(2, 12) for number in range(ITEMS)}
    return stock | {FLASH_SKU: 60}


def buyers(rng: Random, seconds: float) -> Iterator[Buyer]:
    """Everybody who comes within `seconds`, in order."""
    skus = [f"SKU-{number:02}" for number in range(ITEMS)]
    weights = [1 / (place + 3) for place in range(ITEMS)]
    peak = EVERYDAY_PER_SECOND + FLASH_PER_SECOND
    at = 0.0
    while True:
        at += rng.expovariate(peak)
        if at > seconds:
            return
        everyday = rng.random() < EVERYDAY_PER_SECOND / peak
        in_sale = FLASH_FROM_SECONDS <= at < FLASH_FROM_SECONDS + FLASH_SECONDS
        [sku] = rng.choices(skus, weights)
        [channel] = rng.choices(list(BUYERS), list(BUYERS.values()))
        cancels = rng.uniform(20, 400) if rng.random() < 0.03 else None
        if everyday or in_sale:
            yield Buyer(at, channel, sku if everyday else FLASH_SKU, cancels)
