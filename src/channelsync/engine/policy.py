"""The merchant's policy as the engine uses it: built from the configuration, replaced on reload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from channelsync.domain.allocation_rules import Rule

__all__ = ["Policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the merchant wants."""

    rules: Mapping[str, tuple[Rule, ...]]
    """Rules by pool, the default rule included."""
    safety_stock: Mapping[str, int] = field(default_factory=dict)
    """By pool: once per item, where its stock has none of its own."""
    min_gap_seconds: float = 0.0
    recipes: Mapping[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)
    """Hand mapping: (channel, SKU on the channel) -> units by our SKU."""
    hold_ttl_seconds: float = 900.0

    def safety_stock_in(self, pool: str) -> int:
        """Units of an item never offered in a pool whose stock says nothing else."""
        return self.safety_stock.get(pool, 0)
