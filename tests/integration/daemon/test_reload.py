"""A changed file is applied whole or refused whole, and touches only what changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa

from channelsync.bootstrap import Application, open_application, setup_of
from channelsync.configuration.editing import MerchantFile
from channelsync.daemon import at_work, get_ready
from channelsync.engine.setup import apply_setup, note_unusable
from channelsync.engine.vault import CREDENTIALS, open_vault
from channelsync.reloading import reload_configuration, watch_configuration
from channelsync.settings import Settings
from channelsync.store import tables
from channelsync.store.database import Database, sqlite_url
from channelsync.store.errors import StoreUnavailable

START = """\
version: 1
locations:
  shop: {name: Shop}
channels:
  till:
    connector: pos
    settings: {webhook_secret: "${TILL_SECRET}", location: shop}
allocation:
  quotas: {till: 20%}
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TILL_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = tmp_path / "channelsync.yaml"
    found.write_text(START)
    return found


@pytest.fixture
async def application(path: Path, tmp_path: Path) -> AsyncIterator[Application]:
    settings = Settings(data_dir=tmp_path / "data", config=path)
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_application(settings))
        await apply_setup(opened.engine, setup_of(opened.configuration))
        yield opened


async def reload(application: Application, path: Path, text: str) -> bool:
    """The merchant saves `text`. Returns whether it was applied."""
    await asyncio.to_thread(path.write_text, text)
    return await reload_configuration(application, path)


async def alarms(application: Application) -> dict[str, str]:
    """Alarms that stand, and what they say."""
    standing = tables.alarms.c.cleared_at.is_(None)
    query = sa.select(tables.alarms.c.kind, tables.alarms.c.message).where(standing)
    async with application.engine.database.read() as connection:
        return {row.kind: row.message for row in await connection.execute(query)}


async def test_other_quotas_are_applied_without_opening_a_channel_anew(
    application: Application, path: Path
) -> None:
    before = application.channels.get("till")
    assert await reload(application, path, START.replace("20%", "60%"))
    [rule] = application.engine.policy.rules["main"]
    assert rule.quotas == {"till": 6_000}
    assert application.channels.get("till") is before


async def test_a_pace_of_a_channel_changes_while_it_stays_open(
    application: Application, path: Path
) -> None:
    opened = application.channels.opened["till"]
    assert await reload(
        application,
        path,
        START.replace("connector: pos\n", "connector: pos\n    poll_interval_seconds: 7\n"),
    )
    running = application.channels.get("till")
    assert running is not None
    assert running.poll_interval_seconds == 7
    assert application.channels.opened["till"] is opened


async def test_other_settings_open_the_channel_anew(application: Application, path: Path) -> None:
    opened = application.channels.opened["till"]
    assert await reload(
        application, path, START.replace("location: shop}", "location: shop, registers: [r1]}")
    )
    assert application.channels.opened["till"] is not opened


async def test_a_file_that_changed_while_the_daemon_started_is_noticed(
    application: Application, path: Path
) -> None:
    before = application.configuration
    await asyncio.to_thread(path.write_text, START.replace("20%", "60%"))
    watching = asyncio.create_task(watch_configuration(application, path, asyncio.Event()))
    async with asyncio.timeout(30):
        while application.configuration is before:  # noqa: ASYNC110 - nobody says so
            await asyncio.sleep(0.01)
        while application.engine.policy.rules["main"][0].quotas != {"till": 6_000}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_file_written_by_the_editor_is_taken_over_at_once(
    application: Application, path: Path
) -> None:
    reload_now = asyncio.Event()
    file = MerchantFile(path)
    watching = asyncio.create_task(
        watch_configuration(application, path, reload_now, every_seconds=3_600)
    )
    seen = file.read()
    await asyncio.to_thread(
        file.replace, seen.with_text(START.replace("20%", "60%")), seen=seen.digest
    )
    reload_now.set()
    async with asyncio.timeout(30):
        while application.engine.policy.rules["main"][0].quotas != {"till": 6_000}:  # noqa: ASYNC110 - nobody says so
            await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_an_unusable_database_is_tried_at_each_look_and_not_without_a_pause(
    application: Application, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = asyncio.Queue[None]()

    def write() -> NoReturn:
        tries.put_nowait(None)
        raise StoreUnavailable("it cannot be reached")

    reload_now = asyncio.Event()
    reload_now.set()
    await asyncio.to_thread(path.write_text, START.replace("20%", "60%"))
    async with asyncio.timeout(30):
        with monkeypatch.context() as broken:
            broken.setattr(application.engine.database, "write", write)
            watching = asyncio.create_task(watch_configuration(application, path, reload_now, 0.5))
            await tries.get()
            for _ in range(100):
                await asyncio.sleep(0)
            assert tries.empty()
            await tries.get()  # though nobody asked again
        while application.engine.policy.rules["main"][0].quotas != {"till": 6_000}:  # noqa: ASYNC110 - nobody says so
            await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_what_changes_nothing_that_works_is_in_force_all_the_same(
    application: Application, path: Path
) -> None:
    before = application.configuration.fingerprint
    assert await reload(application, path, START + "timezone: Europe/Berlin\n")
    assert application.configuration.fingerprint != before
    async with application.engine.database.read() as connection:
        last = sa.select(tables.configurations.c.fingerprint)
        newest = last.order_by(tables.configurations.c.id.desc()).limit(1)
        assert await connection.scalar(newest) == application.configuration.fingerprint


async def test_a_wrong_file_changes_nothing_and_says_where_it_is_wrong(
    application: Application, path: Path
) -> None:
    before = application.configuration
    assert not await reload(application, path, START.replace("quotas:", "qoutas:"))
    assert application.configuration is before
    said = (await alarms(application))["configuration_refused"]
    assert "channelsync.yaml:9:3" in said
    assert "quotas" in said


async def test_a_right_file_ends_the_alarm_about_the_wrong_one(
    application: Application, path: Path
) -> None:
    assert not await reload(application, path, "nonsense")
    assert await reload(application, path, START)
    assert await alarms(application) == {}


async def test_a_channel_that_does_not_open_is_an_alarm_until_it_does(
    application: Application,
) -> None:
    engine = application.engine
    await note_unusable(engine, ["till", "shop"], {"shop": "its connector does not load"})
    assert await alarms(application) == {"channel_unusable": "its connector does not load"}
    await note_unusable(engine, ["till", "shop"], {})
    assert await alarms(application) == {}


async def test_a_kept_credential_that_changes_opens_its_channel_anew(
    path: Path, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data", config=path)
    database = Database(sqlite_url(tmp_path / "data" / "channelsync.db"))

    async def keep(value: str) -> None:
        vault = open_vault(settings, database, time.time)
        async with database.write() as tx:
            await vault.put(tx, f"{CREDENTIALS}till", value.encode(), actor="cli:ada")

    async with open_application(settings):
        await keep("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    await asyncio.to_thread(path.write_text, START.replace("${TILL_SECRET}", "kept:till"))
    async with open_application(settings) as application:
        await get_ready(application)
        working = at_work(
            application, watched=path, work={}, housekeeping_seconds=0.05, watch_seconds=0.05
        )
        async with working, asyncio.timeout(30):
            before = application.channels.opened["till"]
            await keep("whsec_BBBB9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            while application.channels.opened.get("till") in {None, before}:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    await database.close()
