"""An open channel: what it is lent, what it must be able to do, and what stands around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from channelsync.plugins.opening import ChannelUnusable, Lent, OpenChannel, open_channel
from channelsync.plugins.registry import Registry
from channelsync.sdk import connector as sdk
from channelsync.sdk.connector import (
    Channel,
    Discovers,
    FetchesOrders,
    Pushes,
    Reads,
    ReceivesWebhooks,
    Subscribes,
)
from channelsync.sdk.errors import (
    Misconfigured,
    NeedsReauthorization,
    Resting,
    Retryable,
    Throttled,
)
from channelsync.sdk.types import ChangeResult, Enforces, ListingRef, Outcome, PushSemantics
from tests.unit.plugins.world import (
    Clock,
    Log,
    Market,
    MarketConnector,
    Settings,
    manifest,
    request,
)

LISTING = ListingRef(listing_id="1", sku="A")


class World:
    """A marketplace that answers everything, and the way to open a channel onto it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.log = Log()
        self.requests: list[tuple[float, str]] = []
        self.markets: list[Market] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((self.clock.time, request.url.path))
        return httpx.Response(200, json={})

    def market(self, context: Any) -> Channel:
        self.markets.append(Market(context))
        return self.markets[-1]

    async def open(
        self,
        make: Callable[[Any], Channel] | None = None,
        settings: Settings | None = None,
        allow_hosts: tuple[str, ...] = (),
        **declared: Any,
    ) -> OpenChannel:
        connector = MarketConnector(manifest(**declared), make or self.market)
        lent = Lent(
            now=self.clock.now,
            new_id=lambda: "id",
            draw=lambda: 0.5,
            sleep=self.clock.sleep,
            allow_hosts=allow_hosts,
            transport=httpx.MockTransport(self.answer),
            log=self.log,
        )
        return await open_channel(
            Registry().with_connector(connector),
            name="shop",
            connector="market",
            settings=settings or Settings(),
            lent=lent,
        )


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
async def channel(world: World) -> AsyncIterator[OpenChannel]:
    opened = await world.open()
    yield opened
    await opened.close()


def pushing(opened: OpenChannel) -> Pushes:
    assert isinstance(opened.channel, Pushes)
    return opened.channel


def reading(opened: OpenChannel) -> Reads:
    assert isinstance(opened.channel, Reads)
    return opened.channel


async def test_a_guarded_channel_can_do_what_the_channel_can_and_nothing_else(
    channel: OpenChannel,
) -> None:
    has: list[type] = [Pushes, Reads, FetchesOrders, Discovers]
    lacks: list[type] = [ReceivesWebhooks, Subscribes, sdk.TestsItself, sdk.RecordsPushes]
    assert [one for one in (*has, *lacks) if isinstance(channel.channel, one)] == has


async def test_a_channel_is_lent_its_name_settings_clock_and_identifiers(
    world: World, channel: OpenChannel
) -> None:
    context = world.markets[0].context
    assert (context.channel, context.now(), context.new_id()) == ("shop", 1_000.0, "id")
    assert isinstance(context.settings, Settings)
    assert channel.name == "shop"


async def test_credentials_go_to_the_marketplaces_own_hosts_only(world: World) -> None:
    elsewhere = Settings(base_url="https://evil.example")
    opened = await world.open(settings=elsewhere)
    with pytest.raises(Misconfigured, match=r"evil\.example .* CHANNELSYNC_ALLOW_HOSTS"):
        await reading(opened).read([LISTING])
    assert world.requests == []
    await opened.close()
    allowed = await world.open(settings=elsewhere, allow_hosts=("evil.example",))
    assert len(await reading(allowed).read([LISTING])) == 1
    await allowed.close()


