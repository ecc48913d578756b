"""A large catalogue is read page by page: nothing that was read is read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.setup import apply_setup
from channelsync.engine.work import WorkKind
from channelsync.sdk.errors import Retryable
from channelsync.sdk.testing.memory import MemoryChannel, MemoryMarket
from channelsync.sdk.types import OfferPage, RemoteListing
from channelsync.store import tables
from tests.support.house import Build, House, neighbour, setup_for

CAS = PushSemantics.KEYED_COMPARE_AND_SET
PAGE = 2


@dataclass
class Shelves:
    """How the catalogue is laid out, and what was asked of it."""

    skus: Sequence[str]
    asked: list[str | None] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)
    """Cursors whose page fails, once each."""
    before_page: Callable[[], None] = lambda: None
    endless: bool = False


class PagedChannel(MemoryChannel):
    """A channel whose catalogue comes in pages of two."""

    def __init__(self, market: MemoryMarket, shelves: Shelves) -> None:
        super().__init__(market)
        self._shelves = shelves

    async def offers_page(self, cursor: str | None) -> OfferPage:
        shelves = self._shelves
        shelves.asked.append(cursor)
        shelves.before_page()
        if cursor in shelves.failing:
            shelves.failing.remove(cursor)
            raise Retryable("the page did not come", after_seconds=1.0)
        first = int(cursor or 0)
        offers = tuple(
            RemoteListing(sku=sku, external={"sku": sku, "place": str(place)}, title=sku.title())
            for place, sku in enumerate(shelves.skus[first : first + PAGE], start=first)
        )
        following = str(first + PAGE) if first + PAGE < len(shelves.skus) else None
        return OfferPage(offers=offers, cursor="2" if shelves.endless else following)

    def whole_catalogue(self, offers: Sequence[RemoteListing]) -> Sequence[RemoteListing]:
        return list({one.sku: one for one in offers}.values())


async def shop(build: Build, shelves: Shelves) -> House:
    return await build(
        stock=dict.fromkeys(dict.fromkeys(shelves.skus), 10),
        quotas={"a": 10_000},
        semantics={"a": CAS},
        open_channel=lambda _name, market: PagedChannel(market, shelves),
    )


async def listed(house: House) -> list[str]:
    return sorted(row.sku for row in await house.rows(tables.listings))


async def test_every_page_is_read_once_and_every_offer_listed(build: Build) -> None:
    shelves = Shelves(["A", "B", "C", "D", "E"])
    house = await shop(build, shelves)
    await house.settle_down(60)
    assert shelves.asked == [None, "2", "4"]
    assert await listed(house) == ["A", "B", "C", "D", "E"]
    assert await house.exposures("E") == {"a": 10}
    assert await house.rows(tables.offers) == []


async def test_a_page_that_fails_is_asked_for_again_alone(build: Build) -> None:
    shelves = Shelves(["A", "B", "C", "D", "E"], failing=["2"])
    house = await shop(build, shelves)
    await house.settle_down(60)
    assert shelves.asked == [None, "2", "2", "4"]
    assert len(await listed(house)) == 5


async def test_another_daemon_goes_on_where_the_first_one_stopped(build: Build) -> None:
    shelves = Shelves(["A", "B", "C", "D", "E"], failing=["4"])
    house = await shop(build, shelves)
    await house.settle_down()
    assert shelves.asked == [None, "2", "4"]
    assert await listed(house) == []
    second = neighbour(house, "second")
    try:
        await second.settle_down(60)
    finally:
        await second.engine.database.close()
    assert shelves.asked == [None, "2", "4", "4"]
    assert len(await listed(house)) == 5


@pytest.mark.parametrize(("fingerprint", "searched"), [("test", 1), ("another", 2)])
async def test_a_restart_in_a_first_load_searches_again_only_if_the_configuration_changed(
    build: Build, fingerprint: str, searched: int
) -> None:
    shelves = Shelves(["A", "B", "C"])
    house = await shop(build, shelves)
    house.markets["a"].offline = True
    await house.settle_down(60)
    assert (await house.rows(tables.channels))[0].loaded_at is None
    again = setup_for({"a": CAS}, ("dc",))
    await apply_setup(house.engine, replace(again, fingerprint=fingerprint))
    await house.settle_down(60)
    assert shelves.asked == [None, "2"] * searched


async def test_a_restart_after_the_first_load_searches_again(build: Build) -> None:
    shelves = Shelves(["A", "B", "C"])
    house = await shop(build, shelves)
    await house.settle_down(120)
    assert (await house.rows(tables.channels))[0].loaded_at is not None
    await apply_setup(house.engine, setup_for({"a": CAS}, ("dc",)))
    await house.settle_down(60)
    assert shelves.asked == [None, "2"] * 2


async def test_a_search_rests_nine_times_as_long_as_it_took(build: Build) -> None:
    """A catalogue of hours would be read all day long otherwise."""
    shelves = Shelves([f"SKU-{number:02}" for number in range(40)])
    house = await shop(build, shelves)

    def slowly() -> None:
        house.clock.at += 30.0

    shelves.before_page = slowly
    began = house.clock.at
    for _ in shelves.skus:
        await house.settle_down(1.0)
    [search] = [one for one in await house.rows(tables.work) if one.kind == WorkKind.DISCOVER]
    assert search.not_before == pytest.approx(began + 10 * 600.0, abs=60.0)


async def test_a_search_that_is_too_old_begins_anew(build: Build) -> None:
    shelves = Shelves(["A", "B", "C"], failing=["2"])
    house = await shop(build, shelves)
    await house.settle_down()
    house.clock.at += 7 * 3_600.0
    await house.settle_down(60)
    assert shelves.asked == [None, "2", None, "2"]
    assert await listed(house) == ["A", "B", "C"]


async def test_a_reading_that_takes_longer_than_a_lease_ends_well(build: Build) -> None:
    shelves = Shelves([f"SKU-{number:02}" for number in range(40)])
    house = await shop(build, shelves)

    def slowly() -> None:
        house.clock.at += 9.0

    shelves.before_page = slowly
    await house.settle_down(240)
    assert len(shelves.asked) == 20
    assert len(await listed(house)) == 40
    assert {row.attempts for row in await house.rows(tables.work)} == {0}


async def test_an_offer_that_came_twice_is_one_listing(build: Build) -> None:
    shelves = Shelves(["A", "B", "A", "C"])
    house = await shop(build, shelves)
    await house.settle_down(60)
    assert await listed(house) == ["A", "B", "C"]


async def test_pages_without_an_end_are_a_failure(build: Build) -> None:
    shelves = Shelves(["A", "B", "C"], endless=True)
    house = await shop(build, shelves)
    await house.settle_down(2)
    [work] = [row for row in await house.rows(tables.work) if row.kind == "discover"]
    assert "do not end" in work.last_error
    assert await listed(house) == []


async def test_a_later_search_finds_what_changed_and_leaves_the_rest(build: Build) -> None:
    shelves = Shelves(["A", "B", "C"])
    house = await shop(build, shelves)
    await house.settle_down(60)
    before = {row.sku: row for row in await house.rows(tables.listings)}
    shelves.skus = ["A", "C"]
    await house.settle_down(3_700, step=300)
    after = {row.sku: row for row in await house.rows(tables.listings)}
    assert after["B"].state == "gone"
    # C stands elsewhere now: another offer under its name, to be proven anew.
    assert after["C"].external != before["C"].external
    assert after["A"].external == before["A"].external
