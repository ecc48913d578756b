"""The keys desk: programs that may ask, what for, and until when."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import EVERYWHERE, UNBOUNDED, Permission, Reach
from channelsync.domain.vocabulary import Instant
from channelsync.engine.audit import note_change
from channelsync.engine.identity_errors import KeyRefused, UnknownKey
from channelsync.engine.users_desk import reach_values, require_reachable
from channelsync.ports import Clock
from channelsync.security.tokens import digest, new_key
from channelsync.store.audit_chain import Change
from channelsync.store.database import Database
from channelsync.store.tables import api_keys

__all__ = ["DAYS_DEFAULT", "DAYS_MAX", "Key", "KeysDesk", "MadeKey"]

DAYS_DEFAULT: Final = 365.0
DAYS_MAX: Final = 3_653.0
NAME_MAX: Final = 64
DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A program that may ask. What proves it is not here: only its hash is kept."""

    id: str
    name: str
    scopes: tuple[Permission, ...]
    channels: tuple[str, ...] | None
    locations: tuple[str, ...] | None
    created_at: Instant
    created_by: str
    expires_at: Instant
    used_at: Instant | None
    revoked_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeKey:
    """A key just made: the only moment at which its text is known."""

    key: Key
    text: str


@dataclass(slots=True)
class KeysDesk:
    """Makes, lists and revokes API keys."""

    database: Database
    now: Clock

    async def list(self, tx: AsyncConnection) -> Sequence[Key]:
        """Every key there was, the newest first."""
        query = sa.select(api_keys).order_by(api_keys.c.created_at.desc(), api_keys.c.id)
        return tuple(_key(row) for row in await tx.execute(query))

    async def create(
        self,
        name: str,
        scopes: Collection[Permission],
        *,
        actor: str,
        days: float = DAYS_DEFAULT,
        reach: Reach = EVERYWHERE,
        request: str | None = None,
    ) -> MadeKey:
        """Make a key.

        Raises:
            KeyRefused: no name, no scope, a time that is none, or a scope over the whole house for
                a key that is kept to some channels or locations.
            UserRefused: a channel or location is unknown.
        """
        name = name.strip()
        _require_sound(name, scopes, days, reach)
        fresh, now = new_key(), self.now()
        values = {
            "id": fresh.id,
            "digest": digest(fresh.text),
            "name": name,
            "scopes": sorted(scopes),
            "created_at": now,
            "created_by": actor,
            "expires_at": now + days * DAY_SECONDS,
            **reach_values(reach),
        }

        async def act(tx: AsyncConnection) -> Key:
            await require_reachable(tx, reach)
            await tx.execute(sa.insert(api_keys).values(values))
            row = await _require(tx, fresh.id)
            told = _told(row)
            await self._note(tx, actor, "key.create", row, after=told, request=request)
            return _key(row)

        return MadeKey(key=await self.database.transact(act), text=fresh.text)

    async def revoke(self, key_id: str, *, actor: str, request: str | None = None) -> Key:
        """Let it in no more, at once.

        Raises:
            UnknownKey: there is none of this id.
            KeyRefused: it is revoked already.
        """

        async def act(tx: AsyncConnection) -> Key:
            row = await _require(tx, key_id)
            if row.revoked_at is not None:
                raise KeyRefused(f"the key {key_id} ({row.name}) is revoked already")
            mine = sa.update(api_keys).where(api_keys.c.id == key_id)
            await tx.execute(mine.values(revoked_at=self.now()))
            told = _told(row)
            await self._note(tx, actor, "key.revoke", row, before=told, request=request)
            return _key(await _require(tx, key_id))

        return await self.database.transact(act)

    async def _note(self, tx: AsyncConnection, actor: str, action: str, row: Any, **m: Any) -> None:
        change = Change(at=self.now(), actor=actor, action=action, subject=f"key:{row.id}", **m)
        await note_change(tx, change)


def _require_sound(name: str, scopes: Collection[Permission], days: float, reach: Reach) -> None:
    if not 0 < len(name) <= NAME_MAX or not name.isprintable():
        raise KeyRefused(f"give the key a name of 1 to {NAME_MAX} characters")
    if not scopes:
        raise KeyRefused("a key without a scope can do nothing: name at least one")
    if not 0 < days <= DAYS_MAX:
        raise KeyRefused(f"a key is good for at most {DAYS_MAX:.0f} days")
    over = sorted(set(scopes) & UNBOUNDED)
    if over and not reach.is_everywhere:
        raise KeyRefused(
            f"{', '.join(over)} is about the whole house: a key that is kept to some channels or"
            " locations cannot have it"
        )


async def _require(tx: AsyncConnection, key_id: str) -> Any:
    row = (await tx.execute(sa.select(api_keys).where(api_keys.c.id == key_id))).one_or_none()
    if row is None:
        raise UnknownKey(f"there is no key {key_id!r}: `channelsync keys list` shows them")
    return row


def _told(row: Any) -> dict[str, Any]:
    return {
        "name": row.name,
        "scopes": row.scopes,
        "channels": row.channels,
        "locations": row.locations,
        "expires_at": row.expires_at,
    }


def _key(row: Any) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        scopes=tuple(Permission(one) for one in row.scopes),
        channels=None if row.channels is None else tuple(row.channels),
        locations=None if row.locations is None else tuple(row.locations),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        used_at=row.used_at,
        revoked_at=row.revoked_at,
    )
