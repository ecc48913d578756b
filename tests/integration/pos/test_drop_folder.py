"""Files of a till or a warehouse: counted once, whole or not at all, wherever the power fails."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from channelsync.domain.vocabulary import PushSemantics
from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.http import http_client
from channelsync.sdk.types import ListingRef
from channelsync.store import tables
from channelsync_pos.drop.channel import open_folder
from channelsync_pos.settings import TillSettings
from channelsync_pos.times import iso
from tests.support.drops import DropTill, FragileDisk, checksum, open_drop_till
from tests.support.house import Build, House


async def make(build: Build, tmp_path: Path, **given: Any) -> DropTill:
    house = await build(
        stock={"MUG": 20, "PLATE": 10},
        quotas={"shop": 10_000},
        semantics={"shop": PushSemantics.KEYED_COMPARE_AND_SET},
    )
    return await open_drop_till(house, tmp_path / "drop", **given)


@pytest.fixture
async def till(build: Build, tmp_path: Path) -> DropTill:
    return await make(build, tmp_path)


def errors(till: DropTill, name: str) -> list[tuple[int, str, str]]:
    told = json.loads((till.root / "failed" / f"{name}.err.json").read_text())
    assert told["file"] == name
    return [(one["row"], one["column"], one["message"]) for one in told["errors"]]


async def alarms(house: House, kind: str) -> list[str]:
    rows = await house.rows(tables.alarms)
    return [row.message for row in rows if row.kind == kind and row.cleared_at is None]


async def test_a_day_of_sales_is_counted_and_its_file_put_away(till: DropTill) -> None:
    till.drop("T3_2026-11-21_1.csv", till.sale(1, 2), till.sale(2, 1, "PLATE"))
    await till.poll()
    assert (await till.on_hand(), await till.on_hand("PLATE")) == (18, 9)
    assert till.names("done") == ["T3_2026-11-21_1.csv"]
    assert till.names("inbox") == till.names("processing") == till.names("failed") == []
    await till.house.require_clean_books()


async def test_registers_and_numbers_are_read_in_their_order(till: DropTill) -> None:
    for name, number in (("T3_2026-11-20_10.csv", 4), ("T3_2026-11-21_9.csv", 3)):
        till.drop(name, till.sale(number))
    till.drop("T10_2026-11-21_1.csv", till.sale(7, register="T10"))
    channel = await till.open()
    pages, cursor = [], channel.first_cursor(0.0)
    while (page := await channel.orders_since(cursor)).more:
        cursor = page.cursor
        pages.append([one.sequence for one in page.sequences])
    assert pages == [[7], [3], [4]]


async def test_one_content_counts_once_under_whatever_name(till: DropTill) -> None:
    first = till.drop("T3_2026-11-21_1.csv", till.sale(1, 2))
    content = first.read_bytes()
    await till.poll()
    for name in ("T3_2026-11-21_1.csv", "T3_2026-11-22_2.csv"):
        (till.inbox / name).write_bytes(content)
    await till.poll()
    assert await till.on_hand() == 18
    assert [name.startswith("T3_2026-11-2") for name in till.names("done")] == [True] * 3
    assert till.names("failed") == []


async def test_a_sale_told_again_in_another_file_counts_once(till: DropTill) -> None:
    sale = till.sale(1, 2)
    till.drop("T3_2026-11-21_1.csv", sale)
    till.drop("T3_2026-11-21_2.csv", sale, till.sale(2, 1))
    await till.poll()
    assert await till.on_hand() == 17


async def test_a_file_with_a_mistake_is_set_aside_whole_with_its_reasons(till: DropTill) -> None:
    nameless, none = till.sale(2, 1, ""), till.sale(4, 0)
    till.drop("T3_2026-11-21_1.csv", till.sale(1), nameless, none)
    till.drop("T3_2026-11-21_2.csv", till.sale(3))
    await till.poll()
    assert await till.on_hand() == 19, "the sound file only"
    assert till.names("failed") == ["T3_2026-11-21_1.csv", "T3_2026-11-21_1.csv.err.json"]
    found = errors(till, "T3_2026-11-21_1.csv")
    assert [row for row, *_ in found] == sorted(row for row, *_ in found)
    assert (3, "sku", "it is empty, too long, or has characters that may not be") in found
    assert {row for row, *_ in found} == {3, 4}
    await till.house.settle_down(120, step=30)
    (why,) = await alarms(till.house, "assumption_broken")
    assert "lie in failed, each with its reasons: T3_2026-11-21_1.csv" in why


async def test_a_corrected_file_of_the_same_name_takes_its_place(till: DropTill) -> None:
    till.drop("T3_2026-11-21_1.csv", till.sale(1), total=False)
    await till.poll()
    assert "cut off" in errors(till, "T3_2026-11-21_1.csv")[0][2]
    till.drop("T3_2026-11-21_1.csv", till.sale(1))
    await till.poll()
    assert await till.on_hand() == 19
    assert till.names("failed") == []
    assert till.names("done") == ["T3_2026-11-21_1.csv", "T3_2026-11-21_1.csv.failed"]


async def test_the_sales_and_counts_of_a_file_are_one_transaction(till: DropTill) -> None:
    """Fifteen were counted after the first sale, which the count has seen; two sold since."""
    since = till.sale(3, 2).split(",")
    till.house.clock.at += 20
    count = till.count(2, 15)
    till.house.clock.at += 300
    since[5] = iso(till.house.clock.at - 200)
    before = len(await till.house.rows(tables.movements))
    first = till.sale(1, 1).split(",")
    first[5] = iso(till.house.clock.at - 400)
    till.drop("T3_2026-11-21_1.csv", ",".join(first), count, ",".join(since))
    await till.poll()
    assert await till.on_hand() == 13
    moved = (await till.house.rows(tables.movements))[before:]
    stock = [row for row in moved if row.item_id is not None]
    assert {row.kind for row in stock} == {"count", "sale", "shipment"}
    assert len({row.at for row in stock}) == 1, "one instant, one transaction"
    await till.house.require_clean_books()


async def test_a_count_of_something_unknown_is_alarmed_and_the_rest_counted(till: DropTill) -> None:
    till.drop("T3_2026-11-21_1.csv", till.count(1, 3, "VASE"), till.count(2, 15))
    await till.poll()
    assert await till.on_hand() == 15
    assert await alarms(till.house, "count_refused") == ["there is no item 'VASE'"]


async def test_a_missing_number_is_alarmed(till: DropTill) -> None:
    till.drop("T3_2026-11-21_1.csv", till.sale(1))
    till.drop("T3_2026-11-21_3.csv", till.sale(3))
    await till.poll()
    (why,) = await alarms(till.house, "register_gap")
    assert "T3 skipped sale 2" in why
    till.drop("T3_2026-11-21_2.csv", till.sale(2))
    await till.poll()
    assert await alarms(till.house, "register_gap") == []
    assert await till.on_hand() == 17


async def test_what_is_no_report_is_left_or_refused(till: DropTill, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password\n")
    (till.inbox / "T3_2026-11-21_1.csv.part").write_text("half")
    (till.inbox / "notes.txt").write_text("hello")
    (till.inbox / "T3_2026-11-21_9.csv").mkdir()
    (till.inbox / "sales.csv").write_text("x")
    (till.inbox / "T3_2026-11-21_2.csv").symlink_to(secret)
    os.mkfifo(till.inbox / "T3_2026-11-21_3.csv")
    await till.poll()
    left = {one.name for one in till.inbox.iterdir()}
    assert left == {"T3_2026-11-21_1.csv.part", "notes.txt", "T3_2026-11-21_9.csv"}
    assert errors(till, "sales.csv")[0][2].startswith("its name is not of the form REGISTER_DATE")
    assert errors(till, "T3_2026-11-21_2.csv")[0][2].startswith("it cannot be read: ")
    assert errors(till, "T3_2026-11-21_3.csv")[0][2] == "it is no plain file"
    assert "password" not in "".join(
        one.read_text() for one in (till.root / "failed").glob("*.json")
    )
    assert till.names("processing") == []


async def test_with_checksums_a_file_waits_for_its_own(build: Build, tmp_path: Path) -> None:
    till = await make(build, tmp_path, drop_checksums=True)
    path = till.drop("T3_2026-11-21_1.csv", till.sale(1))
    await till.poll()
    assert till.names("inbox") == [path.name]
    checksum(path)
    await till.poll()
    assert await till.on_hand() == 19
    assert till.names("done") == [path.name, f"{path.name}.sha256"]
    damaged = till.drop("T3_2026-11-21_2.csv", till.sale(2))
    checksum(damaged)
    damaged.write_bytes(damaged.read_bytes() + b"\n")
    await till.poll()
    assert await till.on_hand() == 19
    assert "says" in errors(till, damaged.name)[0][2]
    assert till.names("inbox") == till.names("processing") == []


# ------------------------------------------------------------------ crashes


async def test_a_file_claimed_and_not_counted_is_handed_out_again(till: DropTill) -> None:
    till.drop("T3_2026-11-21_1.csv", till.sale(1, 2))
    channel = await till.open()
    page = await channel.orders_since(channel.first_cursor(0.0))
    assert len(page.facts) == 1
    assert till.names("processing") == ["T3_2026-11-21_1.csv"]
    await till.open()  # the process died with the page in its hands
    await till.poll()
    assert await till.on_hand() == 18
    assert till.names("done") == ["T3_2026-11-21_1.csv"]


async def test_another_file_under_the_name_of_a_counted_one_is_not_put_away(
    till: DropTill,
) -> None:
    """The power fails after the commit; somebody moves the file out, and drops another one."""
    till.drop("T3_2026-11-21_1.csv", till.sale(1, 2))
    till.disk.breaks_at = till.disk.changes + 2
    await till.poll()
    assert await till.on_hand() == 18
    other = till.drop("T3_2026-11-21_1.csv", till.sale(2, 3))
    other.replace(till.root / "processing" / other.name)
    till.disk = FragileDisk()
    await till.open()
    await till.poll()
    assert await till.on_hand() == 15


async def test_wherever_the_power_fails_everything_counts_once(
    build: Build, tmp_path: Path
) -> None:
    """The k-th change of a file is the last one of the process, for every k."""
    till = await make(build, tmp_path)
    number, crossed = 10, 0
    on_hand = 20
    for k in range(1, 40):
        for folder in ("done", "failed"):
            for name in till.names(folder):
                (till.root / folder / name).unlink()
        sold = till.drop(f"T3_2026-11-21_{number}.csv", till.sale(number))
        back = f"T3,{number + 1},R{number},1,RETURN,{till.sale(0).split(',')[5]},,MUG,1"
        again = till.drop(f"T3_2026-11-21_{number + 1}.csv", till.sale(number))
        copy = till.inbox / f"T3_2026-11-21_{number + 2}.csv"
        copy.write_bytes(sold.read_bytes())
        checksum(again)
        till.drop(f"T3_2026-11-21_{number + 3}.csv", back, total=False)
        till.disk = FragileDisk(breaks_at=k)
        await till.open()
        await till.poll()
        broke = till.disk.changes >= k
        till.disk = FragileDisk()
        await till.open()
        await till.poll()
        on_hand -= 1
        assert await till.on_hand() == on_hand, f"broken at change {k}"
        assert till.names("inbox") == till.names("processing") == []
        assert f"{again.name}.sha256" in till.names("done")
        assert till.names("failed") == [
            f"T3_2026-11-21_{number + 3}.csv",
            f"T3_2026-11-21_{number + 3}.csv.err.json",
        ]
        number += 10
        if not broke:
            break
        crossed += 1
    assert crossed >= 12
    assert on_hand >= 0
    await till.house.require_clean_books()


# ------------------------------------------------------------------ the outbox, the checks


async def test_the_till_is_told_its_slice_through_the_outbox(till: DropTill) -> None:
    await till.house.settle_down(60, step=20)
    (newest,) = till.names("outbox")[-1:]
    rows = (till.root / "outbox" / newest).read_text().splitlines()[1:]
    assert next(row.split(",")[:2] for row in rows) == ["MUG", "4"]


async def test_numbers_are_put_into_the_outbox(till: DropTill) -> None:
    channel = await till.open()
    ref = ListingRef(listing_id="1", sku="MUG")
    risky = ListingRef(listing_id="2", sku="=1+1", external={"location": "so ho/1"})
    await channel.tell([(ref, 4), (risky, -1)])
    (elsewhere,) = [name for name in till.names("outbox") if name.startswith("stock_so-ho-1_")]
    cursor = elsewhere.removeprefix("stock_so-ho-1_")
    first = (till.root / "outbox" / f"stock_dc_{cursor}").read_text().splitlines()
    assert first[0] == "sku,available,on_hand,as_of,version"
    assert first[1].split(",")[:3] == ["MUG", "4", ""]
    second = (till.root / "outbox" / elsewhere).read_text().splitlines()
    assert second[1].split(",")[:2] == ["'=1+1", "0"]


async def test_the_channel_tells_what_lies_in_its_folder(till: DropTill) -> None:
    till.drop("T3_2026-11-21_1.csv", till.sale(1), total=False)
    await till.poll()
    till.drop("T3_2026-11-21_2.csv", till.sale(2))
    channel = await till.open()
    checks = {one.name: one for one in await channel.test()}
    assert checks["drop folder"].message.endswith("drop: 1 files wait in its inbox")
    assert not checks["files"].ok


async def test_a_register_without_a_report_breaks_the_assumption(
    build: Build, tmp_path: Path
) -> None:
    till = await make(build, tmp_path, registers=("T3", "T4"))
    await till.house.settle_down(60, step=20)
    assert (
        "no file of register T3 has come yet" in (await alarms(till.house, "assumption_broken"))[0]
    )
    till.drop("T3_2026-11-21_1.csv", till.sale(1))
    till.drop("T4_2026-11-21_1.csv", till.sale(1, register="T4"))
    await till.house.settle_down(180, step=60)
    assert await alarms(till.house, "assumption_broken") == []
    await till.house.settle_down(140_000, step=20_000)
    assert (
        "the last file of register T3 ends at" in (await alarms(till.house, "assumption_broken"))[0]
    )


async def test_without_a_folder_the_channel_does_not_open(till: DropTill, tmp_path: Path) -> None:
    async with http_client(allowed_hosts=()) as http:
        lent: dict[str, Any] = {
            "channel": "till",
            "settings": till.settings,
            "http": http,
            "now": till.house.clock,
            "new_id": lambda: "id",
        }
        with pytest.raises(Misconfigured, match="the operator lends none"):
            await open_folder(ChannelContext(**lent), till.settings)
        (tmp_path / "file").write_text("x")
        where = tmp_path / "file" / "till"
        with pytest.raises(Misconfigured, match="see CHANNELSYNC_DROP_DIR"):
            await open_folder(ChannelContext(**lent, folder=where), till.settings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "webhook_secret is missing"),
        ({"drop_folder": True, "base_url": "https://till.test"}, "give base_url or drop_folder"),
        ({"drop_folder": True, "timezone": "Berlin"}, "no time zone"),
        ({"drop_folder": True, "timezone": "../etc/passwd"}, "no time zone"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TillSettings(location="dc", **given)
