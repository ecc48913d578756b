"""A merchant's house for measurements: simulated shops, a till, and the file that names them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    shops: Mapping[str, ShopifySimulator]
    """By channel; all of one account, so that they share their secrets."""
    till: TillSimulator

    @property
    def shop(self) -> ShopifySimulator:
        """The only shop, or the first."""
        return next(iter(self.shops.values()))

    @classmethod
    def build(cls, folder: Path, *, items: int, units: int, shops: int = 1) -> House:
        """Shops that offer every item, and a till in the same room."""
        names = skus(items)
        opened = {}
        for number in range(shops):
            channel = f"shop-{number + 1}" if number else "shop"
            opened[channel] = ShopifySimulator(
                domain=f"{channel}.myshopify.com", rng=Random(number + 1)
            )
            for sku in names:
                opened[channel].shop.add_item(sku, units)
        till = TillSimulator(now=time, rng=Random(2), location="dc", registers=("T1",))
        return cls(folder=folder, names=names, units=units, shops=opened, till=till)

    def write(self, *, shop_urls: Sequence[str], quarantine_seconds: float = 1_800.0) -> Path:
        """Write the merchant's file, its secrets and the stock sheet. Returns the file."""
        secrets = self.folder / "secrets"
        secrets.mkdir(exist_ok=True)
        (secrets / "token").write_text(self.shop.account.access_token or "", encoding="ascii")
        (secrets / "webhooks").write_text(self.shop.deliveries.secret, encoding="ascii")
        (secrets / "till").write_text(TILL_SECRET, encoding="ascii")
        shops = {
            channel: {
                "connector": "shopify",
                "quarantine_seconds": quarantine_seconds,
                "settings": {
                    "shop": simulator.world.shop,
                    "access_token": "file:token",
                    "webhook_secret": "file:webhooks",
                    "location_id": simulator.location_id,
                    "base_url": url,
                    "visibility_lag_seconds": 0,
                },
            }
            for (channel, simulator), url in zip(self.shops.items(), shop_urls, strict=True)
        }
        configuration = {
            "version": 1,
            "locations": {"dc": {"name": "Warehouse"}},
            "channels": {
                **shops,
                "till": {
                    "connector": "pos",
                    "settings": {"webhook_secret": "file:till", "location": "dc"},
                },
            },
            "allocation": {"quotas": {channel: f"{100 // len(shops)}%" for channel in shops}},
        }
        path = self.folder / "channelsync.yaml"
        # JSON is YAML.
        path.write_text(json.dumps(configuration, indent=1), encoding="utf-8")
        (self.folder / "stock.csv").write_text(
            sheet(self.names, self.units, "dc"), encoding="ascii"
        )
        return path
