"""After a fold channels sell, settle and are cut as before: what they need of the past stayed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.fold import DAY_SECONDS, Folded, fold_ledger
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.work import WorkKind
from channelsync.store import tables
from channelsync.store.archive import check_archive
from channelsync.store.database import Database
from channelsync.store.folding import load_folds
from channelsync.store.tables import MovementKind
from channelsync.store.verify import verify
from channelsync.worker.daemon import handlers
from tests.support.house import House, build_house
from tests.support.ledger_books import Books

CAS = PushSemantics.KEYED_COMPARE_AND_SET
DAYS = 450.0


@pytest.fixture
async def house(any_database: Database, tmp_path: Path) -> House:
    """Two shops that have sold, everything of it sealed."""
    house = await build_house(
        tmp_path,
        stock={"MUG": 200, "PLATE": 50},
        quotas={"a": 5_000, "b": 5_000},
        semantics={"a": CAS, "b": PushSemantics.ABSOLUTE},
        database=any_database,
    )
    house.supervisor.handlers = {
        **house.supervisor.handlers,
        WorkKind.SEAL: handlers(None)[WorkKind.SEAL],
    }
    await house.settle_down(120, step=20)
    await trade(house)
    return house


async def trade(house: House) -> None:
    """Both shops sell, and hear of it."""
    for units in (3, 1, 4):
        house.markets["a"].sell("MUG", units)
        house.markets["b"].sell("PLATE", 1)
        await house.settle_down(120, step=20)


async def sleep(house: House) -> None:
    """More than a year passes, and nobody works."""
    house.clock.at += DAYS * DAY_SECONDS


async def fold(house: House, archive: Path) -> Folded | None:
    return await fold_ledger(
        house.engine.database,
        house.engine.environment,
        before=house.clock.at - 420 * DAY_SECONDS,
        archive=archive,
        actor="test",
    )


async def require_proven(house: House, archive: Path) -> None:
    async with house.engine.database.read() as tx:
        report, folds = await verify(tx), await load_folds(tx)
    assert report.ok, (report.findings, report.chain.breaks)
    assert check_archive(archive, folds).breaks == ()


async def exposures(house: House) -> dict[str, Any]:
    return {sku: await house.exposures(sku) for sku in ("MUG", "PLATE")}


async def test_shops_sell_on_after_a_fold(house: House, tmp_path: Path) -> None:
    await sleep(house)
    before = await exposures(house)
    done = await fold(house, tmp_path / "old.gz")
    assert done is not None
    assert done.archived > done.remaining
    assert await exposures(house) == before
    await require_proven(house, tmp_path / "old.gz")
    await trade(house)
    await require_proven(house, tmp_path / "old.gz")
    sold = {sku: house.sold(sku) for sku in ("MUG", "PLATE")}
    assert sold == {"MUG": 16, "PLATE": 6}
    after = await exposures(house)
    assert all(None not in by_channel.values() for by_channel in after.values())


async def test_what_an_open_push_and_a_reading_are_held_against_stays(
    house: House, tmp_path: Path
) -> None:
    """The house falls asleep while the cut of a listing is not proven yet."""
    desk = StockDesk(house.engine.database, house.engine.environment)
    await desk.adjust("MUG", "dc", -120, reason="broken", actor="test")
    await house.settle_down(10)
    await seal(house)
    (open_push,) = [one for one in await house.rows(tables.pushes) if one.closed_at is None]
    assert [one.listing_id for one in await house.rows(tables.readings)] == [open_push.listing_id]
    own = sa.select(tables.movements).where(tables.movements.c.listing_id == open_push.listing_id)
    async with house.engine.database.read() as tx:
        before = (await tx.execute(own)).all()
    await sleep(house)
    assert await fold(house, tmp_path / "old.gz") is not None
    async with house.engine.database.read() as tx:
        assert (await load_folds(tx))[0].remains.kept_listings == (open_push.listing_id,)
        assert (await tx.execute(own)).all() == before
    await require_proven(house, tmp_path / "old.gz")
    await trade(house)
    await require_proven(house, tmp_path / "old.gz")
    assert (await house.exposures("MUG")).keys() == {"a", "b"}
    house.clock.at += DAYS * DAY_SECONDS
    assert await fold(house, tmp_path / "newer.gz") is not None
    await require_proven(house, tmp_path / "newer.gz")
    await require_proven(house, tmp_path / "old.gz")
    async with house.engine.database.read() as tx:
        kinds = {row.kind for row in await tx.execute(own)}
    assert MovementKind.OPENING in kinds


async def seal(house: House) -> None:
    """All that is committed, and one movement behind it: the newest seal always stays."""
    desk = StockDesk(house.engine.database, house.engine.environment)
    await desk.adjust("PLATE", "dc", 1, reason="found", actor="test")
    await Books(house.engine.database, now=house.clock()).seal()
