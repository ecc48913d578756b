"""Carts that come together take what there is, in their order, and no one suffers for another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from channelsync.domain.errors import HoldConflict
from channelsync.domain.permissions import Reach
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.hold_confirming import Confirming, confirm_holds
from channelsync.engine.hold_making import make_holds
from channelsync.engine.hold_rows import UnknownHold
from channelsync.engine.hold_types import Hold, HoldRefused, HoldRequest, InsufficientUnits
from channelsync.engine.idempotency import Answer, Asked, KeyReused, Once
from channelsync.engine.stock_errors import UnknownItem
from channelsync.store import tables
from channelsync.store.database import Database
from tests.support.house import House, build_house


@pytest.fixture
async def house(any_database: Database, tmp_path: Path) -> House:
    return await build_house(
        tmp_path,
        stock={"MUG": 5, "CUP": 1},
        quotas={"kiosk": 0},
        semantics={"kiosk": PushSemantics.LIVE},
        database=any_database,
    )


def cart(lines: Mapping[str, int], channel: str | None = None) -> HoldRequest:
    return HoldRequest(owner="cart", lines=lines, channel=channel)


async def make(house: House, requests: Sequence[HoldRequest]) -> list[Hold | Exception]:
    async with house.engine.database.write() as tx:
        return await make_holds(house.engine, tx, requests)


async def reserved(house: House) -> dict[str, int]:
    skus = {row.id: row.sku for row in await house.rows(tables.items)}
    return {skus[row.item_id]: row.reserved for row in await house.rows(tables.stock)}


async def test_each_takes_what_those_before_it_have_left(house: House) -> None:
    made = await make(house, [cart({"MUG": 2}) for _ in range(4)])
    assert [type(one) for one in made] == [Hold, Hold, InsufficientUnits, InsufficientUnits]
    assert isinstance(made[2], InsufficientUnits)
    assert made[2].available == 1
    assert await reserved(house) == {"MUG": 4, "CUP": 0}
    await house.require_clean_books()


async def test_a_cart_that_lacks_one_thing_takes_nothing(house: House) -> None:
    both = {"MUG": 1, "CUP": 1}
    first, second, third = await make(house, [cart(both), cart(both), cart({"MUG": 4})])
    assert isinstance(first, Hold)
    assert isinstance(second, InsufficientUnits)
    assert isinstance(third, Hold)
    assert await reserved(house) == {"MUG": 5, "CUP": 1}


async def test_what_makes_no_sense_is_refused_beside_what_does(house: House) -> None:
    wanted = [cart({"MGU": 1}), cart({"MUG": 1}, channel="nobody"), cart({"MUG": 1})]
    unknown, refused, held = await make(house, wanted)
    assert isinstance(unknown, UnknownItem)
    assert isinstance(refused, HoldRefused)
    assert isinstance(held, Hold)
    assert await reserved(house) == {"MUG": 1, "CUP": 0}


async def test_a_cart_is_confirmed_once_and_only_within_reach(house: House) -> None:
    mine, other = await make(house, [cart({"MUG": 1}), cart({"CUP": 1}, channel="kiosk")])
    assert isinstance(mine, Hold)
    assert isinstance(other, Hold)
    elsewhere = Reach(channels=frozenset({"another"}))
    wanted = [
        Confirming(hold_id=mine.id, reference="first"),
        Confirming(hold_id=mine.id, reference="second"),
        Confirming(hold_id=other.id, reference="third", reach=elsewhere),
        Confirming(hold_id="none", reference="fourth"),
    ]
    async with house.engine.database.write() as tx:
        outcomes = await confirm_holds(house.engine, tx, wanted)
    after = [one for _, one in outcomes]
    assert isinstance(after[0], Hold)
    assert (after[0].state, after[0].reference, after[0].lines) == (
        "confirmed",
        "first",
        {"MUG": 1},
    )
    assert [type(one) for one in after[1:]] == [HoldConflict, UnknownHold, UnknownHold]
    rows = {row.id: (row.state, row.reference) for row in await house.rows(tables.holds)}
    assert rows == {mine.id: ("confirmed", "first"), other.id: ("active", "")}


async def test_keys_of_many_requests_are_answered_once_each(house: House) -> None:
    once, acted = Once(house.engine), []

    async def act(places: Sequence[int]) -> list[Answer]:
        acted.append(list(places))
        return [Answer(status=201, body=f"answer {place}") for place in places]

    async def ask(*asked: tuple[str | None, str]) -> list[Answer | KeyReused]:
        requests = [Asked(key=key, fingerprint=fingerprint) for key, fingerprint in asked]
        async with house.engine.database.write() as tx:
            return await once.answer_all(tx, requests, act)

    first = await ask(("b", "one"), (None, "two"), ("a", "three"))
    again = await ask(("a", "three"), (None, "two"), ("b", "another"), ("c", "four"))
    assert acted == [[0, 1, 2], [1, 3]]
    assert [one.body for one in first if isinstance(one, Answer)] == [
        "answer 0",
        "answer 1",
        "answer 2",
    ]
    assert again[0] == first[2]
    assert isinstance(again[2], KeyReused)
    assert again[3] == Answer(status=201, body="answer 3")
