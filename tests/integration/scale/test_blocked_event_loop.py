"""An event loop that stands still for longer than a lease, while another daemon takes over.

Two daemons on one PostgreSQL, each with an event loop in a thread of its own. Something that does
not wait as one should (a slow call, a long collection of garbage) holds the one loop in the worst
instants; its connections stay open all the while, so nobody may take it for dead.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from typing_extensions import override

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.leases import lease_owners
from channelsync.engine.recover import GRACE_SECONDS, recover
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.work import WorkKind, mark
from channelsync.ports import Environment
from channelsync.sdk.types import Change, PushRequest
from channelsync.store import postgresql, tables
from channelsync.store.presence import DatabasePresence
from channelsync.worker.supervisor import LEASE_SECONDS
from tests.support.hooked import HookedChannel, Wire
from tests.support.house import Build, Channels, House, neighbour, open_market

T = TypeVar("T")
SOON = 30.0
UNITS = 6
MORE = 10
"""Goods that arrive, and are about to be put on sale when the loop is held."""
HERE, THERE = "here-1-00000001", "there-2-00000002"


@dataclass(slots=True)
class Hold:
    """Holds the thread that reaches it, once, until it is let go."""

    reached: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> None:
        """Stand still: nothing else of this event loop runs meanwhile."""
        if not self.reached.is_set():
            self.reached.set()
            assert self.let_go.wait(SOON)


class Composing(HookedChannel):
    """Holds the loop while a request is composed, in the middle of a transaction."""

    hold: Hold

    @override
    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        self.hold()
        return super().prepare(changes, key=key)


@dataclass(slots=True)
class Daemon:
    """A daemon whose event loop runs in a thread of its own."""

    house: House
    wire: Wire
    hold: Hold
    loop: asyncio.AbstractEventLoop

    def do(self, act: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Have something done over there."""
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(act, self.loop))

    async def work(self) -> None:
        """Do all that is due now."""
        await self.do(self.house.supervisor.run_until_idle(horizon=self.house.clock.at + 1))


Stand = Callable[[Daemon], None]


def while_composing(other: Daemon) -> None:
    """It has locked the item's rows."""
    channel = Composing(other.house.markets["shop"], other.wire)
    channel.hold = other.hold
    other.house.open_channel = lambda _name, _market: channel
    open_market(other.house, "shop")


def before_its_last_look(other: Daemon) -> None:
    """The copy is committed; the clock that it looks at before it sends comes an age later."""
    engine, clock = other.house.engine, other.house.clock

    def now() -> float:
        if engine.sending:
            other.hold()
        return clock()

    environment = engine.environment
    engine.environment = Environment(now=now, new_id=environment.new_id, owner=environment.owner)


def before_the_bytes_leave(other: Daemon) -> None:
    """It has looked, and nothing can stop the bytes any more."""

    async def hold() -> None:
        other.hold()

    other.wire.before_push = hold


def before_the_answer_is_kept(other: Daemon) -> None:
    """The shop has done it."""

    async def hold() -> None:
        other.hold()

    other.wire.after_push = hold


CAS, DELTA, SET = (
    PushSemantics.KEYED_COMPARE_AND_SET,
    PushSemantics.KEYED_DELTA,
    PushSemantics.ABSOLUTE,
)
STANDS: tuple[tuple[Stand, PushSemantics, str | None], ...] = (
    (while_composing, CAS, None),
    (before_its_last_look, SET, "unsent"),
    (before_its_last_look, DELTA, "unsent"),
    (before_the_bytes_leave, CAS, "refused"),
    (before_the_bytes_leave, SET, "applied"),
    (before_the_answer_is_kept, DELTA, "applied"),
    (before_the_answer_is_kept, SET, "applied"),
)
"""Where the loop stands still, what a write means to the shop, and what becomes of the attempt.

Shoppers have taken what was on show meanwhile, so that what was to be compared is no more.
"""


@asynccontextmanager
async def present(
    url: str, owner: str, do: Callable[[Coroutine[Any, Any, None]], Awaitable[None]]
) -> AsyncIterator[DatabasePresence]:
    """Somebody whom the others can see."""
    made = DatabasePresence(url, owner)
    await do(made.start())
    try:
        yield made
    finally:
        await do(made.close())


