"""The vault: the one place of every secret in the store, sealed there, opened in memory alone.

A secret is sealed under a data key; a data key stands beside it, sealed under a master key that is
never in the store. Every process reads which data key is current in the very transaction in which
it seals something, so a new one is everybody's at once. A data key goes when nothing is left under
it: whatever copy of the store is found later, with that key's seal broken it says nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.audit import note_change
from channelsync.ports import Clock
from channelsync.security.sealing import MasterKeys, new_data_key, open_sealed, seal
from channelsync.settings import Settings, secret_key
from channelsync.store.audit_chain import Change
from channelsync.store.database import Database
from channelsync.store.tables import data_keys, kept_secrets

__all__ = [
    "CREDENTIALS",
    "ENDPOINTS",
    "FACTORS",
    "Kept",
    "Rotated",
    "Vault",
    "VaultLocked",
    "VaultState",
    "endpoints_key",
    "master_keys",
    "open_vault",
]

CREDENTIALS: Final = "credential:"
"""What the merchant's file refers to as `kept:NAME` stands under this and its name."""
ENDPOINTS: Final = "root:endpoints"
"""What the secrets of outgoing events' endpoints are worked out from."""
FACTORS: Final = "second_factor:"
"""The secrets of second factors stand under this and the user's number."""
BATCH_ROWS: Final = 50
KEY_ID_BYTES: Final = 4


class VaultLocked(Exception):
    """The secrets cannot be opened with the key at hand; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A secret that is kept, without itself."""

    name: str
    version: int
    """How many values it has had."""
    changed_at: Instant
    changed_by: str
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultState:
    """How the vault stands."""

    current: str | None
    """The data key of what is new; None: nothing was ever kept."""
    current_since: Instant | None
    secrets: int
    left: int
    """Secrets that are still under a former data key."""
    former: tuple[str, ...]
    """Former data keys that are not gone yet."""
    wrapped_by_former: int
    """Data keys that wait to be sealed under the master key of today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What a rotation did."""

    key_id: str
    secrets: int
    """Secrets that were sealed anew."""
    retired: tuple[str, ...]