@pytest.mark.parametrize("lacking", ["push", "read", "orders_since"])
async def test_semantics_that_lack_a_capability_do_not_open(world: World, lacking: str) -> None:
    methods = {
        name: value
        for name, value in vars(Market).items()
        if name != lacking and not (lacking == "push" and name == "prepare")
    }
    kind = type("Lacking", (), methods)
    made: list[Any] = []

    def make(context: Any) -> Any:
        made.append(kind(context))
        return made[-1]

    with pytest.raises(
        ChannelUnusable, match=rf"channel shop cannot be used: .* keyed_delta need {lacking}"
    ):
        await world.open(make)
    assert made[0].closed == 1
    assert made[0].context.http.is_closed


async def test_a_live_channel_needs_none_of_them(world: World) -> None:
    class Till:
        async def close(self) -> None:
            """Nothing is open."""

    opened = await world.open(
        lambda _context: Till(), push_semantics=PushSemantics.LIVE, enforces=Enforces.NONE
    )
    assert not isinstance(opened.channel, Pushes)
    await opened.close()


async def test_a_channel_that_does_not_open_leaves_nothing_open(world: World) -> None:
    contexts: list[Any] = []

    def make(context: Any) -> Channel:
        contexts.append(context)
        raise Misconfigured("no such location")

    with pytest.raises(ChannelUnusable, match="channel shop does not open: no such location"):
        await world.open(make)
    assert contexts[0].http.is_closed


async def test_closing_closes_the_channel_and_its_connections(world: World) -> None:
    opened = await world.open()
    await opened.close()
    assert world.markets[0].closed == 1
    assert opened.http.is_closed


async def test_a_read_is_repeated_and_the_failure_told_once_it_lasts(
    world: World, channel: OpenChannel
) -> None:
    world.markets[0].failures = [Retryable("a"), httpx.ReadTimeout("b")]
    assert len(await reading(channel).read([LISTING])) == 1
    assert world.markets[0].calls == ["read"] * 3
    assert channel.health.is_well
    world.markets[0].failures = [Retryable("a")] * 4
    with pytest.raises(Retryable):
        await reading(channel).read([LISTING])
    await reading(channel).read([LISTING])
    assert world.log.events == ["channel_failed", "channel_recovered"]


async def test_a_channel_that_rests_is_neither_failing_nor_asked_again_at_once(
    world: World, channel: OpenChannel
) -> None:
    world.markets[0].failures = [Resting("one call in three minutes", after_seconds=170.0)]
    with pytest.raises(Resting):
        await reading(channel).read([LISTING])
    assert world.markets[0].calls == ["read"]
    assert channel.health.is_well
    assert world.log.events == []


async def test_whoever_is_at_work_while_a_channel_is_closed_comes_again_and_blames_nobody(
    world: World, channel: OpenChannel
) -> None:
    await channel.close()
    with pytest.raises(Resting, match="closed meanwhile"):
        await reading(channel).read([LISTING])
    assert world.requests == []
    assert channel.health.is_well
    assert world.log.events == []


async def test_one_throttled_kind_of_call_does_not_slow_the_others_down(
    world: World, channel: OpenChannel
) -> None:
    rate = channel.budget.per_second
    slow = Throttled("searches alone", after_seconds=170.0, whole_channel=False)
    world.markets[0].failures = [slow]
    with pytest.raises(Throttled):
        await reading(channel).read([LISTING])
    assert channel.budget.per_second == rate
    assert await channel.budget.take_soon() == 0


async def test_a_discovery_that_breaks_off_tells_nothing_twice(
    world: World, channel: OpenChannel
) -> None:
    assert isinstance(channel.channel, Discovers)
    world.markets[0].failures = [Retryable("half way")]
    assert [one.sku async for one in channel.channel.listings()] == ["A", "B"]
    assert world.markets[0].calls == ["listings"] * 2


async def test_pure_methods_pass_straight_through(channel: OpenChannel) -> None:
    assert isinstance(channel.channel, FetchesOrders)
    assert channel.channel.first_cursor(12.0) == "12.0"
    assert pushing(channel).prepare([], key="k").key == "k"
    assert (await channel.channel.orders_by_id(["1"])).cursor == ""


