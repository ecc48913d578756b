"""The four scenarios of the outcome simulation, and the channels that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from channelsync.domain.vocabulary import PushSemantics

__all__ = ["CHANNELS", "LOST_NOTIFICATIONS", "SCENARIOS", "ChannelModel", "Scenario"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelModel:
    """One marketplace. Times in seconds; delays are log-normal."""

    name: str
    semantics: PushSemantics
    quota: int
    """Basis points: what the merchant believes."""
    demand_share: float
    """Where the buyers really come from."""
    notify_median_seconds: float
    notify_sigma: float = 1.0
    slow_to_apply: bool = False
    """Applies a push as late as the scenario's `slow_apply_median_seconds` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One item on three channels, for a while. Times in seconds."""

    name: str
    stock: int
    buyer_every_seconds: float
    horizon_seconds: float
    slow_apply_median_seconds: float = 120.0
    apply_sigma: float = 0.6
    apply_median_seconds: float = 1.0


LOST_NOTIFICATIONS = 0.01
"""Share of order notifications that never come; the next poll finds the order."""

CHANNELS: Mapping[str, ChannelModel] = MappingProxyType(
    {
        model.name: model
        for model in (
            ChannelModel(
                name="amazon",
                semantics=PushSemantics.ABSOLUTE,
                quota=5_000,
                demand_share=0.45,
                notify_median_seconds=20.0,
                slow_to_apply=True,
            ),
            ChannelModel(
                name="shopify",
                semantics=PushSemantics.KEYED_COMPARE_AND_SET,
                quota=3_000,
                demand_share=0.40,
                notify_median_seconds=2.0,
            ),
            ChannelModel(
                name="till",
                semantics=PushSemantics.KEYED_DELTA,
                quota=2_000,
                demand_share=0.15,
                notify_median_seconds=3.0,
            ),
        )
    }
)

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        scenario.name: scenario
        for scenario in (
            Scenario(
                name="steady",
                stock=50,
                buyer_every_seconds=300.0,
                horizon_seconds=6 * 3_600.0,
                slow_apply_median_seconds=1.0,
                apply_sigma=0.5,
            ),
            Scenario(name="busy", stock=80, buyer_every_seconds=20.0, horizon_seconds=3_600.0),
            Scenario(name="flash", stock=200, buyer_every_seconds=0.5, horizon_seconds=300.0),
            Scenario(name="deep", stock=2_000, buyer_every_seconds=2.0, horizon_seconds=3_600.0),
        )
    }
)
