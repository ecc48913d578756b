"""A plan of everything: in the order of SKUs, and summed up whether or not it is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from channelsync.domain.allocation_rules import Rule
from channelsync.domain.errors import InvariantViolated
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine import plan
from channelsync.engine.grants import Grants
from channelsync.engine.item_view import ItemView, read_facts, views_of
from channelsync.engine.policy import Policy
from tests.support.house import Build, House

CAS = PushSemantics.KEYED_COMPARE_AND_SET
ABSOLUTE = PushSemantics.ABSOLUTE


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
        sums = await plan.view_plan(engine, tx, keep=lambda _pushes: False)
    assert [item.sku for item in whole.items] == sorted(stock)
    assert heard == [(0, 5), (2, 5), (4, 5)]
    assert sums.items == ()
    assert (sums.looked_at, sums.by_kind) == (len(stock), whole.by_kind)
    assert whole.pushes == sum(
        one.push is not None for item in whole.items for one in item.listings
    )


async def _views(house: House, *, only_looks: bool, traced: bool) -> list[ItemView]:
    now = house.clock.at
    async with house.engine.database.read() as tx:
        grants = Grants(tx, now, "test", only_looks=only_looks)
        facts = await read_facts(house.engine, tx, grants, (1, 2), now=now, traced=traced)
        return [view for item in (1, 2) for view in views_of(house.engine, facts, grants, item)]


@pytest.mark.parametrize("seconds", [0, 5, 10, 20, 40, 600])
async def test_policy_sees_the_same_in_listings_that_are_only_looked_at(
    build: Build, seconds: float
) -> None:
    house = await build(
        stock={"MUG": 10, "CAP": 7, "SET": 0},
        quotas={"a": 5_000, "b": 4_000},
        semantics={"a": CAS, "b": ABSOLUTE},
        recipes={"SET": {"MUG": 2, "CAP": 1}},
    )
    await house.settle_down(seconds)
    whole = await _views(house, only_looks=False, traced=True)
    brief = await _views(house, only_looks=True, traced=False)
    assert [one.state for one in brief] == [one.state for one in whole]
    assert [one.books for one in brief] == [one.books for one in whole]
    assert [one.reasons for one in brief] == [one.reasons for one in whole]
    assert [one.allocation.targets for one in brief] == [one.allocation.targets for one in whole]
    assert all(one.allocation.trace for one in whole)
    for ours, theirs in zip(brief, whole, strict=True):
        for key in ours.listings:
            assert plan.waits_for(ours, key) == plan.waits_for(theirs, key)


async def test_listings_that_are_only_looked_at_cannot_be_written(build: Build) -> None:
    house = await build(stock={"MUG": 10}, quotas={"a": 5_000}, semantics={"a": CAS})
    await house.settle_down(60)
    async with house.engine.database.write() as tx:
        grants = Grants(tx, house.clock(), "test", only_looks=True)
        await grants.load_items([1])
        with pytest.raises(InvariantViolated):
            await grants.flush()


async def test_a_listing_that_became_a_bundle_meanwhile_is_seen_as_one(build: Build) -> None:
    house = await build(
        stock={"MUG": 10, "CAP": 7, "SET": 0},
        quotas={"a": 5_000},
        semantics={"a": CAS},
        recipes={"SET": {"MUG": 2, "CAP": 1}},
    )
    await house.settle_down(60)
    async with house.engine.database.read() as tx:
        grants = Grants(tx, house.clock.at, "test")
        facts = await read_facts(house.engine, tx, grants, (1,), now=house.clock.at)
    earlier = replace(facts, related={1: {1}})
    (view,) = views_of(house.engine, earlier, grants, 1)
    assert [one.takeable_elsewhere is None for one in view.state.listings] == [True, False]
