"""Old rows go, what is needed stays, counters never fall; a crash leaves a batch whole or gone."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.figures import view_figures
from channelsync.engine.inbox import Inbox, Received
from channelsync.engine.prune import DAY_SECONDS, Retention, count_prunable, prune_some
from channelsync.engine.work import WorkKind
from channelsync.store import tables
from channelsync.store.database import Database
from channelsync.worker.daemon import handlers
from tests.support.hooked import HookedChannel, webhook
from tests.support.house import House, build_house

CAS = PushSemantics.KEYED_COMPARE_AND_SET
MACHINERY = ("deliveries", "pushes", "requests", "attempts", "notices", "holds", "hold_lines")
EVIDENCE = ("movements", "seals", "order_lines", "line_stock", "audit", "shortfalls")
RETENTION = Retention(deliveries_days=60, pushes_days=60, notices_days=60, holds_days=60)


@pytest.fixture
async def house(any_database: Database, tmp_path: Any) -> House:
    """Two shops that have sold, told by webhook, and were pushed to; then sixty-one days pass."""
    house = await build_house(
        tmp_path,
        stock={"MUG": 20},
        quotas={"a": 5_000, "b": 5_000},
        semantics={"a": CAS, "b": CAS},
        database=any_database,
        open_channel=lambda _name, market: HookedChannel(market),
    )
    house.supervisor.handlers = {
        **house.supervisor.handlers,
        WorkKind.SEAL: handlers(None)[WorkKind.SEAL],
    }
    await house.settle_down(40, step=20)
    house.markets["a"].sell("MUG", 8)
    told = webhook("key-1", *house.markets["a"].orders.values())
    received = Received(channel="a", delivery=told, body=b"{}", at=house.clock())
    await Inbox(house.engine).store(received)
    await house.settle_down(60, step=20)
    async with house.engine.database.write() as tx:
        await tx.execute(sa.insert(tables.holds), [hold("over", "expired", house.clock.at)])
        await tx.execute(sa.insert(tables.holds), [hold("on", "active", house.clock.at)])
        await tx.execute(sa.insert(tables.notices), [notice(house, 1, "alarm/99")])
    return house


def hold(key: str, state: str, at: float) -> dict[str, Any]:
    ended = None if state == "active" else at
    return {
        "id": key,
        "pool": "main",
        "owner": "cart",
        "state": state,
        "created_at": at,
        "expires_at": at + 1e9,
        "ended_at": ended,
    }


def notice(house: House, key: int, event: str) -> dict[str, Any]:
    at = house.clock.at
    words = {"rule": "x", "target": "owner", "kind": "deficit", "subject": "s", "message": "m"}
    times = {"happened_at": at, "created_at": at, "due_at": at, "ended_at": at}
    return {"id": key, "event": event, "state": "sent", **words, **times}


async def counts(house: House) -> dict[str, int]:
    async with house.engine.database.read() as tx:
        return {
            name: (
                await tx.execute(
                    sa.select(sa.func.count()).select_from(tables.metadata.tables[name])
                )
            ).scalar_one()
            for name in (*MACHINERY, *EVIDENCE)
        }


async def prune_all(house: House, limit: int = 3) -> int:
    rounds = 0
    while True:
        async with house.engine.database.write() as tx:
            gone = await prune_some(tx, RETENTION, now=house.clock(), limit=limit)
        if not gone:
            return rounds
        rounds += 1


async def told(house: House) -> tuple[Any, int]:
    async with house.engine.database.read() as tx:
        totals = (await view_figures(house.engine, tx)).totals
    return sorted((one.channel, one.cause, one.count) for one in totals.pushes), (
        totals.expired_holds
    )


async def a_crash(house: House) -> None:
    """In the middle of a batch."""
    async with house.engine.database.write() as tx:
        assert await prune_some(tx, RETENTION, now=house.clock())
        raise RuntimeError("the plug")


async def test_what_is_old_goes_and_evidence_stays(house: House) -> None:
    before, figures = await counts(house), await told(house)
    assert await prune_all(house) == 0, "nothing is old enough yet"
    house.clock.at += 61 * DAY_SECONDS
    async with house.engine.database.read() as tx:
        prunable = await count_prunable(tx, RETENTION, now=house.clock())
    assert prunable == {
        "deliveries": before["deliveries"],
        "pushes": before["pushes"],
        "notices": 1,
        "holds": 1,
    }
    with pytest.raises(RuntimeError, match="the plug"):
        await a_crash(house)
    assert (await counts(house), await house.rows(tables.pruned)) == (before, [])
    assert await prune_all(house) >= 3, "a few rows at a time"
    after = await counts(house)
    assert {name: after[name] for name in MACHINERY} == dict.fromkeys(MACHINERY, 0) | {"holds": 1}
    assert {name: after[name] for name in EVIDENCE} == {name: before[name] for name in EVIDENCE}
    assert await told(house) == figures, "counters never fall"
    await house.require_clean_books()
    assert house.markets["b"].sell("MUG", 2)
    await house.settle_down(120, step=20)
    assert (await counts(house))["order_lines"] == before["order_lines"] + 1
    await house.require_clean_books()


async def test_the_daemon_leaves_what_is_still_asked_for_however_old(house: House) -> None:
    database = house.engine.database
    [delivery] = await house.rows(tables.deliveries)
    async with database.write() as tx:
        letter = {"kind": "delivery", "reference": str(delivery.id), "reason": "x"}
        await tx.execute(sa.insert(tables.dead_letters).values(letter | {"created_at": 1.0}))
        alarm = {"kind": "deficit", "subject": "s", "message": "m", "raised_at": house.clock.at}
        made = await tx.execute(sa.insert(tables.alarms).values(alarm))
        key = made.inserted_primary_key
        assert key is not None
        await tx.execute(sa.insert(tables.notices), [notice(house, 2, f"alarm/{key[0]}")])
        first = (await tx.execute(sa.select(tables.pushes.c.request_id).limit(1))).scalar_one()
        undone = sa.update(tables.requests).where(tables.requests.c.id == first)
        await tx.execute(undone.values(done=False))
    house.clock.at += 61 * DAY_SECONDS
    pruning = handlers(None, retention=RETENTION)[WorkKind.PRUNE]
    house.supervisor.handlers = {WorkKind.PRUNE: pruning}
    await house.settle_down()
    [work] = [one for one in await house.rows(tables.work) if one.kind == WorkKind.PRUNE]
    assert work.not_before > house.clock.at + 3_000, "it comes back by itself"
    assert [row.id for row in await house.rows(tables.deliveries)] == [delivery.id]
    assert [row.id for row in await house.rows(tables.notices)] == [2]
    assert {row.request_id for row in await house.rows(tables.pushes)} == {first}
    assert [row.id for row in await house.rows(tables.requests)] == [first]
