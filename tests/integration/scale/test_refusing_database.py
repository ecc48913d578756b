"""A PostgreSQL that takes nothing for a while: what is not committed is not acknowledged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.work import WorkKind, mark
from channelsync.sdk.signatures import decode_standard_secret, standard_webhook_signature
from channelsync.store import postgresql, tables
from channelsync.store.database import Database
from channelsync.store.errors import StoreUnavailable, is_passing, is_rolled_back
from channelsync.web.app import WebOptions, build_app
from tests.support.house import Build, House
from tests.support.servers import Postgres
from tests.support.shopfronts import TILL_SECRET, open_till

SOON = 20.0
Change = Callable[[Postgres, str], Awaitable[None]]

FULL = (
    """CREATE FUNCTION take_nothing() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$""",
    "CREATE TRIGGER no_room BEFORE INSERT ON deliveries EXECUTE FUNCTION take_nothing()",
    "CREATE TRIGGER no_room BEFORE UPDATE ON work EXECUTE FUNCTION take_nothing()",
)


async def fill_up(server: Postgres, name: str) -> None:
    """The server says what it says when its disk is full."""
    for statement in FULL:
        await server.execute(statement, database=name)


async def make_room(server: Postgres, name: str) -> None:
    await server.execute("DROP FUNCTION take_nothing CASCADE", database=name)


async def stop_writes(server: Postgres, name: str) -> None:
    """As a standby does, and as hosts of databases do before a disk is full."""
    await server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await server.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
    )


async def allow_writes(server: Postgres, name: str) -> None:
    """Sessions from before go on as they began: who wants to write must open another."""
    await server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


async def sell(house: House, client: httpx.AsyncClient) -> httpx.Response:
    """The till tells of two units, the same sale each time."""
    line = {"line_id": "1", "sku": "MUG", "quantity": "2"}
    data = {"register_id": "T1", "sequence": 1, "sale_id": "T1-1", "lines": [line]}
    at = {"occurred_at": "2023-11-14T22:13:20Z"}
    body = json.dumps({"type": "pos.sale.completed", "data": data | at}).encode()
    secret, timestamp = decode_standard_secret(TILL_SECRET), int(house.clock())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": standard_webhook_signature(secret, "msg_1", timestamp, body),
    }
    return await client.post("/webhooks/till", content=body, headers=headers)


@pytest.mark.parametrize(
    ("begin", "end"), [(fill_up, make_room), (stop_writes, allow_writes)], ids=["full", "read only"]
)
async def test_a_database_that_takes_nothing_costs_time_and_no_webhook(
    build: Build,
    postgres_server: Postgres,
    begin: Change,
    end: Change,
) -> None:
    house = await build(
        stock={"MUG": 10}, quotas={"till": 10_000}, semantics={"till": PushSemantics.LIVE}
    )
    await open_till(house, "till")
    name = str(sa.make_url(house.engine.database.url).database)
    async with house.engine.database.write() as tx:
        await mark(tx, WorkKind.WATCH, "till", not_before=house.clock.at)
    transport = httpx.ASGITransport(
        build_app(house.engine, WebOptions()), raise_app_exceptions=False
    )
    house.supervisor.sweep_seconds = 0.05
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await begin(postgres_server, name)
        working = asyncio.ensure_future(house.supervisor.run())
        with capture_logs() as logs:
            async with asyncio.timeout(SOON):
                while not any("cannot be used; work waits" in log["event"] for log in logs):
                    assert not working.done(), working.exception()
                    await asyncio.sleep(0.01)
                refused = await sell(house, client)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert not await house.rows(tables.deliveries)
        await end(postgres_server, name)
        assert (await sell(house, client)).status_code == 200
    async with asyncio.timeout(SOON):
        while not await house.rows(tables.order_lines):
            assert not working.done(), working.exception()
            await asyncio.sleep(0.01)
    house.supervisor.stop()
    await working
    await house.require_clean_books()


async def test_who_gets_no_connection_tries_again(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that one process may have are in use; none was begun that could leave a trace."""
    monkeypatch.setattr(postgresql, "CONNECTIONS_MAX", 2)
    monkeypatch.setattr(postgresql, "CONNECT_SECONDS", 0.5)
    database = Database(postgres_url)
    async with database.read(), database.read():
        with pytest.raises(StoreUnavailable, match="cannot be reached") as refused:
            async with database.write():
                pass
        assert is_rolled_back(refused.value)
        assert is_passing(refused.value)
        waiting = asyncio.ensure_future(
            database.transact(lambda tx: tx.exec_driver_sql("SELECT 1"))
        )
        await asyncio.sleep(0.6)
    await waiting
    await database.close()
