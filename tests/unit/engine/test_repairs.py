"""Repairs: everything that wants a person, with what it means and what may be done about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.domain.alarm_kinds import ALARM_KINDS
from channelsync.domain.permissions import Permission, Reach
from channelsync.domain.repair_words import ENDED_BY_A_PERSON, REPAIR_KINDS, words_for
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.alarm_desk import AlarmStands, UnknownAlarm, acknowledge_alarm
from channelsync.engine.alarms import clear_alarm, raise_alarm, record_shortfall
from channelsync.engine.channel_desk import (
    ChannelRefused,
    UnknownChannel,
    look_again,
    pause_channel,
)
from channelsync.engine.fixes import Fix, FixVerb, fixes_of
from channelsync.engine.receive import apply_parsed
from channelsync.engine.repairs import Repair, Repairs, view_repairs
from channelsync.engine.setup import apply_setup
from channelsync.engine.work import WorkKind
from channelsync.sdk.types import Notice, Parsed
from channelsync.store import tables
from tests.support.house import House, build_house, setup_for

CAS = PushSemantics.KEYED_COMPARE_AND_SET


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = await build_house(
        tmp_path,
        stock={"MUG": 100, "CUP/XL": 10},
        quotas={"a": 5_000, "b": 3_000},
        semantics={"a": CAS, "b": CAS},
    )
    yield built
    await built.engine.database.close()


async def repairs(house: House, **arguments: Any) -> Repairs:
    async with house.engine.database.read() as tx:
        return await view_repairs(tx, now=house.clock(), **arguments)


async def raised(house: House, kind: str, subject: str, channel: str | None = None) -> Repair:
    async with house.engine.database.write() as tx:
        await raise_alarm(tx, kind, subject, "so it is", now=house.clock(), channel=channel)
    return (await repairs(house)).items[0]


def verbs(repair: Repair) -> list[str]:
    return [f"{fix.verb} {fix.target}" for fix in repair.fixes]


async def test_a_house_in_order_wants_nobody_and_a_pause_by_the_file_is_ended_there(
    house: House,
) -> None:
    found = await repairs(house)
    assert (found.items, found.total) == ((), 0)
    setup = setup_for(("a", "b"))
    still = replace(setup, channels=(setup.channels[0], replace(setup.channels[1], mode="paused")))
    await apply_setup(house.engine, still)
    (stopped,) = (await repairs(house)).items
    assert (stopped.happened, verbs(stopped)) == (
        "its mode in the file is paused",
        ["configure b"],
    )


def test_every_kind_says_why_it_matters_what_was_done_and_what_to_do() -> None:
    for kind in sorted(REPAIR_KINDS):
        words = words_for(kind)
        texts = (words.matters, words.done, words.next_step)
        assert all(text.endswith(".") and len(text) > 15 for text in texts), kind
        assert words.matters != "It wants a person.", kind
        fixes = fixes_of(kind, subject="s", channel="a", sku="MUG", alarm=7)
        assert all(isinstance(fix.permission, Permission) for fix in fixes), kind


def test_a_command_that_is_to_be_typed_names_the_channel() -> None:
    assert "`channelsync channels test shop`" in words_for("channel_degraded", "shop").next_step
    assert "`channelsync channels test NAME`" in words_for("channel_degraded").next_step


def test_no_kind_of_alarm_is_without_words() -> None:
    assert set(ALARM_KINDS) < REPAIR_KINDS
    assert set(ALARM_KINDS) >= ENDED_BY_A_PERSON
    assert words_for("from_a_newer_program").title == "from a newer program"


TOLD: list[tuple[str, str, str | None, str | None, list[str]]] = [
    ("feed_quiet", "a", "a", None, ["look_again a"]),
    ("listing_refused", "a/CUP/XL", "a", "CUP/XL", ["look_again a"]),
    ("listing_gone", "a/MUG", "a", "MUG", ["acknowledge {id}"]),
    ("deficit", "main/CUP/XL", None, "CUP/XL", ["count CUP/XL"]),
    ("count_refused", "a/CUP/XL/dc", "a", "CUP/XL", ["count CUP/XL", "acknowledge {id}"]),
    ("unmapped_sale", "a", "a", None, ["look_again a", "configure a"]),
    ("channel_removed", "a", "a", None, ["forget a"]),
    ("endpoint_disabled", "e-1", None, None, ["enable e-1"]),
    ("notice_failing", "team", None, None, ["test team"]),
    ("configuration_refused", "configuration", None, None, ["configure "]),
    ("assumption_broken", "a/1/sole_writer", "a", "MUG", ["look_again a"]),
    ("assumption_broken", "a/channel/feed_complete", "a", None, ["look_again a"]),
    ("work_failing", "seal/ledger", None, None, []),
]


async def test_an_alarm_is_told_with_its_item_and_its_fixes(house: House) -> None:
    await house.settle_down()
    listing = await house.listing("a", "MUG")
    for kind, about, channel, sku, fixes in TOLD:
        subject = about.replace("/1/", f"/{listing.id}/")
        found = await raised(house, kind, subject, channel)
        alarm = (await house.rows(tables.alarms))[-1]
        assert (found.sku, found.channel, found.happened) == (sku, channel, "so it is"), kind
        assert verbs(found) == [one.format(id=alarm.id) for one in fixes], kind
        async with house.engine.database.write() as tx:
            await clear_alarm(tx, kind, subject, now=house.clock())


async def test_each_dead_letter_is_replayed_or_dropped_by_its_number(house: House) -> None:
    async with house.engine.database.write() as tx:
        values = {"kind": "delivery", "reference": "41", "channel": "a", "reason": "odd"}
        insert = sa.insert(tables.dead_letters).values(values | {"created_at": house.clock()})
        number = (await tx.execute(insert.returning(tables.dead_letters.c.id))).scalar_one()
    found = await raised(house, "dead_letter", "delivery/41", "a")
    assert verbs(found) == [f"replay {number}", f"drop {number}"]


async def test_stopped_channels_drift_and_shortfalls_are_told_though_no_alarm_is(
    house: House,
) -> None:
    await house.settle_down()
    await pause_channel(house.engine, "b", "stock-taking")
    async with house.engine.database.write() as tx:
        mug = sa.update(tables.listings).where(tables.listings.c.sku == "MUG")
        one = mug.where(tables.listings.c.channel == "a")
        await tx.execute(one.values(settle_reasons=["drift"], remote=77))
        for at, reference in ((house.clock(), "#7"), (house.clock() - 8 * 86_400, "#1")):
            await record_shortfall(
                tx, item_id=1, units=2, cause="beyond_grant", now=at, reference=reference
            )
    found = await repairs(house)
    assert found.counts == {"channel_paused": 1, "drift": 1, "shortfall": 1}
    told = {one.kind: (one.happened, verbs(one), one.grave) for one in found.items}
    assert told == {
        "shortfall": ("2 × MUG (order #7): beyond grant", ["count MUG"], True),
        "drift": ("MUG shows 77 units at a", ["look_again a"], True),
        "channel_paused": ("stock-taking", ["resume b"], False),
    }
    assert [one.grave for one in found.items] == [True, True, False]


async def test_what_was_sold_again_takes_no_place_of_a_shortfall_that_stands(house: House) -> None:
    await house.settle_down()
    async with house.engine.database.write() as tx:
        for cause in ("beyond_grant", "sold_again"):
            await record_shortfall(tx, item_id=1, units=2, cause=cause, now=house.clock())
    async with house.engine.database.read() as tx:
        found = await view_repairs(tx, now=house.clock(), limit=1)
    assert found.counts == {"shortfall": 1}
    assert [one.happened for one in found.items] == ["2 × MUG: beyond grant"]


async def test_a_word_of_the_marketplace_that_stopped_its_channel_is_one_repair(
    house: House,
) -> None:
    notice = Notice(message="account under review", stop=True)
    async with house.engine.database.write() as tx:
        await apply_parsed(tx, "a", Parsed(notices=(notice,)), now=house.clock())
    (found,) = (await repairs(house)).items
    assert (found.kind, verbs(found)) == ("channel_notice", ["resume a"])
    (alarm,) = await house.rows(tables.alarms)
    with pytest.raises(AlarmStands, match="resume the channel"):
        await acknowledge_alarm(house.engine, alarm.id)


async def test_the_grave_come_first_and_what_is_beyond_the_page_is_counted(house: House) -> None:
    await raised(house, "deficit", "main/MUG")
    for number in range(3):
        await raised(house, "listing_gone", f"a/GONE-{number}", "a")
    found = await repairs(house, limit=2)
    assert [one.kind for one in found.items] == ["deficit", "listing_gone"]
    assert (found.counts, found.total) == ({"deficit": 1, "listing_gone": 3}, 4)


async def test_nobody_sees_what_is_out_of_his_reach(house: House) -> None:
    await raised(house, "feed_quiet", "a", "a")
    await raised(house, "feed_quiet", "b", "b")
    await raised(house, "configuration_refused", "configuration")
    await pause_channel(house.engine, "a", "why not")
    found = await repairs(house, reach=Reach(channels=frozenset({"b"})))
    assert [one.channel for one in found.items] == ["b"]
    assert found.counts == {"feed_quiet": 1}


async def test_what_is_past_ends_by_a_word_and_what_stands_does_not(house: House) -> None:
    await raised(house, "listing_gone", "a/MUG", "a")
    await raised(house, "feed_quiet", "a", "a")
    gone, quiet = await house.rows(tables.alarms)
    await acknowledge_alarm(house.engine, gone.id)
    assert (await repairs(house)).counts == {"feed_quiet": 1}
    with pytest.raises(AlarmStands, match="ended already"):
        await acknowledge_alarm(house.engine, gone.id)
    with pytest.raises(AlarmStands, match="ends by itself"):
        await acknowledge_alarm(house.engine, quiet.id)
    with pytest.raises(UnknownAlarm, match="no alarm 999"):
        await acknowledge_alarm(house.engine, 999)


async def test_looking_again_makes_all_work_of_the_channel_due_and_leaves_the_books_right(
    house: House,
) -> None:
    await house.settle_down(60, step=15)
    later = house.clock() + 3_600
    async with house.engine.database.write() as tx:
        await tx.execute(sa.update(tables.work).values(not_before=later))
    before = await house.exposures("MUG")
    await look_again(house.engine, "a")
    due = {
        (row.kind, row.key)
        for row in await house.rows(tables.work)
        if row.not_before <= house.clock() and row.done_version < row.want_version
    }
    assert {WorkKind.POLL, WorkKind.SETTLE, WorkKind.DISCOVER, WorkKind.WATCH} <= {
        kind for kind, _ in due
    }
    assert {key for _, key in due} == {"a"}
    house.markets["a"].sell("MUG", 3)
    await house.settle_down(30, step=10)
    assert house.sold("MUG") == 3
    assert sum(one or 0 for one in (await house.exposures("MUG")).values()) <= 97
    assert before != await house.exposures("MUG")
    await house.require_clean_books()


async def test_only_a_channel_that_is_there_can_be_looked_at(house: House) -> None:
    with pytest.raises(UnknownChannel):
        await look_again(house.engine, "nowhere")
    await apply_setup(house.engine, setup_for(("a",)))
    with pytest.raises(ChannelRefused, match="removed"):
        await look_again(house.engine, "b")
    removed = Fix(verb=FixVerb.FORGET, target="b")
    assert removed.permission is Permission.CONFIGURATION_WRITE
