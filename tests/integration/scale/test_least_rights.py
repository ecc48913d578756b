"""The rights of `deploy/postgresql/rights.sql` are all that the program needs, and no more.

Given as `docs/how-to/production/several-processes.md` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.anchor import Anchoring, anchor
from channelsync.engine.audit import note_change
from channelsync.engine.bookkeeping import verify_books
from channelsync.engine.hold_types import HoldRequest
from channelsync.engine.holds_desk import HoldsDesk
from channelsync.engine.seal import LEDGER_KEY, seal
from channelsync.engine.work import Claim, WorkKind, mark
from channelsync.store import migrate, tables
from channelsync.store.audit_chain import Change
from channelsync.store.database import Database
from channelsync.store.presence import DatabasePresence
from tests.support.checkout import ROOT
from tests.support.house import build_house
from tests.support.servers import Postgres

RIGHTS = ROOT / "deploy" / "postgresql" / "rights.sql"
FORBIDDEN = [
    "UPDATE movements SET note = note",
    "UPDATE seals SET digest = digest",
    "UPDATE audit SET actor = actor",
    "UPDATE anchors SET digest = digest",
    "DELETE FROM movements",
    "DELETE FROM seals",
    "DELETE FROM audit",
    "DELETE FROM anchors",
    "TRUNCATE movements CASCADE",
    "TRUNCATE work",
    "ALTER TABLE audit DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    "DROP TABLE work",
    "CREATE TABLE mine (a int)",
    "UPDATE alembic_version SET version_num = 'none'",
]


@pytest.fixture
def app_url(postgres_url: str, postgres_server: Postgres) -> Iterator[str]:
    """The database as a role that has these rights and owns nothing."""
    url = sa.make_url(postgres_url)
    role, name = "channelsync_app", str(url.database)
    postgres_server.run(f"CREATE ROLE {role} LOGIN")
    lines = RIGHTS.read_text("utf-8").splitlines()
    script = "\n".join(line for line in lines if not line.startswith("--"))
    for statement in script.replace(':"app"', role).split(";"):
        if statement.strip():
            postgres_server.run(statement, database=name)
    yield url.set(username=role).render_as_string(hide_password=False)
    postgres_server.run(f"DROP OWNED BY {role} CASCADE", database=name)
    postgres_server.run(f"DROP ROLE {role}")


async def test_item_38_the_program_needs_no_more_and_cannot_change_what_is_written_for_good(
    app_url: str, tmp_path: Path
) -> None:
    await migrate.require_current(app_url)
    kinds = {"a": PushSemantics.KEYED_DELTA, "b": PushSemantics.ABSOLUTE}
    quotas = {"a": 5_000, "b": 3_000}
    house = await build_house(
        tmp_path, database=Database(app_url), stock={"MUG": 20}, quotas=quotas, semantics=kinds
    )
    engine, database = house.engine, house.engine.database

    async def sealed(_engine: object, held: Claim) -> float | None:
        return await seal(engine, held)

    async def told(_engine: object, held: Claim) -> float | None:
        return await anchor(engine, held, Anchoring())

    more = {WorkKind.SEAL: sealed, WorkKind.ANCHOR: told}
    house.supervisor.handlers = {**house.supervisor.handlers, **more}
    presence = DatabasePresence(app_url, "here-0123abcd")
    await presence.start()
    try:
        assert await presence.count() == 1
        await house.settle_down(120)
        assert house.markets["a"].sell("MUG", 3)
        request = HoldRequest(owner="cart", lines={"MUG": 1}, ttl_seconds=5)
        await database.transact(lambda tx: HoldsDesk(engine).create(tx, request))
        said = Change(at=house.clock(), actor="user:ada", action="stock.count", subject="item:MUG")
        async with database.write() as tx:
            await note_change(tx, said)
            for kind in (WorkKind.SEAL, WorkKind.ANCHOR):
                await mark(tx, kind, LEDGER_KEY)
        await house.settle_down(400, step=20)
        report = await verify_books(database)
        assert report.ok
        assert report.chain.sealed > 0
        for table in (tables.anchors, tables.audit, tables.order_lines, tables.pushes):
            assert await house.rows(table), table.name
        for statement in FORBIDDEN:
            with pytest.raises(sa.exc.DBAPIError, match=r"permission denied|must be owner"):
                async with database.write() as tx:
                    await tx.exec_driver_sql(statement)
    finally:
        await presence.close()
        await database.close()
