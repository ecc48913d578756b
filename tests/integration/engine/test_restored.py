"""An old backup takes the place of the books: nothing is raised before everything is proven."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.restored import doubt_everything
from channelsync.engine.work import WorkKind, mark
from channelsync.store import tables
from tests.support.house import Build, House, neighbour

CAS = PushSemantics.KEYED_COMPARE_AND_SET
ABSOLUTE = PushSemantics.ABSOLUTE
STOCK = 12


async def look_everywhere(house: House) -> None:
    """As every start does."""
    async with house.engine.database.write() as tx:
        for kind in (WorkKind.POLL, WorkKind.SETTLE, WorkKind.PUBLISH, WorkKind.WATCH):
            for name in house.markets:
                await mark(tx, kind, name, not_before=house.clock.at)


async def life_after_a_restore(
    build: Build, folder: Path, kind: PushSemantics, *, doubted: bool
) -> House:
    """A day after the backup: units were sold and stock was shifted between the channels."""
    house = await build(
        stock={"MUG": STOCK}, quotas={"a": 5_000, "b": 5_000}, semantics={"a": kind, "b": kind}
    )
    await house.settle_down(300)
    path = folder / "house.db"
    with closing(sqlite3.connect(path)) as shell:
        shell.execute("VACUUM INTO ?", (str(folder / "backup.db"),))
    for _ in range(4):
        house.markets["a"].sell("MUG")
        await house.settle_down(120)
    await house.settle_down(1_200)
    await house.engine.database.close()
    shutil.copy(folder / "backup.db", path)
    for leftover in ("house.db-wal", "house.db-shm"):
        (folder / leftover).unlink(missing_ok=True)
    again = neighbour(house, "again")
    if doubted:
        await doubt_everything(again.engine, actor="test")
    await look_everywhere(again)
    return again


@pytest.mark.parametrize("kind", [CAS, ABSOLUTE])
async def test_nothing_is_oversold_after_an_old_backup(
    build: Build, tmp_path: Path, kind: PushSemantics
) -> None:
    house = await life_after_a_restore(build, tmp_path, kind, doubted=True)
    for _ in range(200):
        for market in house.markets.values():
            market.sell("MUG")
        await house.settle_down(60)
        if house.sold("MUG") >= STOCK:
            break
    assert house.sold("MUG") == STOCK
    await house.require_clean_books()
    await house.engine.database.close()


async def test_nothing_is_raised_while_in_doubt(build: Build, tmp_path: Path) -> None:
    house = await life_after_a_restore(build, tmp_path, CAS, doubted=True)
    shown = {name: market.counters["MUG"] for name, market in house.markets.items()}
    for market in house.markets.values():
        market.offline = True
    await house.settle_down(600)
    assert {name: market.counters["MUG"] for name, market in house.markets.items()} == shown
    opened = [row for row in await house.rows(tables.pushes) if row.closed_at is None]
    assert [row for row in opened if row.kind == "raise"] == []
    await house.engine.database.close()
