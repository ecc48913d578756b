"""Secrets in the store: sealed, bound to their names, and sealed anew while everybody works."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.engine.vault import Vault, VaultLocked
from channelsync.security.sealing import MasterKeys, SealBroken, open_sealed, seal
from channelsync.store import tables
from channelsync.store.database import Database

KEY = "the key of the operator, long enough"
OTHER = "another key of the operator, as long"
CANARY = b"shpat_canary_of_a_token"
MANY = 120
"""Several batches."""


def vault_over(database: Database, key: str = KEY, former: str | None = None) -> Vault:
    """A process's own vault."""
    master = MasterKeys(key.encode(), None if former is None else former.encode())
    return Vault(database, lambda: 1_000.0, master)


async def put(vault: Vault, name: str, value: bytes) -> None:
    async def act(tx: AsyncConnection) -> None:
        await vault.put(tx, name, value, actor="cli:ada")

    await vault.database.transact(act)


async def get(vault: Vault, name: str) -> bytes | None:
    async with vault.database.read() as tx:
        return await vault.get(tx, name)


async def fill(vault: Vault, number: int) -> Mapping[str, bytes]:
    values = {f"credential:{n:04}": f"value {n}".encode() for n in range(number)}

    async def act(tx: AsyncConnection) -> None:
        for name, value in values.items():
            await vault.put(tx, name, value, actor="cli:ada")

    await vault.database.transact(act)
    return {name.removeprefix("credential:"): value for name, value in values.items()}


async def everything(vault: Vault) -> Mapping[str, bytes]:
    async with vault.database.read() as tx:
        return await vault.all(tx, "credential:")


async def keys_in_use(database: Database) -> dict[str, int]:
    query = sa.select(tables.kept_secrets.c.key_id, sa.func.count().label("number"))
    async with database.read() as tx:
        rows = await tx.execute(query.group_by("key_id"))
        return {row.key_id: row.number for row in rows}


def test_what_is_sealed_opens_under_its_key_and_name_alone() -> None:
    sealed = seal(b"k" * 32, "a", CANARY)
    assert open_sealed(b"k" * 32, "a", sealed) == CANARY
    assert seal(b"k" * 32, "a", CANARY) != sealed
    for key, name in ((b"j" * 32, "a"), (b"k" * 32, "b")):
        with pytest.raises(SealBroken):
            open_sealed(key, name, sealed)
    for place in range(0, len(sealed), 7):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealBroken):
            open_sealed(b"k" * 32, "a", changed)
    with pytest.raises(SealBroken):
        open_sealed(b"k" * 32, "a", b"short")


async def test_item_21_the_store_says_nothing_and_two_rows_cannot_be_swapped(
    any_database: Database,
) -> None:
    vault = vault_over(any_database)
    await put(vault, "credential:a", CANARY)
    await put(vault, "credential:b", b"b")
    rows = tables.kept_secrets
    async with any_database.read() as tx:
        for table in tables.metadata.sorted_tables:
            kept = (await tx.execute(sa.select(table))).all()
            assert CANARY not in b"".join(bytes(v) for r in kept for v in r if type(v) is bytes)
            assert CANARY.decode() not in str(kept)
        a = (await tx.execute(sa.select(rows).where(rows.c.name == "credential:a"))).one()
    async with any_database.write() as tx:
        mine = sa.update(rows).where(rows.c.name == "credential:b")
        await tx.execute(mine.values(sealed=a.sealed))
    assert await get(vault, "credential:a") == CANARY
    with pytest.raises(SealBroken, match="credential:b cannot be opened"):
        await get(vault, "credential:b")
    assert CANARY.decode() not in repr(vault)


async def test_a_rotation_seals_all_anew_and_other_processes_need_not_be_told(
    any_database: Database,
) -> None:
    first, second = vault_over(any_database), vault_over(any_database)
    values = dict(await fill(first, MANY))
    assert await everything(second) == values
    before = await keys_in_use(any_database)
    done = await first.rotate(actor="cli:ada")
    assert (done.secrets, done.retired) == (MANY, tuple(before))
    assert await keys_in_use(any_database) == {done.key_id: MANY}
    await put(second, "credential:new", b"new")
    assert await keys_in_use(any_database) == {done.key_id: MANY + 1}
    assert await everything(second) == values | {"new": b"new"}
    assert await second.get_or_make("root", 32) == await first.get_or_make("root", 32)
    async with any_database.read() as tx:
        said = await tx.execute(sa.select(tables.audit.c.action, tables.audit.c.actor))
    assert [tuple(one) for one in said] == [
        ("data_key.rotate", "cli:ada"),
        ("data_key.retire", "cli:ada"),
    ]