@dataclass(slots=True)
class Vault:
    """Over one database, with the master keys that this process was given."""

    database: Database
    now: Clock
    master: MasterKeys = field(repr=False)
    _opened: dict[str, bytes] = field(default_factory=dict, repr=False)

    # ------------------------------------------------------------ secrets

    async def put(self, tx: AsyncConnection, name: str, value: bytes, *, actor: str) -> None:
        """Keep a secret; the one before under this name is gone.

        Raises:
            VaultLocked: the current data key cannot be opened.
        """
        current = await self._current(tx)
        values: dict[str, Any] = {
            "key_id": current.id,
            "sealed": seal(self._open_key(current), _bound(name), value),
            "changed_at": self.now(),
            "changed_by": actor,
        }
        insert = _insert(tx)(kept_secrets).values(name=name, **values)
        more = {"version": kept_secrets.c.version + 1}
        await tx.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values | more))

    async def get(self, tx: AsyncConnection, name: str) -> bytes | None:
        """A secret; None: it is not kept.

        Raises:
            VaultLocked: it cannot be opened with the key at hand.
            SealBroken: somebody has changed it.
        """
        row = (await tx.execute(_ALL.where(kept_secrets.c.name == name))).one_or_none()
        return None if row is None else self._open(row)

    async def get_or_make(self, name: str, size_bytes: int) -> bytes:
        """A secret that needs to be random and nothing else; made at the first call."""
        async with self.database.read() as tx:
            if (found := await self.get(tx, name)) is not None:
                return found

        async def act(tx: AsyncConnection) -> bytes:
            await self._current(tx)  # whoever makes one waits here for whoever does just now
            if (found := await self.get(tx, name)) is not None:
                return found
            fresh = secrets.token_bytes(size_bytes)
            await self.put(tx, name, fresh, actor="daemon")
            return fresh

        return await self.database.transact(act)

    async def all(self, tx: AsyncConnection, prefix: str) -> Mapping[str, bytes]:
        """Every secret whose name begins so, by the rest of it."""
        rows = await tx.execute(_ALL.where(kept_secrets.c.name.startswith(prefix, autoescape=True)))
        return {row.name.removeprefix(prefix): self._open(row) for row in rows}

    async def list(self, tx: AsyncConnection, prefix: str) -> Sequence[Kept]:
        """What is kept under names that begin so, without the secrets themselves."""
        mine = kept_secrets.c.name.startswith(prefix, autoescape=True)
        query = sa.select(kept_secrets).where(mine).order_by(kept_secrets.c.name)
        return tuple(
            Kept(
                name=row.name.removeprefix(prefix),
                version=row.version,
                changed_at=row.changed_at,
                changed_by=row.changed_by,
                key_id=row.key_id,
            )
            for row in await tx.execute(query)
        )

    async def remove(self, tx: AsyncConnection, name: str) -> bool:
        """Keep it no more. Whether it was kept."""
        gone = await tx.execute(sa.delete(kept_secrets).where(kept_secrets.c.name == name))
        return bool(gone.rowcount)

    # ------------------------------------------------------------ keys

    async def rotate(self, *, actor: str) -> Rotated:
        """A new data key, everything sealed anew under it, the former ones gone.

        Every step is a transaction of its own: whoever works goes on meanwhile. What a rotation
        that died has left is taken along.

        Raises:
            VaultLocked: something cannot be opened with the keys at hand; it stays as it is.
        """
        key_id = await self.database.transact(lambda tx: self._replace(tx, actor))
        sealed = 0
        while done := await self.database.transact(lambda tx: self._reseal(tx, key_id)):
            sealed += done
        retired = await self.database.transact(lambda tx: self._retire(tx, actor))
        return Rotated(key_id=key_id, secrets=sealed, retired=retired)

    async def _replace(self, tx: AsyncConnection, actor: str) -> str:
        """Make a new data key the current one; those there are come under today's master key."""
        rows = (await tx.execute(_KEYS.with_for_update())).all()
        for row in rows:
            opened = self._open_key(row)
            if row.wrapped_by != self.master.current_id:
                await _write_key(tx, row.id, **self._wrapped(row.id, opened))
        before = next((row.id for row in rows if row.is_current), None)
        await tx.execute(sa.update(data_keys).values(is_current=False))
        key_id = await self._make(tx)
        await self._note(tx, actor, "rotate", before, {"key": key_id})
        return key_id

    async def _reseal(self, tx: AsyncConnection, key_id: str) -> int:
        """Seal some secrets anew. A secret that changes meanwhile is under the new key anyhow."""
        current = (await tx.execute(_KEYS.where(data_keys.c.id == key_id))).one_or_none()
        if current is None or not current.is_current:
            return 0  # another rotation has begun: the rest is its own
        old = _ALL.where(kept_secrets.c.key_id != key_id).order_by(kept_secrets.c.name)
        rows = (await tx.execute(old.limit(BATCH_ROWS).with_for_update(of=kept_secrets))).all()
        for row in rows:
            sealed = seal(self._open_key(current), _bound(row.name), self._open(row))
            mine = sa.update(kept_secrets).where(kept_secrets.c.name == row.name)
            await tx.execute(mine.values(key_id=key_id, sealed=sealed))
        return len(rows)

    async def _retire(self, tx: AsyncConnection, actor: str) -> tuple[str, ...]:
        """Drop former data keys under which nothing is left."""
        # Whoever is just sealing under one of them has locked it: we wait, and then see that.
        former = _KEYS.where(sa.not_(data_keys.c.is_current)).with_for_update()
        found = tuple(row.id for row in await tx.execute(former))
        used = set(await tx.scalars(sa.select(kept_secrets.c.key_id).distinct()))
        gone = tuple(one for one in found if one not in used)
        if gone:
            await tx.execute(sa.delete(data_keys).where(data_keys.c.id.in_(gone)))
            await self._note(tx, actor, "retire", list(gone), None)
        return gone

    async def state(self, tx: AsyncConnection) -> VaultState:
        """How it stands."""
        keys = (await tx.execute(_KEYS)).all()
        count = sa.select(kept_secrets.c.key_id, sa.func.count().label("number"))
        numbers = {row.key_id: row.number for row in await tx.execute(count.group_by("key_id"))}
        current = next((row for row in keys if row.is_current), None)
        name = None if current is None else current.id
        return VaultState(
            current=name,
            current_since=None if current is None else current.created_at,
            secrets=sum(numbers.values()),
            left=sum(number for key, number in numbers.items() if key != name),
            former=tuple(row.id for row in keys if not row.is_current),
            wrapped_by_former=sum(row.wrapped_by != self.master.current_id for row in keys),
        )

    async def check(self, tx: AsyncConnection) -> None:
        """Open every data key there is.

        Raises:
            VaultLocked: one of them cannot be opened with the keys at hand.
        """
        for row in (await tx.execute(_KEYS)).all():
            self._open_key(row)

    async def _current(self, tx: AsyncConnection) -> Any:
        """The current data key, held until the commit so that no rotation retires it meanwhile."""
        query = _KEYS.where(data_keys.c.is_current).with_for_update(read=True)
        found = (await tx.execute(query)).one_or_none()
        if found is None:
            await self._make(tx)
            found = (await tx.execute(query)).one()
        return found

    async def _make(self, tx: AsyncConnection) -> str:
        key_id = secrets.token_hex(KEY_ID_BYTES)
        values = {"id": key_id, "created_at": self.now(), "is_current": True}
        insert = _insert(tx)(data_keys).values(**values, **self._wrapped(key_id, new_data_key()))
        await tx.execute(insert.on_conflict_do_nothing())
        return key_id

    def _wrapped(self, key_id: str, data_key: bytes) -> dict[str, Any]:
        wrapped = self.master.wrap(key_id, data_key)
        return {"wrapped": wrapped, "wrapped_by": self.master.current_id}

    def _open(self, row: Any) -> bytes:
        return open_sealed(self._open_key(row), _bound(row.name), row.sealed)

    def _open_key(self, row: Any) -> bytes:
        """The data key of a row that has its columns; opened once a process."""
        key_id = getattr(row, "key_id", None) or row.id
        if key_id not in self._opened:
            found = self.master.unwrap(key_id, row.wrapped, row.wrapped_by)
            if found is None:
                raise VaultLocked(_locked(row.wrapped_by, self.master))
            self._opened[key_id] = found
        return self._opened[key_id]

    async def _note(
        self, tx: AsyncConnection, actor: str, verb: str, before: object, after: object
    ) -> None:
        change = Change(
            at=self.now(),
            actor=actor,
            action=f"data_key.{verb}",
            subject="data_keys",
            before={"keys": before},
            after=after,
        )
        await note_change(tx, change)


