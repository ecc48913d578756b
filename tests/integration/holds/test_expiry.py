"""Expiry as work: leased, at most once, and on time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.errors import HoldConflict
from channelsync.engine.expire import expire
from channelsync.engine.hold_types import Hold, HoldRequest, InsufficientUnits
from channelsync.engine.holds_desk import HoldsDesk
from channelsync.engine.idempotency import KEEP_SECONDS
from channelsync.engine.work import Claim, LeaseLost, WorkKind, claim, next_due
from channelsync.store import tables
from tests.support.house import House, build_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = await build_house(tmp_path, stock={"MUG": 10}, quotas={}, semantics={})
    yield built
    await built.engine.database.close()


async def hold(house: House, ttl_seconds: float, units: int = 1) -> Hold:
    async with house.engine.database.write() as tx:
        request = HoldRequest(owner="cart", lines={"MUG": units}, ttl_seconds=ttl_seconds)
        return await HoldsDesk(house.engine).create(tx, request)


async def claim_expiry(house: House) -> list[Claim]:
    async with house.engine.database.write() as tx:
        return await claim(
            tx, WorkKind.EXPIRE, now=house.clock(), lease_seconds=30.0, token="worker"
        )


async def kinds(house: House) -> list[str]:
    return [row.kind for row in await house.rows(tables.movements) if row.quantity == "reserved"]


async def test_the_work_is_due_when_the_first_hold_runs_out(house: House) -> None:
    await hold(house, 300)
    first = await hold(house, 60)
    async with house.engine.database.write() as tx:
        await tx.execute(
            sa.update(tables.work)
            .where(tables.work.c.kind == WorkKind.EXPIRE)
            .values(not_before=first.expires_at)
        )
    async with house.engine.database.read() as connection:
        due = await next_due(connection, WorkKind.EXPIRE, now=house.clock())
    assert due == first.expires_at
    house.clock.at += 61
    (held,) = await claim_expiry(house)
    again_at = await expire(house.engine, held)
    assert again_at is not None
    assert again_at - house.clock.at == pytest.approx(239, abs=1)
    assert await kinds(house) == ["hold", "hold", "hold_expiry"]


async def test_each_hold_ends_once_however_often_the_work_runs(house: House) -> None:
    for _ in range(3):
        await hold(house, 60)
    house.clock.at += 61
    for _ in range(3):
        for held in await claim_expiry(house):
            assert await expire(house.engine, held) is None
        house.clock.at += 31
    assert (await kinds(house)).count("hold_expiry") == 3
    await house.require_clean_books()


async def test_a_worker_that_lost_its_lease_ends_nothing(house: House) -> None:
    await hold(house, 60)
    house.clock.at += 61
    (held,) = await claim_expiry(house)
    house.clock.at += 31
    with pytest.raises(LeaseLost):
        await expire(house.engine, held)
    assert await kinds(house) == ["hold"]


async def test_after_expiry_nothing_else_can_be_done_with_it(house: House) -> None:
    ended = await hold(house, 60)
    house.clock.at += 61
    (held,) = await claim_expiry(house)
    await expire(house.engine, held)
    desk = HoldsDesk(house.engine)
    use_cases: tuple[Callable[[AsyncConnection], Awaitable[Hold]], ...] = (
        lambda tx: desk.confirm(tx, ended.id, "A-1"),
        lambda tx: desk.extend(tx, ended.id, 60.0),
        lambda tx: desk.release(tx, ended.id),
        lambda tx: desk.ship(tx, ended.id),
    )
    for use_case in use_cases:
        with pytest.raises(HoldConflict, match="expired"):
            async with house.engine.database.write() as tx:
                await use_case(tx)
    await house.require_clean_books()


async def test_units_stay_kept_until_the_expiry_has_really_run(house: House) -> None:
    await hold(house, 60, units=10)
    house.clock.at += 61
    with pytest.raises(InsufficientUnits):
        await hold(house, 60)
    for held in await claim_expiry(house):
        await expire(house.engine, held)
    await hold(house, 60, units=10)
    await house.require_clean_books()


async def test_old_idempotency_keys_are_forgotten(house: House) -> None:
    async with house.engine.database.write() as tx:
        rows = [
            {"key": "old", "fingerprint": "x", "created_at": house.clock() - KEEP_SECONDS - 1},
            {"key": "young", "fingerprint": "x", "created_at": house.clock()},
        ]
        await tx.execute(sa.insert(tables.idempotency), rows)
    for held in await claim_expiry(house):
        await expire(house.engine, held)
    assert [row.key for row in await house.rows(tables.idempotency)] == ["young"]