async def test_rotations_at_once_and_writers_between_lose_nothing(any_database: Database) -> None:
    vaults = [vault_over(any_database) for _ in range(3)]
    values = dict(await fill(vaults[0], MANY))

    async def write(vault: Vault) -> None:
        for number in range(6):
            name = f"{number:04}"
            values[name] = b"written anew"
            await put(vault, f"credential:{name}", values[name])
            assert await get(vault, f"credential:{name}") == values[name]

    rotations = (vault.rotate(actor="cli:ada") for vault in vaults[:2])
    await asyncio.gather(*rotations, write(vaults[2]))
    assert await everything(vaults[2]) == values
    last = await vaults[0].rotate(actor="cli:ada")
    assert await keys_in_use(any_database) == {last.key_id: MANY}
    async with any_database.read() as tx:
        state = await vaults[1].state(tx)
    assert (state.current, state.left, state.former) == (last.key_id, 0, ())


# ------------------------------------------------------------------ a process that is killed


@pytest.fixture
async def held(postgres_url: str) -> AsyncIterator[Database]:
    database = Database(postgres_url)
    yield database
    await database.close()


async def rotating(url: str, folder: Path) -> asyncio.subprocess.Process:
    """`channelsync keys rotate`, a process of its own."""
    environment = {
        **os.environ,
        "CHANNELSYNC_DATABASE_URL": url.replace("+asyncpg", ""),
        "CHANNELSYNC_SECRET_KEY": KEY,
        "CHANNELSYNC_DATA_DIR": str(folder),
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "channelsync", "keys", "rotate"),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def test_a_rotation_killed_half_way_leaves_everything_readable_and_is_gone_on_with(
    held: Database, postgres_url: str, tmp_path: Path
) -> None:
    vault = vault_over(held)
    values = dict(await fill(vault, MANY))
    last = sa.select(tables.kept_secrets).where(
        tables.kept_secrets.c.name == f"credential:{MANY - 1:04}"
    )
    async with held.write() as tx:
        # The last batch waits for this lock, so the kill always meets it half-way.
        await tx.execute(last.with_for_update())
        process = await rotating(postgres_url, tmp_path)
        async with asyncio.timeout(60):
            while max((await keys_in_use(held)).values()) == MANY:
                assert process.returncode is None
                await asyncio.sleep(0.02)
        # Meanwhile this process reads what is under either key, and writes under the new one.
        assert await everything(vault) == values
        await put(vault, "credential:meanwhile", b"new")
        process.kill()
        await process.wait()
    values["meanwhile"] = b"new"
    async with held.read() as reading:
        state = await vault.state(reading)
    assert 0 < state.left < MANY
    assert len(state.former) == 1
    assert await everything(vault_over(held)) == values
    done = await vault.rotate(actor="cli:ada")
    assert len(done.retired) == 2
    assert await keys_in_use(held) == {done.key_id: MANY + 1}
    assert await everything(vault_over(held)) == values


# ------------------------------------------------------------------ the operator's own key


async def test_a_key_of_the_operator_is_changed_with_both_at_hand(any_database: Database) -> None:
    await put(vault_over(any_database), "credential:a", CANARY)
    with pytest.raises(VaultLocked, match="CHANNELSYNC_SECRET_KEY_OLD"):
        await get(vault_over(any_database, OTHER), "credential:a")
    with pytest.raises(VaultLocked):
        await put(vault_over(any_database, OTHER), "credential:b", b"b")
    both = vault_over(any_database, OTHER, former=KEY)
    assert await get(both, "credential:a") == CANARY
    async with any_database.read() as tx:
        assert (await both.state(tx)).wrapped_by_former == 1
    await both.rotate(actor="cli:ada")
    assert await get(vault_over(any_database, OTHER), "credential:a") == CANARY
    with pytest.raises(VaultLocked):
        await get(vault_over(any_database, KEY), "credential:a")
