"""Identity: who a session or a key belongs to, signing in and out.

A session lives at most `SESSION_SECONDS`, and `IDLE_SECONDS` after it was seen last; every sign-in
makes a new one. Whoever has a second factor, or must have one, gets none for the password alone:
`engine.sign_ins` leads on from there. What is kept of sessions and keys proves nothing to whoever
reads the database.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import Permission, Principal, Role, permissions_of
from channelsync.domain.vocabulary import Instant
from channelsync.engine.audit import note_change
from channelsync.engine.second_factors import SecondFactors
from channelsync.engine.sharing import SharedLook
from channelsync.engine.sign_ins import Begun, begin_sign_in, forget_old_sign_ins
from channelsync.engine.users_desk import any_user, reach_of
from channelsync.ports import Clock
from channelsync.security.passwords import CHARACTERS_MAX
from channelsync.security.tokens import digest, parse_key
from channelsync.store.audit_chain import Change
from channelsync.store.database import Database
from channelsync.store.tables import api_keys, second_factors, sessions, users

__all__ = ["IDLE_SECONDS", "SESSION_SECONDS", "Identity", "forget_old_sessions"]

_log = structlog.get_logger("channelsync.identity")

SESSION_SECONDS: Final = 7 * 86_400.0
IDLE_SECONDS: Final = 12 * 3_600.0
SEEN_SECONDS: Final = 60.0
"""So coarse it is kept when a session or key was seen last: a look is no write."""


@dataclass(slots=True)
class Identity:
    """Tells who asks."""

    database: Database
    now: Clock
    factors: SecondFactors
    _anybody: bool = False
    _inhabited: SharedLook[bool] = field(init=False)
    _rows: dict[str, SharedLook[Any]] = field(default_factory=dict)
    """Of keys that are just being looked at."""

    def __post_init__(self) -> None:
        self._inhabited = SharedLook(self._look_for_anybody)

    async def is_inhabited(self) -> bool:
        """Whether a user exists. Once one did, that is so: the last admin cannot be removed."""
        return self._anybody or await self._inhabited()

    async def _look_for_anybody(self) -> bool:
        async with self.database.read() as tx:
            self._anybody = await any_user(tx)
        return self._anybody

    async def of_key(self, text: str) -> Principal | None:
        """The program that a key belongs to; None: no key of ours, revoked or past its time."""
        given = parse_key(text)
        if given is None:
            return None
        row = await self._key_row(given.id)
        if row is None or not hmac.compare_digest(row.digest, digest(text)):
            return None
        now = self.now()
        if row.revoked_at is not None or row.expires_at <= now:
            return None
        if (row.used_at or 0.0) < now - SEEN_SECONDS:
            mine = sa.update(api_keys).where(api_keys.c.id == row.id)
            await self._write(mine.values(used_at=now))
        return Principal(
            name=f"key:{row.id}",
            permissions=frozenset(Permission(one) for one in row.scopes),
            reach=reach_of(row),
        )

    async def _key_row(self, key_id: str) -> Any:
        """The row of a key; a program that asks much at once is looked up once."""

        async def look() -> Any:
            async with self.database.read() as tx:
                return (await tx.execute(_KEY, {"_id": key_id})).one_or_none()

        shared = self._rows.setdefault(key_id, SharedLook(look))
        try:
            return await shared()
        finally:
            if shared.is_idle:
                self._rows.pop(key_id, None)

    async def of_session(self, token: str) -> Principal | None:
        """The user that a session belongs to; None: there is none, or its time is over."""
        query = (
            sa.select(sessions.c.seen_at, sessions.c.created_at, second_factors.c.since, *_USER)
            .join(users, users.c.id == sessions.c.user_id)
            .join(second_factors, second_factors.c.user_id == users.c.id, isouter=True)
            .where(sessions.c.digest == digest(token), users.c.removed_at.is_(None))
        )
        async with self.database.read() as tx:
            row = (await tx.execute(query)).one_or_none()
        now = self.now()
        if row is None or _is_over(row, now) or self._lacks_factor(row):
            return None
        if row.seen_at < now - SEEN_SECONDS:
            mine = sa.update(sessions).where(sessions.c.digest == digest(token))
            await self._write(mine.values(seen_at=now))
        return _person(row)

    def _lacks_factor(self, row: Any) -> bool:
        """Whether the operator began to ask for a second factor after this session had begun."""
        return row.since is None and Role(row.role) in self.factors.required

    async def sign_in(self, name: str, password: str, *, request: str | None) -> Begun | None:
        """What the password opens; None: no such user, or not his. Both take as long."""
        name = name.strip().casefold()
        query = sa.select(users).where(users.c.name == name, users.c.removed_at.is_(None))
        async with self.database.read() as tx:
            row = (await tx.execute(query)).one_or_none()
        kept = None if row is None or len(password) > CHARACTERS_MAX else row.password_hash
        passwords = self.factors.passwords
        right = await passwords.matches(kept, password[:CHARACTERS_MAX])
        if row is None or not right:
            _log.warning("sign-in refused", request=request)
            return None
        fresh = None
        if passwords.is_outdated(row.password_hash):
            fresh = await passwords.hash(password)
        return await self._begin(row, fresh, request)

    async def _begin(self, checked: Any, fresh: str | None, request: str | None) -> Begun | None:
        """Go on for a user whose password was just checked, unless it was changed meanwhile."""
        same = sa.update(users).where(
            users.c.id == checked.id,
            users.c.password_hash == checked.password_hash,
            users.c.removed_at.is_(None),
        )

        async def act(tx: AsyncConnection) -> Begun | None:
            kept = await tx.execute(same.values(password_hash=fresh or checked.password_hash))
            if not kept.rowcount:
                return None
            now = self.now()
            await forget_old_sessions(tx, now=now)
            await forget_old_sign_ins(tx, now=now)
            return await begin_sign_in(tx, self.factors, checked, request=request)

        return await self.database.transact(act)

    async def sign_out(self, token: str, *, name: str, request: str | None) -> None:
        """End a session, if it is one."""

        async def act(tx: AsyncConnection) -> None:
            gone = await tx.execute(sa.delete(sessions).where(sessions.c.digest == digest(token)))
            if gone.rowcount:
                await note_change(tx, self._told("session.end", name, request))

        await self.database.transact(act)

    def _told(self, action: str, name: str, request: str | None) -> Change:
        subject = f"user:{name.removeprefix('user:')}"
        return Change(at=self.now(), actor=subject, action=action, subject=subject, request=request)

    async def _write(self, statement: sa.Update) -> None:
        async with self.database.write() as tx:
            await tx.execute(statement)


_KEY: Final = sa.select(api_keys).where(api_keys.c.id == sa.bindparam("_id"))
_USER: Final = (users.c.name, users.c.role, users.c.channels, users.c.locations)


def _is_over(row: Any, now: Instant) -> bool:
    old = row.created_at <= now - SESSION_SECONDS or row.seen_at <= now - IDLE_SECONDS
    return bool(old)


def _person(row: Any) -> Principal:
    role = Role(row.role)
    return Principal(
        name=f"user:{row.name}",
        permissions=permissions_of(role),
        reach=reach_of(row),
        role=role,
    )


async def forget_old_sessions(tx: AsyncConnection, *, now: Instant) -> None:
    """Drop sessions whose time is over."""
    over = sa.or_(
        sessions.c.created_at <= now - SESSION_SECONDS, sessions.c.seen_at <= now - IDLE_SECONDS
    )
    await tx.execute(sa.delete(sessions).where(over))
