"""A lost index is noticed: the ways that a day of the program takes into every table are kept.

`plans/` holds them, one file an engine. After a change that is meant, write them anew:
`CHANNELSYNC_WRITE_PLANS=1 python -m pytest tests/integration/store/test_plans.py`, then
`python -m tests.unit.configuration.generated` for the page that shows them.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from channelsync.domain.notices import NoticePolicy, NoticeRule
from channelsync.domain.permissions import Role
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.bookkeeping import verify_books
from channelsync.engine.deliver import Outgoing
from channelsync.engine.fold import DAY_SECONDS, fold_ledger
from channelsync.engine.inbox import Inbox, Received
from channelsync.engine.leases import lease_owners
from channelsync.engine.notify import Notifying
from channelsync.engine.prune import Retention, prune_some
from channelsync.engine.recover import recover
from channelsync.engine.work import WorkKind, due_kinds, mark
from channelsync.store import tables
from channelsync.store.database import Database, sqlite_url
from channelsync.worker.daemon import handlers
from tests.support.databases import ENGINES
from tests.support.hooked import HookedChannel, webhook
from tests.support.house import House, build_house
from tests.support.plans import (
    Ways,
    explained,
    indexes,
    read_ways,
    recording,
    whole_passes,
    written_ways,
)
from tests.support.signed_in import KEY, Door, Letterbox

KEPT = Path(__file__).parent / "plans"
WRITE = "CHANNELSYNC_WRITE_PLANS"
HINT = f"if that is meant, run this test with {WRITE}=1 and look at what it changes"
DROPPED = "ix_order_lines_parked"
KINDS = {
    "a": PushSemantics.KEYED_COMPARE_AND_SET,
    "b": PushSemantics.KEYED_DELTA,
    "c": PushSemantics.ABSOLUTE,
}
V1 = "/api/v1"
READ = [
    *("items?q=m&after=A", "items/MUG", "stock?sku=MUG", "listings?sku=MUG", "transfers"),
    *("orders?sku=MUG", "orders?state=parked", "orders?channel=a", "channels", "shortfalls"),
    *("movements?sku=MUG&location=dc", "movements?channel=a", "audit?subject=user:root"),
    *("audit?actor=user:root", "alarms?state=open", "drift", "assumptions", "allocations/MUG"),
    *("holds", "dead-letters", "users", "keys", "endpoints", "metrics"),
]
PAGES = ["/", "/items/MUG", "/channels/a", "/pushes", "/figures", "/figures/days", "/metrics"]
UNSEEN = {
    "ix_kept_secrets_key",
    "ix_sessions_user",
    "uq_data_keys_current",
    "uq_deliveries_channel_dedupe_key",
    "uq_notices_event_rule_target",
    "uq_requests_channel_key",
}
"""A day without a rotated key, with nobody locked out; and guards, which no plan speaks of."""


NewStore = Callable[[], Database]


@pytest.fixture(params=ENGINES)
def new_store(request: pytest.FixtureRequest, migrated: Path, tmp_path: Path) -> NewStore:
    """Makes migrated stores without a row, of one engine."""
    if request.param == "postgresql":
        make = request.getfixturevalue("new_database")
        return lambda: Database(make())
    numbers = itertools.count(1)

    def copied() -> Database:
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copy(migrated, path)
        return Database(sqlite_url(path))

    return copied


async def test_every_index_serves_and_nothing_else_goes_through_a_whole_table(
    new_store: NewStore, tmp_path: Path
) -> None:
    """What is kept is still so, and nobody has begun to read a table from end to end."""
    used, empty = new_store(), new_store()
    try:
        with recording(used) as recorder:
            await _a_day(used, tmp_path)
        ways = await explained(empty, recorder)
        async with empty.write() as tx:
            await tx.execute(sa.text(f"DROP INDEX {DROPPED}"))
        poorer = await explained(empty, recorder)
    finally:
        await used.close()
        await empty.close()
    path = KEPT / f"{'sqlite' if used.is_sqlite else 'postgresql'}.txt"
    if os.environ.get(WRITE):
        path.write_text(written_ways(ways), "utf-8")
    kept = read_ways(path.read_text("utf-8"))
    assert not _lost(kept, ways), HINT
    assert {index for _, _, index in _lost(kept, poorer)} == {DROPPED}
    assert not whole_passes(ways) - whole_passes(kept), HINT
    assert indexes().keys() - {index for _, index, _ in kept} <= UNSEEN


def _lost(kept: Ways, ways: Ways) -> set[tuple[str, str, str]]:
    """Modules that an index served and serves no more."""
    return _served(kept) - _served(ways)


def _served(ways: Ways) -> set[tuple[str, str, str]]:
    return {
        (module, table, index)
        for (table, index, columns), modules in ways.items()
        if index in indexes()
        for module in modules
    }


async def _a_day(database: Database, folder: Path) -> None:
    house = await build_house(
        folder,
        stock={"MUG": {"dc": 60, "soho": 5}, "CUP": 9},
        quotas={"a": 4_000, "b": 3_000, "c": 3_000},
        semantics=KINDS,
        database=database,
        open_channel=lambda _name, market: HookedChannel(market),
    )
    rule = NoticeRule(name="at once", targets=("owner",))
    bell = Notifying(policy=NoticePolicy(rules=(rule,)), notifier=Letterbox())
    transport = httpx.MockTransport(lambda _request: httpx.Response(200))
    async with httpx.AsyncClient(transport=transport) as http:
        outgoing = Outgoing(http, KEY)
        house.supervisor.handlers = handlers(None, outgoing=outgoing, notifying=bell)
        await house.settle_down(30, step=15)
        async with Door(house).as_user("root", Role.ADMIN) as person:
            await _change(person)
            await _sell(house)
            await _look(person)
        await _bundle(house)
    await _look_after(house, database, folder)


async def _change(person: httpx.AsyncClient) -> None:
    send = {"sku": "MUG", "source": "dc", "target": "soho", "units": 1, "reason": "x"}
    for path, body in (
        ("endpoints", {"url": "https://erp.example.com/hook"}),
        ("transfers", send),
        ("stock/adjustments", {"sku": "CUP", "location": "dc", "delta": -9, "reason": "x"}),
    ):
        answer = await person.post(f"{V1}/{path}", json=body, headers={"idempotency-key": path})
        assert answer.status_code in {200, 201}, answer.text
    answer = await person.post(f"{V1}/transfers/1/ship", json={"force": True})
    assert answer.status_code == 200, answer.text


async def _sell(house: House) -> None:
    """One sale comes by webhook, the others are polled for; one is more than there is."""
    for market in house.markets.values():
        market.sell("MUG")
    house.markets["a"].book("CUP", 30)
    house.markets["a"].cancel("order-1", 1)
    house.markets["a"].faults = ["lose_answer", "lose_answer"]
    market = house.markets["b"]
    now = house.clock()
    told = webhook("key-1", *market.orders.values())
    received = Received(channel="b", delivery=told, body=b"{}", at=now)
    await Inbox(house.engine).store(received)
    await house.settle_down(60, step=20)


async def _bundle(house: House) -> None:
    """An offer that has nothing on sale is of two cups from now on."""
    recipes = {("b", "CUP"): {"CUP": 2}}
    house.engine.policy = replace(house.engine.policy, recipes=recipes)
    async with house.engine.database.write() as tx:
        await mark(tx, WorkKind.DISCOVER, "b", not_before=house.clock())
    await house.settle_down(30, step=15)
    lines = await house.rows(tables.recipes)
    assert sorted(row.units for row in lines) == [1, 1, 1, 1, 1, 2]


async def _look(person: httpx.AsyncClient) -> None:
    for path in (*(f"{V1}/{name}" for name in READ), *PAGES):
        answer = await person.get(path)
        assert answer.status_code == 200, (path, answer.text)


async def _look_after(house: House, database: Database, folder: Path) -> None:
    await recover(house.engine)
    async with database.write() as tx:
        await prune_some(tx, Retention(), now=house.clock())
    async with database.read() as tx:
        await lease_owners(tx)
        await due_kinds(tx, now=house.clock())
    before = house.clock() + 1
    house.clock.at += 450 * DAY_SECONDS
    archive = folder / "old.gz"
    assert await fold_ledger(
        database, house.engine.environment, before=before, archive=archive, actor="root"
    )
    await verify_books(database)
