"""An old backup takes the place of the books: nothing is raised before everything is proven."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from channelsync.domain.escrow import SettleReason
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.restored import doubt_everything
from channelsync.engine.witness import ALARM, Witness
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
    back_up(folder)
    await live_on(house)
    again = await restore(house, folder)
    if doubted:
        await doubt_everything(again.engine, actor="test")
    await look_everywhere(again)
    return again


def back_up(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "house.db")) as shell:
        shell.execute("VACUUM INTO ?", (str(folder / "backup.db"),))


async def live_on(house: House) -> None:
    for _ in range(4):
        house.markets["a"].sell("MUG")
        await house.settle_down(120, step=30)
    await house.settle_down(1_200, step=60)


async def restore(house: House, folder: Path) -> House:
    """The backup takes the place of the books, and somebody new works on them."""
    await house.engine.database.close()
    shutil.copy(folder / "backup.db", folder / "house.db")
    for leftover in ("house.db-wal", "house.db-shm"):
        (folder / leftover).unlink(missing_ok=True)
    return neighbour(house, "again")


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


async def two_channels(build: Build) -> House:
    house = await build(
        stock={"MUG": STOCK}, quotas={"a": 5_000, "b": 5_000}, semantics={"a": CAS, "b": CAS}
    )
    await house.settle_down(300, step=30)
    return house


async def in_doubt(house: House) -> set[str]:
    rows = await house.rows(tables.listings)
    return {row.channel for row in rows if SettleReason.ADOPTING in row.settle_reasons}


async def alarms_of(house: House) -> list[str]:
    return [row.kind for row in await house.rows(tables.alarms) if row.cleared_at is None]


async def test_a_restore_that_nobody_declared_is_noticed(build: Build, tmp_path: Path) -> None:
    house = await two_channels(build)
    witness = Witness(tmp_path / "seen.json")
    assert not await witness.look(house.engine)
    back_up(tmp_path)
    await live_on(house)
    assert not await witness.look(house.engine)
    again = await restore(house, tmp_path)
    assert await Witness(tmp_path / "seen.json").look(again.engine)
    assert await in_doubt(again) == {"a", "b"}
    assert await alarms_of(again) == [ALARM]
    await look_everywhere(again)
    await again.settle_down(3_600, step=60)
    assert await in_doubt(again) == set()
    assert not await witness.look(again.engine)
    assert await alarms_of(again) == []
    await again.require_clean_books()
    await again.engine.database.close()


async def test_books_that_have_grown_again_since_the_restore_are_still_other_ones(
    build: Build, tmp_path: Path
) -> None:
    house = await two_channels(build)
    witness = Witness(tmp_path / "seen.json")
    assert not await witness.look(house.engine)
    back_up(tmp_path)
    house.markets["a"].sell("MUG")
    await house.settle_down(60, step=30)
    assert not await witness.look(house.engine)
    again = await restore(house, tmp_path)
    await look_everywhere(again)
    await again.settle_down(1_200, step=60)
    assert await witness.look(again.engine)
    await again.engine.database.close()


async def test_a_second_machine_does_not_doubt_the_same_again(build: Build, tmp_path: Path) -> None:
    house = await two_channels(build)
    one, other = Witness(tmp_path / "one.json"), Witness(tmp_path / "other.json")
    assert not await one.look(house.engine)
    back_up(tmp_path)
    await live_on(house)
    for witness in (one, other):
        assert not await witness.look(house.engine)
    again = await restore(house, tmp_path)
    assert await one.look(again.engine)
    assert not await other.look(again.engine)
    assert await in_doubt(again) == {"a", "b"}
    await again.engine.database.close()


async def test_other_books_and_a_broken_memory_are_no_restore(build: Build, tmp_path: Path) -> None:
    house = await two_channels(build)
    path = tmp_path / "seen.json"
    assert not await Witness(path).look(house.engine)
    seen = json.loads(path.read_text())
    path.write_text(json.dumps(seen | {"name": "other books", "movement": 10**9}))
    assert not await Witness(path).look(house.engine)
    assert json.loads(path.read_text()) == seen
    path.write_text("{")
    assert not await Witness(path).look(house.engine)
    assert json.loads(path.read_text()) == seen