@asynccontextmanager
async def daemon(house: House) -> AsyncIterator[Daemon]:
    """A second daemon on the books and markets of the house."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    beside = neighbour(house, THERE)
    other = Daemon(beside, Wire(), Hold(), loop)
    beside.engine.channels = beside.channels = Channels()
    beside.open_channel = lambda _name, market: HookedChannel(market, other.wire)
    open_market(beside, "shop")
    try:
        async with present(house.engine.database.url, THERE, other.do) as beside.engine.presence:
            yield other
    finally:
        await other.do(beside.engine.database.close())
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(thread.join)
        loop.close()


async def goods_arrive(house: House) -> None:
    """Of the one item; whoever is first puts them on sale."""
    desk = StockDesk(house.engine.database, house.engine.environment)
    await desk.adjust("MUG", "dc", MORE, reason="goods arrived", actor="test")


async def sell_out(house: House) -> None:
    """Shoppers take whatever is on show; the shop's orders are to be looked at."""
    market = house.markets["shop"]
    while market.sell("MUG") is not None:
        pass
    async with house.engine.database.write() as tx:
        await mark(tx, WorkKind.POLL, "shop", not_before=house.clock.at)


async def require_covered(house: House) -> None:
    """What the shop may still sell that is not counted is within what the books set aside."""
    market, listing = house.markets["shop"], await house.listing("shop", "MUG")
    lines = tables.order_lines.c
    async with house.engine.database.read() as connection:
        query = sa.select(sa.func.coalesce(sa.func.sum(lines.ordered - lines.cancelled), 0))
        counted = int((await connection.execute(query)).scalar_one())
    uncounted = market.net_sold("MUG") - counted
    assert max(market.counters["MUG"], 0) + uncounted <= listing.exposure


async def holders(house: House) -> set[str]:
    """Who works on anything by lease."""
    async with house.engine.database.read() as connection:
        return await lease_owners(connection)


@pytest.fixture
def locks_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL ends the transaction of who stands still after one second of its own time.

    For those who come to the database from now on.
    """
    settings = {
        **postgresql.SETTINGS,
        "idle_in_transaction_session_timeout": "1s",
    }
    monkeypatch.setattr(postgresql, "SETTINGS", settings)


async def attempts_from_there(house: House) -> list[Any]:
    """What the daemon whose loop is held has sent, or was about to."""
    return [row for row in await house.rows(tables.attempts) if row.owner == THERE]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("stand", "semantics", "outcome"),
    STANDS,
    ids=[f"{stand.__name__}-{semantics}" for stand, semantics, _ in STANDS],
)
async def test_who_stands_still_for_longer_than_a_lease_does_no_harm(
    build: Build,
    request: pytest.FixtureRequest,
    stand: Stand,
    semantics: PushSemantics,
    outcome: str | None,
) -> None:
    house = await build(
        stock={"MUG": UNITS}, quotas={"shop": 10_000}, semantics={"shop": semantics}
    )
    url = house.engine.database.url
    await house.settle_down(60, step=30)
    request.getfixturevalue("locks_are_short")
    async with daemon(house) as other, present(url, HERE, asyncio.ensure_future) as here:
        house.engine.presence = here
        stand(other)
        await goods_arrive(house)
        working = asyncio.ensure_future(other.work())
        assert await asyncio.to_thread(other.hold.reached.wait, SOON)
        assert await holders(house) == {THERE}
        await live_on(house)
        under_way = await attempts_from_there(house)
        assert [row.ended_at for row in under_way] == [None] * (outcome is not None)
        other.hold.let_go.set()
        await working
        if outcome is not None:
            assert (await attempts_from_there(house))[0].outcome == outcome
        await require_covered(house)
        await sell_out(house)
        await other.work()  # it goes on as if nothing had been
        await require_covered(house)
        await house.settle_down(120, step=60)
        await sell_out(house)
    assert house.sold("MUG") == UNITS + MORE
    await house.require_clean_books()


async def live_on(house: House) -> None:
    """What the others do meanwhile: sell out, take the leases over, ask who is dead."""
    await sell_out(house)
    house.clock.at += LEASE_SECONDS + GRACE_SECONDS
    await house.settle_down()
    assert await holders(house) == set()
    assert await recover(house.engine) == 0
    await sell_out(house)
    await require_covered(house)
