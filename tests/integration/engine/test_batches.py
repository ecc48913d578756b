"""Keys worked on together: the same outcome as one by one, and no key suffers for another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from channelsync.domain.vocabulary import Instant, PushSemantics
from channelsync.engine.core import Engine
from channelsync.engine.reconcile import reconcile, reconcile_together
from channelsync.engine.work import (
    Claim,
    WorkKind,
    claim,
    finish_together,
    mark,
    mark_many,
    require_leases,
)
from channelsync.store import tables
from channelsync.worker.supervisor import InBatches
from tests.support.house import HANDLERS, Build, House

KEYED = PushSemantics.KEYED_COMPARE_AND_SET
STOCK = {"MUG": 40, "CUP": 7, "POT": 1, "SET": 0}
SINGLY = {**HANDLERS, WorkKind.RECONCILE: reconcile}


async def two_shops(build: Build) -> House:
    house = await build(
        stock=STOCK, quotas={"a": 6_000, "b": 4_000}, semantics={"a": KEYED, "b": KEYED}
    )
    bundle = {("a", "SET"): {"MUG": 1, "CUP": 2}}
    house.engine.policy = replace(house.engine.policy, recipes=bundle)
    return house


def state_of(rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    names = ("channel", "sku", "exposure", "target", "remote", "push_seq", "settle_reasons")
    return sorted(tuple(str(getattr(row, name)) for name in names) for row in rows)


async def test_a_batch_comes_to_the_same_as_one_by_one(build: Build, tmp_path: Any) -> None:
    outcomes = []
    for handlers in (HANDLERS, SINGLY):
        house = await two_shops(build)
        house.supervisor.handlers = handlers
        await house.settle_down(120)
        for sku in ("MUG", "CUP", "MUG"):
            house.markets["a"].sell(sku)
        await house.settle_down(120)
        await house.require_clean_books()
        outcomes.append(state_of(await house.rows(tables.listings)))
        await house.engine.database.close()
        (tmp_path / "house.db").unlink()
    assert outcomes[0] == outcomes[1]
    assert any(row[2] not in {"0", "None"} for row in outcomes[0])


async def test_a_batch_never_gives_a_shared_unit_twice(build: Build) -> None:
    house = await two_shops(build)
    await house.settle_down(300)
    sold = {name: await house.exposures(name) for name in STOCK}
    cups = sum(units or 0 for units in sold["CUP"].values()) + 2 * (sold["SET"]["a"] or 0)
    assert 0 < cups <= STOCK["CUP"]
    await house.require_clean_books()


async def claims_of(house: House, keys: Sequence[str]) -> list[Claim]:
    async with house.engine.database.write() as tx:
        await tx.execute(sa.delete(tables.work))
        await mark_many(tx, WorkKind.RECONCILE, keys, not_before=house.clock())
    async with house.engine.database.write() as tx:
        return await claim(
            tx,
            WorkKind.RECONCILE,
            now=house.clock(),
            lease_seconds=60.0,
            token="mine",
            limit=10,
        )


async def due(house: House) -> dict[str, bool]:
    return {
        row.key: row.done_version < row.want_version
        for row in await house.rows(tables.work)
        if row.kind == WorkKind.RECONCILE
    }


async def test_a_batch_finishes_its_keys_in_its_own_transaction(build: Build) -> None:
    house = await two_shops(build)
    await reconcile_together(house.engine, await claims_of(house, ["1", "2", "3"]))
    assert await due(house) == {"1": False, "2": False, "3": False}


async def test_a_key_marked_during_a_batch_stays_due(build: Build) -> None:
    house = await two_shops(build)
    claims = await claims_of(house, ["1", "2"])
    async with house.engine.database.write() as tx:
        await mark(tx, WorkKind.RECONCILE, "2", not_before=house.clock())
    async with house.engine.database.write() as tx:
        await finish_together(tx, [(held, None) for held in claims])
    assert await due(house) == {"1": False, "2": True}


async def test_a_key_taken_over_is_left_to_whoever_has_it(build: Build) -> None:
    house = await two_shops(build)
    claims = await claims_of(house, ["1", "2"])
    async with house.engine.database.write() as tx:
        taken = sa.update(tables.work).where(tables.work.c.key == "2").values(lease_token="theirs")
        await tx.execute(taken)
    async with house.engine.database.write() as tx:
        standing = await require_leases(tx, claims, now=house.clock())
    assert [held.key for held in standing] == ["1"]
    await reconcile_together(house.engine, claims)
    assert await due(house) == {"1": False, "2": True}


async def test_one_bad_key_keeps_none_of_its_batch_from_being_done(build: Build) -> None:
    house = await two_shops(build)
    done: list[str] = []

    async def together(_engine: Engine, claims: Sequence[Claim]) -> None:
        raise ZeroDivisionError(f"{len(claims)} at once")

    async def one(_engine: Engine, held: Claim) -> Instant | None:
        if held.key == "2":
            raise ZeroDivisionError(held.key)
        done.append(held.key)
        return None

    house.supervisor.handlers = {WorkKind.RECONCILE: InBatches(one, together)}
    await claims_of(house, [])
    async with house.engine.database.write() as tx:
        await mark_many(tx, WorkKind.RECONCILE, ["1", "2", "3"], not_before=house.clock())
    await house.supervisor.run_until_idle(horizon=house.clock() + 1)
    assert sorted(done) == ["1", "3"]
    assert await due(house) == {"1": False, "2": True, "3": False}
    [alarm] = [row for row in await house.rows(tables.alarms) if row.kind == "work_failing"]
    assert alarm.subject == "reconcile/2"
