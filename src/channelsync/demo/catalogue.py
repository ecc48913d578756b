"""What the demonstration sells: 200 items over two locations, the same in every run."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

__all__ = [
    "AMAZON",
    "FLASH_SKU",
    "SHARES",
    "SHOPIFY",
    "TILL",
    "DemoItem",
    "catalogue",
    "shares_of",
    "stock_sheet",
]

AMAZON: Final = "amazon"
SHOPIFY: Final = "shopify"
TILL: Final = "till"
FLASH_SKU: Final = "AURORA-LAMP"
SHARES: Final = {AMAZON: 50, SHOPIFY: 30, TILL: 20}
"""Percent of what is available to promise, by channel."""
GOODS: Final = (
    "Mug",
    "Teapot",
    "Carafe",
    "Bowl",
    "Plate",
    "Vase",
    "Candle",
    "Blanket",
    "Cushion",
    "Towel",
    "Apron",
    "Basket",
    "Clock",
    "Notebook",
    "Pencil case",
    "Tote bag",
    "Rug",
    "Stool",
    "Lantern",
    "Planter",
)
COLOURS: Final = ("Sage", "Sand", "Ink", "Clay", "Snow", "Moss", "Plum", "Rust", "Sky", "Coal")
WAREHOUSE: Final = (14, 60)
SHOP: Final = (3, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoItem:
    """One item and where it lies."""

    sku: str
    name: str
    warehouse: int
    shop: int

    @property
    def units(self) -> int:
        """All of it."""
        return self.warehouse + self.shop


def catalogue(rng: Random) -> tuple[DemoItem, ...]:
    """The item of the flash sale first, then the rest of the 200."""
    flash = DemoItem(sku=FLASH_SKU, name="Aurora lamp, limited edition", warehouse=70, shop=20)
    rest = [
        DemoItem(
            sku=f"{good.replace(' ', '').upper()}-{colour.upper()}",
            name=f"{good} in {colour.lower()}",
            warehouse=rng.randint(*WAREHOUSE),
            shop=rng.randint(*SHOP),
        )
        for good in GOODS
        for colour in COLOURS
    ]
    return (flash, *rest[:-1])


def shares_of(units: int) -> dict[str, int]:
    """Units by channel, rounded down: what the shops list when the demonstration begins."""
    return {channel: units * percent // 100 for channel, percent in SHARES.items()}


def stock_sheet(items: Sequence[DemoItem]) -> str:
    """The catalogue as the stock sheet that a merchant would import."""
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(("sku", "location", "on_hand", "name"))
    for item in items:
        writer.writerow((item.sku, "warehouse", item.warehouse, item.name))
        writer.writerow((item.sku, "shop", item.shop, item.name))
    return sheet.getvalue()
