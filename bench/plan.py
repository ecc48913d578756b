"""The plan of a large catalogue: every item's targets, and what would be pushed and why."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from bench.books import CHANNELS, ON_HAND, fill
from bench.figure import Figure
from bench.house import skus
from bench.scale import Scale
from channelsync.bootstrap import OpenedChannels, system_environment
from channelsync.domain.allocation import Offer, allocate
from channelsync.domain.allocation_rules import Rule
from channelsync.engine.core import Engine
from channelsync.engine.plan import view_plan
from channelsync.engine.policy import Policy
from channelsync.queue.in_process import InProcessBus
from channelsync.store import migrate
from channelsync.store.database import Database, sqlite_url

__all__ = ["measure"]

RULE = Rule(name="default", quotas={CHANNELS[0]: 6_000, CHANNELS[1]: 4_000})
REACH = 0.2
"""The plan takes five times as long as its targets alone at most."""
"""A hundred thousand items within 100 s."""


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """One figure: the whole plan, as `channelsync plan` makes it."""
    url = sqlite_url(folder / "channelsync.db")
    await migrate.upgrade(url)
    database = Database(url)
    try:
        await fill(database, skus(scale.plan_items))
        engine = Engine(
            database=database,
            channels=OpenedChannels(),
            environment=system_environment(),
            bus=InProcessBus(),
            policy=Policy(rules={"main": (RULE,)}),
        )
        ours, bare = [], []
        for _ in range(scale.rounds):
            ours.append(await _seconds(engine, scale.plan_items))
            bare.append(_arithmetic_seconds(scale.plan_items))
    finally:
        await database.close()
    return [
        Figure(
            name=f"plan of {scale.plan_items:,} items",
            unit="seconds",
            better="less",
            values=tuple(ours),
            limits=tuple(bare),
            limit_is="the targets alone, from memory",
            reach=REACH,
        )
    ]


async def _seconds(engine: Engine, items: int) -> float:
    began = perf_counter()
    async with engine.database.read() as tx:
        plan = await view_plan(engine, tx)
    seconds = perf_counter() - began
    if len(plan.items) != items:
        raise RuntimeError(f"{len(plan.items)} of {items} items were planned")
    return seconds


def _arithmetic_seconds(items: int) -> float:
    offers = [
        Offer(listing_id=channel, channel=channel, recipe={"item": 1}) for channel in CHANNELS
    ]
    began = perf_counter()
    for _ in range(items):
        allocate(ON_HAND, offers, RULE)
    return perf_counter() - began
