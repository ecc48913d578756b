"""Pushes for each unit sold, beside the plain policy that tells everybody of every sale."""

from __future__ import annotations

from pathlib import Path

from bench.figure import Figure
from bench.scale import Scale
from channelsync.simulate import run

__all__ = ["measure"]

SCENARIOS = ("steady", "flash")
REACH = 5.0
"""At most a fifth of the mirror policy's pushes."""


async def measure(scale: Scale, _folder: Path) -> list[Figure]:
    """A figure a scenario; every round has buyers of its own, the same for both policies."""
    return [_figure(scenario, scale) for scenario in SCENARIOS]


def _figure(scenario: str, scale: Scale) -> Figure:
    ours, mirror = [], []
    for seed in range(1, scale.rounds + 1):
        kept = run(scenario, "escrow", scale.trials, seed)
        if kept.oversold:
            raise RuntimeError(f"{scenario}, seed {seed}: {kept.oversold} units oversold")
        ours.append(kept.pushes_per_sale)
        mirror.append(run(scenario, "mirror", scale.trials, seed).pushes_per_sale)
    return Figure(
        name=f"pushes for a unit sold, {scenario}",
        unit="pushes",
        better="less",
        values=tuple(ours),
        limits=tuple(mirror),
        limit_is="the mirror policy, the same buyers",
        reach=REACH,
    )