@pytest.mark.parametrize("error", [Retryable("x"), Throttled("x"), NeedsReauthorization("x")])
async def test_a_push_is_never_repeated(
    world: World, channel: OpenChannel, error: Exception
) -> None:
    world.markets[0].failures = [error]
    with pytest.raises(type(error)):
        await pushing(channel).push(request())
    assert world.markets[0].calls == ["push"]
    assert channel.health.failures[0].operation == "push"


@pytest.mark.parametrize("error", [httpx.ReadTimeout("x"), RuntimeError("x"), KeyError("x")])
async def test_a_connector_that_fails_while_pushing_has_perhaps_pushed(
    world: World, channel: OpenChannel, error: Exception
) -> None:
    world.markets[0].failures = [error]
    results = await pushing(channel).push(request("1", "2"))
    assert [(one.push_id, one.outcome) for one in results] == [
        ("1", Outcome.UNKNOWN),
        ("2", Outcome.UNKNOWN),
    ]
    assert not channel.health.is_well


async def test_an_answer_that_is_left_out_or_doubled_is_unknown(
    world: World, channel: OpenChannel
) -> None:
    applied = ChangeResult(push_id="1", outcome=Outcome.APPLIED)
    refused = ChangeResult(push_id="2", outcome=Outcome.REFUSED)
    doubled = ChangeResult(push_id="2", outcome=Outcome.APPLIED)
    stranger = ChangeResult(push_id="9", outcome=Outcome.APPLIED)
    world.markets[0].answers = [[stranger, doubled, applied, refused]]
    results = await pushing(channel).push(request("1", "2", "3"))
    assert [(one.push_id, one.outcome) for one in results] == [
        ("1", Outcome.APPLIED),
        ("2", Outcome.UNKNOWN),
        ("3", Outcome.UNKNOWN),
    ]


async def test_a_push_without_budget_is_not_sent_and_says_when_to_come_back(world: World) -> None:
    opened = await world.open(requests_per_second=0.1)
    for _ in range(2):
        (sent,) = await pushing(opened).push(request())
        assert sent.outcome is Outcome.APPLIED
    (unsent,) = await pushing(opened).push(request())
    assert unsent.outcome is Outcome.UNSENT
    assert unsent.after_seconds == pytest.approx(10.0)
    assert len(world.requests) == 2
    assert opened.health.is_well
    await opened.close()


async def test_an_answer_that_asks_for_a_pause_pauses_the_whole_channel(
    world: World, channel: OpenChannel
) -> None:
    throttled = ChangeResult(push_id="1", outcome=Outcome.UNKNOWN, after_seconds=20.0)
    world.markets[0].answers = [[throttled]]
    await pushing(channel).push(request())
    (unsent,) = await pushing(channel).push(request())
    assert unsent.outcome is Outcome.UNSENT
    await reading(channel).read([LISTING])
    assert world.requests[-1][0] >= 1_020
    assert channel.health.failures[0].operation == "push"


async def test_what_a_connector_held_back_itself_slows_the_channel_down_for_nobody(
    world: World, channel: OpenChannel
) -> None:
    held_back = ChangeResult(push_id="1", outcome=Outcome.UNSENT, after_seconds=20.0)
    world.markets[0].answers = [[held_back]]
    await pushing(channel).push(request())
    (sent,) = await pushing(channel).push(request())
    assert sent.outcome is Outcome.APPLIED
    assert world.requests[-1][0] == 1_000
    assert channel.budget.per_second == channel.manifest.requests_per_second


async def test_every_request_counts_however_many_a_call_makes(
    world: World, channel: OpenChannel
) -> None:
    world.markets[0].requests_per_call = 13
    await reading(channel).read([LISTING])
    assert len(world.requests) == 13
    assert world.clock.time - 1_000 == pytest.approx(5.0)


async def test_a_push_pays_once_for_its_request_and_later_for_more(
    world: World, channel: OpenChannel
) -> None:
    world.markets[0].requests_per_call = 3
    await pushing(channel).push(request())
    assert world.clock.slept == []
    assert len(world.requests) == 3
    # One token of four is left; a read leaves it for pushes and waits for another.
    await reading(channel).read([LISTING])
    assert world.clock.slept[0] == pytest.approx(0.5)
