"""A plan of everything: in the order of SKUs, and summed up whether or not it is kept."""

from __future__ import annotations

from dataclasses import replace

from channelsync.domain.allocation_rules import Rule
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine import plan
from channelsync.engine.policy import Policy
from tests.support.house import Build

CAS = PushSemantics.KEYED_COMPARE_AND_SET


async def test_items_that_are_not_kept_are_counted_all_the_same(build: Build) -> None:
    stock = {f"MUG-{number}": 10 for number in range(5)}
    house = await build(stock=stock, quotas={"a": 5_000}, semantics={"a": CAS})
    await house.settle_down(60, step=60)
    rule = Rule(name="default", quotas={"a": 10_000})
    engine = replace(house.engine, policy=Policy(rules={"main": (rule,)}))
    heard: list[tuple[int, int]] = []
    async with engine.database.read() as tx:
        whole = await plan.view_plan(
            engine, tx, on_item=lambda done, of: heard.append((done, of)), at_once=2
        )
        sums = await plan.view_plan(engine, tx, keep=lambda _item: False)
    assert [item.sku for item in whole.items] == sorted(stock)
    assert heard == [(0, 5), (2, 5), (4, 5)]
    assert sums.items == ()
    assert (sums.looked_at, sums.by_kind) == (len(stock), whole.by_kind)
    assert whole.pushes == sum(
        one.push is not None for item in whole.items for one in item.listings
    )
