"""The auditor: what was really sold, counted at the marketplaces. It trusts none of our books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from channelsync_pos.simulator import TillSimulator
from channelsync_shopify.simulator import ShopifySimulator

__all__ = ["Auditor"]


@dataclass(slots=True)
class Auditor:
    """Counts accepted units by SKU over every simulated marketplace."""

    shops: Mapping[str, ShopifySimulator]
    till: TillSimulator
    supply: Counter[str] = field(default_factory=Counter)
    """Units that ever were in the house."""
    past_slice: Counter[str] = field(default_factory=Counter)
    """Units that the till sold knowingly past its slice."""

    def accepted(self) -> Counter[str]:
        """Net units sold by SKU."""
        units: Counter[str] = Counter()
        for shop in self.shops.values():
            units.update(shop.world.accepted())
        for sku in self.till.sold:
            units[sku] += self.till.net_units(sku)
        return units

    def verdict(self) -> tuple[int, int, int]:
        """Units sold; of these, beyond the stock by us; and by a till that sold past its slice."""
        accepted = self.accepted()
        by_us = by_till = 0
        for sku, units in accepted.items():
            beyond = max(units - self.supply[sku], 0)
            till = min(beyond, self.past_slice[sku])
            by_till += till
            by_us += beyond - till
        return sum(accepted.values()), by_us, by_till
