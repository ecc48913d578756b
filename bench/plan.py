"""The plan of a large catalogue after its quotas changed: targets, pushes and why, and memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter

from bench.books import CHANNELS, EXPOSURE, ON_HAND, open_books
from bench.figure import Figure
from bench.process import collecting_as_the_program_does, forget_peak, peak_megabytes
from bench.scale import Scale
from channelsync.domain.allocation import Offer, allocate_recipes
from channelsync.domain.allocation_rules import Rule
from channelsync.domain.intents import ItemState, ListingState, Plan
from channelsync.domain.rebalance import rebalance
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.core import Engine
from channelsync.engine.plan import view_plan

__all__ = ["measure"]

RULE = Rule(name="default", quotas=dict(zip(CHANNELS, (8_000, 1_000, 1_000), strict=True)))
"""Quite another share than what the listings hold: every item changes."""
REACH = 0.2
"""The plan takes five times as long as its arithmetic at most."""
MEGABYTES_MAX = 400.0
NOW = 0.0
_OFFERS = [Offer(listing_id=channel, channel=channel, recipe={"item": 1}) for channel in CHANNELS]


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """The whole plan, as `channelsync plan` makes it, beside its arithmetic, and its memory.

    The arithmetic of targets and plan is that of both, and to that it is held. What it is beside
    the targets alone is told as well, and promised nothing.
    """
    ours, targets, pushes, peaks, before = [], [], [], [], []
    async with open_books(folder, scale.plan_items, RULE) as engine:
        with collecting_as_the_program_does():
            for _ in range(scale.rounds):
                before.append(forget_peak())
                ours.append(await _seconds(engine, scale.plan_items))
                peaks.append(peak_megabytes())
                targets.append(_seconds_of(_targets, scale.plan_items))
                pushes.append(_seconds_of(_pushes, scale.plan_items))
    items = f"{scale.plan_items:,} items on {len(CHANNELS)} channels"
    return [
        _figure(f"plan of {items}", ours, pushes, "its targets and pushes, from memory", REACH),
        _figure(f"plan of {items}, by its targets", ours, targets, "its targets, from memory"),
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


def _figure(
    name: str,
    ours: Sequence[float],
    bare: Sequence[float],
    limit_is: str,
    reach: float | None = None,
) -> Figure:
    return Figure(
        name=name,
        unit="seconds",
        better="less",
        values=tuple(ours),
        limits=tuple(bare),
        limit_is=limit_is,
        reach=reach,
    )


async def _seconds(engine: Engine, items: int) -> float:
    began = perf_counter()
    async with engine.database.read() as tx:
        plan = await view_plan(engine, tx, keep=lambda _pushes: False)
    seconds = perf_counter() - began
    if plan.looked_at != items or plan.pushes < items:
        raise RuntimeError(f"{plan.looked_at} of {items} items, {plan.pushes} pushes were planned")
    return seconds


def _seconds_of(arithmetic: Callable[[], object], items: int) -> float:
    began = perf_counter()
    for _ in range(items):
        arithmetic()
    return perf_counter() - began


def _targets() -> Mapping[str, int]:
    """What each listing of an item should hold."""
    return allocate_recipes({"item": ON_HAND}, _OFFERS, {"item": RULE}, traced=False).targets


def _pushes() -> Plan:
    """What is pushed of an item: its targets, and how its listings get there."""
    targets, free = _targets(), ON_HAND - len(CHANNELS) * EXPOSURE
    listings = [
        ListingState(
            listing_id=channel,
            channel=channel,
            semantics=PushSemantics.KEYED_COMPARE_AND_SET,
            exposure=EXPOSURE,
            target=target,
        )
        for channel, target in targets.items()
    ]
    return rebalance(ItemState(now=NOW, free=free, takeable=free, listings=tuple(listings)))
