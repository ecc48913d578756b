"""Pages of an item's order lines: what its listings sold, the newest first, without a gap."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from channelsync.domain.vocabulary import CancelEffect, PushSemantics
from channelsync.engine.browse import Wanted, lines_page
from channelsync.engine.orders_view import view_lines
from channelsync.store.tables import listings, order_lines
from tests.support.house import House, build_house

CAS = PushSemantics.KEYED_COMPARE_AND_SET
LINES = 60


async def house_with_orders(folder: Path) -> tuple[House, list[dict[str, Any]]]:
    """Lines of MUG, of CUP and of a set of both, on two channels, and of what nobody knows."""
    house = await build_house(
        folder,
        stock={"MUG": 90, "CUP": 90},
        quotas={"a": 5_000, "b": 5_000},
        semantics={"a": CAS, "b": CAS},
        recipes={"MUG": {"MUG": 1}, "CUP": {"CUP": 1}, "SET": {"MUG": 1, "CUP": 2}},
    )
    await house.settle_down()
    draw = random.Random(5)
    async with house.engine.database.write() as tx:
        offers = (await tx.execute(sa.select(listings))).all()
        rows = [line(number, draw.choice([*offers, None])) for number in range(1, LINES + 1)]
        await tx.execute(sa.insert(order_lines), rows)
    return house, rows


def line(number: int, offer: Any) -> dict[str, Any]:
    return {
        "id": number,
        "channel": "a" if offer is None else offer.channel,
        "order_id": f"O{number}",
        "line_id": "1",
        "sku": "MUG" if offer is None else offer.sku,
        "listing_id": None if offer is None else offer.id,
        "parked": "unmapped" if offer is None else None,
        "ordered": 1,
        "version": 0.0,
        "cancel_effect": CancelEffect.UNSURE,
        "state": "open",
        "first_heard_at": float(number),
        # Whether it was heard of again says nothing about its age.
        "heard_at": 1_000.0 - number,
    }


async def pages(house: House, **wanted: Any) -> list[int]:
    found: list[int] = []
    async with house.engine.database.read() as tx:
        while True:
            page = await lines_page(
                tx, Wanted(limit=7, after=found[-1] if found else None, **wanted)
            )
            if not page:
                return found
            found += [row["id"] for row in page]


async def test_its_lines_come_from_all_its_listings_and_under_its_name(tmp_path: Path) -> None:
    house, rows = await house_with_orders(tmp_path)
    newest_first = sorted(rows, key=lambda row: -row["id"])
    mugs = [row["id"] for row in newest_first if row["sku"] in {"MUG", "SET"}]
    cups = [row["id"] for row in newest_first if row["sku"] in {"CUP", "SET"}]
    assert await pages(house, sku="MUG") == mugs
    assert await pages(house, sku="CUP") == cups
    parked = [row["id"] for row in newest_first if row["parked"]]
    assert await pages(house, sku="MUG", kind="parked") == parked != []
    theirs = [row["id"] for row in newest_first if row["channel"] == "b" and row["id"] in cups]
    assert await pages(house, sku="CUP", channel="b") == theirs != []
    assert await pages(house, sku="PLATE") == []
    assert await pages(house) == [row["id"] for row in newest_first]
    assert await pages(house, channel="b") == [
        row["id"] for row in newest_first if row["channel"] == "b"
    ]
    await house.engine.database.close()


async def test_the_newest_lines_are_those_heard_of_last_for_the_first_time(tmp_path: Path) -> None:
    house, _ = await house_with_orders(tmp_path)
    async with house.engine.database.read() as tx:
        found = await view_lines(tx, limit=3)
    await house.engine.database.close()
    assert [one.order for one in found] == ["O60", "O59", "O58"]
    assert [one.first_heard_at for one in found] == [60.0, 59.0, 58.0]
