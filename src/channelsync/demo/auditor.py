"""The auditor: what was really sold, counted at the marketplaces. It trusts none of our books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["Auditor"]


@dataclass(slots=True)
class Auditor:
    """Counts accepted units by SKU over every simulated marketplace."""

    counters: Mapping[str, Callable[[], Counter[str]]]
    """By channel: net units that it promised to its shoppers, by SKU."""
    supply: Counter[str] = field(default_factory=Counter)
    """Units that ever were in the house."""
    past_slice: Counter[str] = field(default_factory=Counter)
    """Units that the till sold knowingly past its slice."""

    def accepted(self) -> Counter[str]:
        """Net units sold by SKU."""
        units: Counter[str] = Counter()
        for count in self.counters.values():
            units.update(count())
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
