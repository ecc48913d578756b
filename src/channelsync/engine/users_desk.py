"""The users desk: who may sign in, as what, and how far they reach."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import EVERYWHERE, Reach, Role
from channelsync.domain.vocabulary import Instant
from channelsync.engine.audit import note_change
from channelsync.engine.factor_rows import drop_factor, end_sessions
from channelsync.engine.identity_errors import FactorRefused, UnknownUser, UserRefused
from channelsync.ports import Clock
from channelsync.security.passwords import CHARACTERS_MAX, Passwords, require_strong
from channelsync.store.audit_chain import Change
from channelsync.store.database import Database
from channelsync.store.locks import lock_users
from channelsync.store.stock_queries import closest
from channelsync.store.tables import channels, locations, second_factors, sessions, users

__all__ = [
    "User",
    "UsersDesk",
    "any_user",
    "reach_of",
    "reach_values",
    "require_reachable",
    "require_user",
]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may sign in."""

    name: str
    role: Role
    channels: tuple[str, ...] | None
    locations: tuple[str, ...] | None
    created_at: Instant
    second_factor_since: Instant | None = None
    """None: the password alone lets in."""


async def any_user(tx: AsyncConnection) -> bool:
    """Whether somebody may sign in; until then this machine alone is answered."""
    query = sa.select(users.c.id).where(users.c.removed_at.is_(None)).limit(1)
    return (await tx.execute(query)).first() is not None


def reach_of(row: Any) -> Reach:
    """The reach of a stored user or key."""
    return Reach(
        channels=None if row.channels is None else frozenset(row.channels),
        locations=None if row.locations is None else frozenset(row.locations),
    )


def reach_values(reach: Reach) -> dict[str, list[str] | None]:
    """A reach as it is stored and shown."""
    return {
        "channels": None if reach.channels is None else sorted(reach.channels),
        "locations": None if reach.locations is None else sorted(reach.locations),
    }


async def require_reachable(tx: AsyncConnection, reach: Reach) -> None:
    """Refuse names that nothing bears: a typing error would keep somebody out unseen.

    Raises:
        UserRefused: a channel or location is unknown.
    """
    for what, wanted, column in (
        ("channel", reach.channels, channels.c.name),
        ("location", reach.locations, locations.c.code),
    ):
        if not wanted:
            continue
        known = set((await tx.execute(sa.select(column))).scalars())
        for name in sorted(wanted - known):
            near = closest(name, known)
            hint = f"; did you mean {near!r}?" if near else ""
            raise UserRefused(f"there is no {what} {name!r}{hint}")


