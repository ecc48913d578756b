"""The plan of a large catalogue after its quotas changed: targets, pushes and why, and memory."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from bench.books import CHANNELS, ON_HAND, open_books
from bench.figure import Figure
from bench.process import collecting_as_the_program_does, forget_peak, peak_megabytes
from bench.scale import Scale
from channelsync.domain.allocation import Offer, allocate_recipes
from channelsync.domain.allocation_rules import Rule
from channelsync.engine.core import Engine
from channelsync.engine.plan import view_plan

__all__ = ["measure"]

RULE = Rule(name="default", quotas=dict(zip(CHANNELS, (8_000, 1_000, 1_000), strict=True)))
"""Quite another share than what the listings hold: every item changes."""
REACH = 0.2
"""The plan takes five times as long as its targets alone at most."""
MEGABYTES_MAX = 400.0


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Two figures: the whole plan, as `channelsync plan` makes it, and what memory it takes."""
    ours, bare, peaks, before = [], [], [], []
    async with open_books(folder, scale.plan_items, RULE) as engine:
        with collecting_as_the_program_does():
            for _ in range(scale.rounds):
                before.append(forget_peak())
                ours.append(await _seconds(engine, scale.plan_items))
                peaks.append(peak_megabytes())
                bare.append(_arithmetic_seconds(scale.plan_items))
    items = f"{scale.plan_items:,} items on {len(CHANNELS)} channels"
    return [
        Figure(
            name=f"plan of {items}",
            unit="seconds",
            better="less",
            values=tuple(ours),
            limits=tuple(bare),
            limit_is="the targets alone, from memory",
            reach=REACH,
        ),
        Figure(
            name=f"memory, at most, for the plan of {items}",
            unit="MB",
            better="less",
            values=tuple(peaks),
            limits=tuple(before),
            limit_is="the same process before it",
            target=MEGABYTES_MAX,
        ),
    ]


async def _seconds(engine: Engine, items: int) -> float:
    began = perf_counter()
    async with engine.database.read() as tx:
        plan = await view_plan(engine, tx, keep=lambda _pushes: False)
    seconds = perf_counter() - began
    if plan.looked_at != items or plan.pushes < items:
        raise RuntimeError(f"{plan.looked_at} of {items} items, {plan.pushes} pushes were planned")
    return seconds


def _arithmetic_seconds(items: int) -> float:
    offers = [
        Offer(listing_id=channel, channel=channel, recipe={"item": 1}) for channel in CHANNELS
    ]
    began = perf_counter()
    for _ in range(items):
        allocate_recipes({"item": ON_HAND}, offers, {"item": RULE}, traced=False)
    return perf_counter() - began
