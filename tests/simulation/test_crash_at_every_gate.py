"""A crash at every commit and at every call of a rich day, one after the other.

The day is lived once; at each gate it is written down what a crash would leave: the committed store
and the world outside. From each of these moments the program is started again, the day goes on, and
at its end nothing may be lost, doubled or oversold. Moments that left the same behind are the same
crash and are lived once.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import hashlib
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from channelsync.store import tables
from tests.simulation.crash_scene import (
    MARKETS,
    STORY,
    Disk,
    Moment,
    Scene,
    Work,
    World,
    first_life,
    next_life,
)
from tests.support.records import keep

PARTS = 10
"""So that several cores share the crashes."""
WHOLE_STORY_EVERY = 40
"""After the other crashes the chapter is finished, and then it is quiet."""


@dataclass(slots=True)
class Diary:
    """What a crash would leave behind, at each gate of the first life."""

    folder: Path
    chapter: int = 0
    happened: bool = False
    scene: Scene | None = None
    crossed: Counter[str] = field(default_factory=Counter)
    moments: list[Moment] = field(default_factory=list)
    lived: dict[int, int] = field(default_factory=dict)
    """Lives after a crash, by part."""
    _committed: bytes = b""
    _digest: bytes = b""
    _known: set[bytes] = field(default_factory=set)

    def cross(self, where: str) -> None:
        if self.scene is None:
            return
        self.crossed[where] += 1
        if where == "after commit" or not self._committed:
            with closing(sqlite3.connect(self.folder / "first.db")) as database:
                self._committed = database.serialize()
            self._digest = hashlib.sha256(self._committed).digest()
        committed, world = self._committed, self.scene.world
        digest = hashlib.sha256(self._digest)
        digest.update(repr((world.state(), self.chapter, self.happened)).encode())
        if digest.digest() in self._known:
            return
        self._known.add(digest.digest())
        left = copy.deepcopy(world)
        number = self.crossed.total()
        self.moments.append(Moment(number, where, committed, left, self.chapter, self.happened))


async def live(
    scene: Scene, *, chapters: range, happened: bool = False, diary: Diary | None = None
) -> None:
    """Go through some chapters of the story; of the first, what is outside may have happened."""
    for number in chapters:
        happens, asked = STORY[number]
        if happens is not None and not (happened and number == chapters[0]):
            happens(scene.world)
        if diary is not None:
            diary.chapter, diary.happened = number, True
        followed_by_rest = len(chapters) == 1 and isinstance(asked, Work)
        if asked is not None and not followed_by_rest:
            await asked(scene)
            await require_theorem(scene)


async def first(diary: Diary) -> None:
    scene = await first_life(diary.folder, diary.cross)
    diary.scene = scene
    try:
        await live(scene, chapters=range(len(STORY)), diary=diary)
        diary.scene = None
        await scene.rest()
        await require_good_end(scene)
    finally:
        await scene.house.engine.database.close()


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Diary]:
    written = Diary(tmp_path_factory.mktemp("first life"))
    # Not what `run` returns: it would spell every byte of it out in a message that nobody reads.
    asyncio.run(first(written))
    gc.collect()
    gc.freeze()  # what was imported and written down is not looked through after every life
    yield written
    gc.unfreeze()
    if len(written.lived) == PARTS:
        keep(
            "crashes",
            "./run test tests/simulation/test_crash_at_every_gate.py",
            {
                "gates crossed by the story": (written.crossed.total(), "gates"),
                "crashes that leave something else behind": (len(written.moments), "crashes"),
                "of them started again from": (len(written.moments), "crashes"),
                "lives of their own after that": (sum(written.lived.values()), "lives"),
            },
        )


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_crash_at_any_gate_loses_nothing_and_doubles_nothing(
    tmp_path: Path, part: int, diary: Diary, capsys: pytest.CaptureFixture[str]
) -> None:
    each = -(-len(diary.moments) // PARTS)
    mine = diary.moments[part * each : (part + 1) * each]
    found: set[bytes] = set()
    disk = Disk(tmp_path)
    try:
        for moment in mine:
            await _live_on(disk, moment, found)
    finally:
        await disk.database.close()
    diary.lived[part] = len(found)
    kinds = {where.rpartition(" ")[2] for where in diary.crossed}
    assert kinds >= {"commit", "push", "read", "poll"}, diary.crossed
    with capsys.disabled():
        sys.stdout.write(
            f"\ncrash at every gate, part {part + 1} of {PARTS}: {diary.crossed.total()} gates,"
            f" {len(diary.moments)} that differ, {len(mine)} of them started again here,"
            f" {len(found)} of them different then\n"
        )


async def _live_on(disk: Disk, moment: Moment, found: set[bytes]) -> None:
    end = len(STORY) if moment.gate % WHOLE_STORY_EVERY == 0 else moment.chapter + 1
    try:
        scene = await next_life(disk, moment)
        beginning = _found_by(scene.world, disk, moment)
        if beginning in found and end == moment.chapter + 1:
            return
        found.add(beginning)
        await live(scene, chapters=range(moment.chapter, end), happened=moment.happened)
        await scene.rest()
        await require_good_end(scene)
    except Exception as error:
        error.add_note(f"crashed {moment.where}, gate {moment.gate}, chapter {moment.chapter}")
        raise


def _found_by(world: World, disk: Disk, moment: Moment) -> bytes:
    """A digest of all that the program finds; instants count in whole seconds."""
    outside = (world.state(), round(world.clock.at), moment.chapter, moment.happened)
    digest = hashlib.sha256(repr(outside).encode())
    for row in disk.rows():
        digest.update(repr([_whole(value) for value in row]).encode())
    return digest.digest()


def _whole(value: object) -> object:
    return round(value) if isinstance(value, float) else value


# ------------------------------------------------------------------ what must hold


async def require_theorem(scene: Scene) -> None:
    """What each listing may still show or has sold unseen is within its exposure."""
    lines = await scene.house.rows(tables.order_lines)
    for row in await scene.house.rows(tables.listings):
        if row.exposure is None:
            continue
        market = scene.world.markets[row.channel]
        counted = sum(one.ordered - one.cancelled for one in lines if one.listing_id == row.id)
        unseen = market.net_sold(row.sku) - counted
        may_show = [market.counters[row.sku], *(q for sku, q in market.late if sku == row.sku)]
        assert max(*may_show, 0) + unseen <= row.exposure, (row.channel, row.sku, may_show, unseen)


async def require_good_end(scene: Scene) -> None:
    house, world = scene.house, scene.world
    await require_theorem(scene)
    await house.require_clean_books()
    await _require_exact_listings(scene)
    items = {row.sku: row.id for row in await house.rows(tables.items)}
    stock = {row.item_id: row for row in await house.rows(tables.stock)}
    holds = {row.owner: row.state for row in await house.rows(tables.holds)}
    assert len(holds) == len(await house.rows(tables.holds))
    lasting = "confirmed" if "confirm lasting" in world.asked_for else "active"
    wanted = {"lasting": lasting, "fleeting": "expired"}
    assert holds == {owner: wanted[owner] for owner in world.asked_for & wanted.keys()}
    for sku, item_id in items.items():
        assert stock[item_id].on_hand == world.on_hand[sku], sku
        waiting = sum(
            fact.ordered - fact.cancelled - fact.shipped
            for market in world.markets.values()
            for fact in market.orders.values()
            if fact.sku == sku
        )
        kept = 1 if sku == "MUG" and "lasting" in holds else 0
        assert stock[item_id].reserved == waiting + kept, sku
        shown = sum(market.counters[sku] for market in world.markets.values())
        assert shown + waiting + kept <= world.on_hand[sku], f"{sku} oversold"
        # No unit is forgotten: a fifth is kept free for carts, rounding takes at most one each.
        assert shown >= (world.on_hand[sku] - waiting - kept) * 4 // 5 - len(MARKETS), sku


async def _require_exact_listings(scene: Scene) -> None:
    house, world = scene.house, scene.world
    for row in await house.rows(tables.listings):
        market = world.markets[row.channel]
        assert row.exposure == max(market.counters[row.sku], 0), dict(row._mapping)
        assert not row.settle_reasons, dict(row._mapping)
    told = {
        (name, fact.order_id): (fact.ordered, fact.cancelled, fact.shipped)
        for name, market in world.markets.items()
        for fact in market.orders.values()
    }
    counted = {
        (row.channel, row.order_id): (row.ordered, row.cancelled, row.shipped)
        for row in await house.rows(tables.order_lines)
    }
    assert counted == told
    assert all(row.closed_at is not None for row in await house.rows(tables.pushes))
    assert all(row.ended_at is not None for row in await house.rows(tables.attempts))
    assert await house.rows(tables.inbox) == []
    letters = [row.state for row in await house.rows(tables.dead_letters)]
    ended = "dropped" if "drop" in world.asked_for else "dead"
    assert letters == [ended] * ("nonsense" in world.asked_for)
