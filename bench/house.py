"""A merchant's house for measurements: simulated shops, a till, and the file that names them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import time

from channelsync_pos.simulator import TillSimulator
from channelsync_shopify.simulator import ShopifySimulator

__all__ = ["TILL_SECRET", "House", "sheet", "skus"]

TILL_SECRET = "whsec_" + "bWVhc3VyZW1lbnRzLW9mLW9uZS10aWxs"


def skus(count: int) -> list[str]:
    """So many SKUs."""
    return [f"ITEM-{number:06d}" for number in range(count)]


def sheet(names: Iterable[str], units: int, location: str) -> str:
    """A stock sheet with the same count of every item."""
    lines = [f"{sku},{location},{units}" for sku in names]
    return "\n".join(["sku,location,on_hand", *lines, ""])


@dataclass(slots=True, kw_only=True)
class House:
    """One shop and one till over the same stock."""

    folder: Path
    names: Sequence[str]
    units: int
    now: Callable[[], float] = time
    shop: ShopifySimulator
    till: TillSimulator

    @classmethod
    def build(cls, folder: Path, *, items: int, units: int) -> House:
        """A shop that offers every item, and a till in the same room."""
        shop = ShopifySimulator(domain="shop.myshopify.com", rng=Random(1))
        names = skus(items)
        for sku in names:
            shop.shop.add_item(sku, units)
        till = TillSimulator(now=time, rng=Random(2), location="dc", registers=("T1",))
        return cls(folder=folder, names=names, units=units, shop=shop, till=till)

    def write(self, *, shop_url: str, quarantine_seconds: float = 1_800.0) -> Path:
        """Write the merchant's file, its secrets and the stock sheet. Returns the file."""
        secrets = self.folder / "secrets"
        secrets.mkdir(exist_ok=True)
        (secrets / "token").write_text(self.shop.account.access_token or "", encoding="ascii")
        (secrets / "webhooks").write_text(self.shop.deliveries.secret, encoding="ascii")
        (secrets / "till").write_text(TILL_SECRET, encoding="ascii")
        configuration = {
            "version": 1,
            "locations": {"dc": {"name": "Warehouse"}},
            "channels": {
                "shop": {
                    "connector": "shopify",
                    "quarantine_seconds": quarantine_seconds,
                    "settings": {
                        "shop": self.shop.world.shop,
                        "access_token": "file:token",
                        "webhook_secret": "file:webhooks",
                        "location_id": self.shop.location_id,
                        "base_url": shop_url,
                        "visibility_lag_seconds": 0,
                    },
                },
                "till": {
                    "connector": "pos",
                    "settings": {"webhook_secret": "file:till", "location": "dc"},
                },
            },
            "allocation": {"quotas": {"shop": "100%"}},
        }
        path = self.folder / "channelsync.yaml"
        # JSON is YAML.
        path.write_text(json.dumps(configuration, indent=1), encoding="utf-8")
        (self.folder / "stock.csv").write_text(
            sheet(self.names, self.units, "dc"), encoding="ascii"
        )
        return path