@dataclass(slots=True)
class UsersDesk:
    """Adds, changes and removes users. Every change ends the sessions that it concerns."""

    database: Database
    now: Clock
    passwords: Passwords = field(default_factory=Passwords)

    async def list(self, tx: AsyncConnection) -> Sequence[User]:
        """Everybody, by name."""
        query = _PRESENT.order_by(users.c.name)
        return tuple(_user(row) for row in await tx.execute(query))

    async def add(
        self,
        name: str,
        password: str,
        role: Role,
        *,
        actor: str,
        reach: Reach = EVERYWHERE,
        request: str | None = None,
        only_as_first: bool = False,
    ) -> User:
        """Let somebody in.

        Raises:
            UserRefused: the name is taken, or none; with `only_as_first` somebody is there already.
            PasswordTooWeak: it would be guessed.
        """
        name = _name(name)
        require_strong(password, name)
        hashed = await self.passwords.hash(password)
        values = {
            "name": name,
            "password_hash": hashed,
            "role": role,
            "created_at": self.now(),
            **reach_values(reach),
        }

        async def act(tx: AsyncConnection) -> User:
            await lock_users(tx)
            first = not await any_user(tx)
            if only_as_first and not first:
                raise UserRefused("somebody is here already: sign in")
            if first and (role is not Role.ADMIN or not reach.is_everywhere):
                raise UserRefused("the first user must be an admin who reaches everywhere")
            if await _find(tx, name) is not None:
                raise UserRefused(f"there is a user {name!r} already")
            await require_reachable(tx, reach)
            await tx.execute(sa.insert(users).values(values))
            made = await require_user(tx, name)
            told = Change(
                at=self.now(),
                actor=actor,
                action="user.add",
                subject=f"user:{name}",
                after=_told(made),
                request=request,
            )
            await note_change(tx, told)
            return _user(made)

        return await self.database.transact(act)

    async def change(
        self,
        name: str,
        *,
        actor: str,
        role: Role | None = None,
        reach: Reach | None = None,
        password: str | None = None,
        request: str | None = None,
    ) -> User:
        """Give somebody another role, reach or password; None keeps what is.

        Raises:
            UnknownUser: there is nobody of this name.
            UserRefused: no admin would be left who reaches everywhere.
            PasswordTooWeak: it would be guessed.
        """
        values: dict[str, Any] = {} if role is None else {"role": role}
        values |= {} if reach is None else reach_values(reach)
        if password is not None:
            require_strong(password, name)
            values["password_hash"] = await self.passwords.hash(password)

        async def act(tx: AsyncConnection) -> User:
            await lock_users(tx)
            before = await require_user(tx, name)
            if reach is not None:
                await require_reachable(tx, reach)
            if values:
                await tx.execute(sa.update(users).where(users.c.id == before.id).values(values))
            await _require_admin(tx)
            await end_sessions(tx, before.id)
            after = await require_user(tx, name)
            told = _told(after) | ({"password": "changed"} if password is not None else {})
            await self._note(
                tx, actor, "user.change", name, before=_told(before), after=told, request=request
            )
            return _user(after)

        return await self.database.transact(act)

    async def change_own(
        self, name: str, *, present: str, password: str, request: str | None = None
    ) -> User:
        """Somebody gives himself another password. Every session of his ends, this one too.

        Raises:
            UnknownUser: there is nobody of this name.
            UserRefused: `present` is not his password.
            PasswordTooWeak: the new one would be guessed.
        """
        async with self.database.read() as tx:
            row = await require_user(tx, name)
        if not await self.passwords.matches(row.password_hash, present[:CHARACTERS_MAX]):
            raise UserRefused("that is not your present password")
        return await self.change(name, actor=f"user:{name}", password=password, request=request)

    async def end_sessions(self, name: str, *, actor: str, request: str | None = None) -> User:
        """Sign somebody out everywhere, at once.

        Raises:
            UnknownUser: there is nobody of this name.
        """

        async def act(tx: AsyncConnection) -> User:
            await lock_users(tx)
            row = await require_user(tx, name)
            query = sa.select(sa.func.count()).where(sessions.c.user_id == row.id)
            open_sessions = int((await tx.execute(query)).scalar_one())
            await end_sessions(tx, row.id)
            await self._note(
                tx,
                actor,
                "user.end_sessions",
                name,
                before={"sessions": open_sessions},
                after={"sessions": 0},
                request=request,
            )
            return _user(row)

        return await self.database.transact(act)

    async def take_off_factor(self, name: str, *, actor: str, request: str | None = None) -> None:
        """Take somebody's second factor off, for whoever has lost it; his sessions end.

        Raises:
            UnknownUser: there is nobody of this name.
            FactorRefused: there is none to take off.
        """

        async def act(tx: AsyncConnection) -> None:
            await lock_users(tx)
            row = await require_user(tx, name, lock=True)
            if not await drop_factor(tx, row.id):
                raise FactorRefused(f"{row.name} has no second factor")
            await end_sessions(tx, row.id)
            before = {"since": row.second_factor_since}
            await self._note(
                tx, actor, "second_factor.take_off", row.name, before=before, request=request
            )

        await self.database.transact(act)

    async def remove(self, name: str, *, actor: str, request: str | None = None) -> None:
        """Let somebody in no more, at once.

        Raises:
            UnknownUser: there is nobody of this name.
            UserRefused: no admin would be left who reaches everywhere.
        """

        async def act(tx: AsyncConnection) -> None:
            await lock_users(tx)
            row = await require_user(tx, name)
            gone = sa.update(users).where(users.c.id == row.id)
            await tx.execute(gone.values(removed_at=self.now()))
            await _require_admin(tx)
            await end_sessions(tx, row.id)
            await drop_factor(tx, row.id)
            await self._note(tx, actor, "user.remove", name, before=_told(row), request=request)

        await self.database.transact(act)

    async def _note(
        self, tx: AsyncConnection, actor: str, action: str, name: str, **m: Any
    ) -> None:
        change = Change(at=self.now(), actor=actor, action=action, subject=f"user:{name}", **m)
        await note_change(tx, change)


async def require_user(tx: AsyncConnection, name: str, *, lock: bool = False) -> Any:
    """A user's row; with `lock` nobody else changes it before the transaction ends.

    Raises:
        UnknownUser: there is nobody of this name.
    """
    row = await _find(tx, name, lock=lock)
    if row is None:
        here = sa.select(users.c.name).where(users.c.removed_at.is_(None))
        raise UnknownUser(name, closest(name, (await tx.execute(here)).scalars().all()))
    return row


def _name(text: str) -> str:
    name = text.strip().casefold()
    if not _NAME.fullmatch(name):
        raise UserRefused(
            "a user's name is 1 to 64 letters, digits, dots, hyphens or an e-mail address"
        )
    return name


_PRESENT: Final = (
    sa.select(users, second_factors.c.since.label("second_factor_since"))
    .join(second_factors, second_factors.c.user_id == users.c.id, isouter=True)
    .where(users.c.removed_at.is_(None))
)


async def _find(tx: AsyncConnection, name: str, *, lock: bool = False) -> Any:
    mine = _PRESENT.where(users.c.name == name)
    return (await tx.execute(mine.with_for_update(of=users) if lock else mine)).one_or_none()


async def _require_admin(tx: AsyncConnection) -> None:
    query = sa.select(users.c.channels, users.c.locations).where(
        users.c.removed_at.is_(None), users.c.role == Role.ADMIN
    )
    if not any(reach_of(row).is_everywhere for row in await tx.execute(query)):
        raise UserRefused("the last admin who reaches everywhere must stay: make another one first")


def _told(row: Any) -> dict[str, Any]:
    return {"role": row.role, "channels": row.channels, "locations": row.locations}


def _user(row: Any) -> User:
    return User(
        name=row.name,
        role=Role(row.role),
        channels=None if row.channels is None else tuple(row.channels),
        locations=None if row.locations is None else tuple(row.locations),
        created_at=row.created_at,
        second_factor_since=row.second_factor_since,
    )