def open_vault(settings: Settings, database: Database, now: Clock) -> Vault:
    """The vault of a store, with the operator's keys.

    Raises:
        SettingsInvalid: the key cannot be read, or made.
    """
    return Vault(database, now, master_keys(settings))


def master_keys(settings: Settings) -> MasterKeys:
    """The operator's keys: of today and, while it is changed, the one before.

    Raises:
        SettingsInvalid: the key cannot be read, or made.
    """
    given = settings.secret_key_old
    former = None if given is None else given.get_secret_value().encode()
    return MasterKeys(secret_key(settings), former)


async def endpoints_key(settings: Settings, database: Database, now: Clock) -> bytes:
    """What the secrets of endpoints are worked out from: it stays when any other key changes.

    Raises:
        VaultLocked: something in the vault cannot be opened with the keys at hand.
    """
    vault = open_vault(settings, database, now)
    async with database.read() as tx:
        await vault.check(tx)
    return await vault.get_or_make(ENDPOINTS, 32)


_KEYS: Final = sa.select(data_keys)
_ALL: Final = sa.select(kept_secrets, data_keys.c.wrapped, data_keys.c.wrapped_by).join(
    data_keys, data_keys.c.id == kept_secrets.c.key_id
)


def _bound(name: str) -> str:
    """What a value is bound to: table and row."""
    return f"kept_secrets/{name}"


def _insert(tx: AsyncConnection) -> Any:
    return (sqlite if tx.dialect.name == "sqlite" else postgresql).insert


async def _write_key(tx: AsyncConnection, key_id: str, **values: Any) -> None:
    await tx.execute(sa.update(data_keys).where(data_keys.c.id == key_id).values(values))


def _locked(wrapped_by: str, master: MasterKeys) -> str:
    return (
        f"the secrets in the store are sealed under the secret key {wrapped_by}, and the one at"
        f" hand is {master.current_id}. Put the former one back: CHANNELSYNC_SECRET_KEY, or the"
        " file secret_key in the data folder (from the backup of it). If it was changed on purpose,"
        " give the former one as CHANNELSYNC_SECRET_KEY_OLD until `channelsync keys rotate` is"
        " through"
    )
