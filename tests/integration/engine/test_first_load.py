"""The first load of a channel says how far it is, how long the rest takes, and when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.settle_due import reads_max
from channelsync.engine.status import ChannelStatus, view_status
from channelsync.sdk.errors import Retryable
from channelsync.sdk.testing.memory import MemoryChannel, MemoryMarket
from channelsync.sdk.types import LoadRates, OfferPage, RemoteListing
from channelsync.store import tables
from tests.support.house import Build, House

CAS = PushSemantics.KEYED_COMPARE_AND_SET
SKUS = ("A", "B", "C", "D")


class Slow(MemoryChannel):
    """Two offers a page; the second page comes when it is let."""

    def __init__(self, market: MemoryMarket, *, rates: LoadRates) -> None:
        super().__init__(market)
        self.rates = rates
        self.closed = True

    def load_rates(self, listings: int) -> LoadRates:
        assert listings > 0
        return self.rates

    async def offers_page(self, cursor: str | None) -> OfferPage:
        if cursor is not None and self.closed:
            raise Retryable("not yet")
        skus = SKUS[:2] if cursor is None else SKUS[2:]
        offers = tuple(RemoteListing(sku=sku, external={"sku": sku}) for sku in skus)
        return OfferPage(offers=offers, cursor="2" if cursor is None else None)

    def whole_catalogue(self, offers: Sequence[RemoteListing]) -> Sequence[RemoteListing]:
        return offers


async def shop(build: Build, channel: list[Slow], **declared: object) -> House:
    def opened(_name: str, market: MemoryMarket) -> Slow:
        channel.append(Slow(market, rates=LoadRates(found=10.0, read=2.0, written=1.0)))
        return channel[-1]

    return await build(
        stock=dict.fromkeys(SKUS, 10),
        quotas={"a": 10_000},
        semantics={"a": CAS},
        declared=declared,
        open_channel=opened,
    )


async def status_of(house: House) -> ChannelStatus:
    async with house.engine.database.read() as connection:
        [found] = (await view_status(house.engine, connection)).channels
    return found


async def test_offers_are_counted_while_the_catalogue_is_read(build: Build) -> None:
    channels: list[Slow] = []
    house = await shop(build, channels)
    await house.settle_down()
    load = (await status_of(house)).load
    assert load is not None
    assert (load.stage, load.found, load.proven, load.seconds_left) == ("reading", 2, 0, None)
    assert load.words == "first load: 2 offers found so far"


async def test_what_is_left_is_reckoned_by_the_marketplaces_limits(build: Build) -> None:
    channels: list[Slow] = []
    house = await shop(build, channels, visibility_lag_seconds=0.0)
    channels[0].closed = False
    house.markets["a"].offline = True
    await house.settle_down()
    load = (await status_of(house)).load
    assert load is not None
    assert (load.stage, load.found, load.proven, load.written) == ("proving", 4, 0, 0)
    # Four to write at one a second; they are read on the way.
    assert load.seconds_left == 4.0
    assert "0 of 4 listings proven, 0 written, about 4 s left" in load.words


async def test_what_shares_one_budget_is_done_one_after_the_other(build: Build) -> None:
    channels: list[Slow] = []
    house = await shop(build, channels)
    channels[0].closed = False
    channels[0].rates = structs.replace(channels[0].rates, shared=True)
    house.markets["a"].offline = True
    await house.settle_down()
    load = (await status_of(house)).load
    assert load is not None
    assert load.seconds_left == 4 / 2.0 + 4 / 1.0


async def test_a_load_ends_once_and_for_all(build: Build) -> None:
    channels: list[Slow] = []
    house = await shop(build, channels)
    channels[0].closed = False
    await house.settle_down(120)
    assert (await status_of(house)).load is None
    [row] = await house.rows(tables.channels)
    assert row.load_began_at < row.loaded_at
    house.markets["a"].sell("A", 3)
    await house.settle_down(120)
    [later] = await house.rows(tables.channels)
    assert later.loaded_at == row.loaded_at
    assert (await status_of(house)).load is None


async def test_a_round_of_reading_takes_as_much_as_the_marketplace_allows_in_time(
    build: Build,
) -> None:
    channels: list[Slow] = []
    house = await shop(build, channels)
    running, [channel] = house.channels.running["a"], channels
    rounds = []
    for per_second in (2.0, 100.0, 5_000.0):
        channel.rates = structs.replace(channel.rates, read=per_second)
        rounds.append(reads_max(running))
    # Where a call reads few, a round ends in time; where it reads many, it makes use of that.
    assert rounds == [250, 500, 1_000]
    assert reads_max(replace(running, channel=MemoryChannel(house.markets["a"]))) == 250
