"""Sign-ins: from the right password to a session, with a second factor between the two.

A sign-in that waits for its second factor is no session: it opens nothing but the page that asks
for the code. It lives `SIGN_IN_SECONDS` and ends after `TRIES_MAX` wrong codes; then the password
is asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import Role
from channelsync.domain.vocabulary import Instant
from channelsync.engine.audit import note_change
from channelsync.engine.second_factors import SecondFactors
from channelsync.security.tokens import digest, new_token
from channelsync.store.audit_chain import Change
from channelsync.store.tables import second_factors, sessions, sign_ins, users

__all__ = [
    "SIGN_IN_SECONDS",
    "TRIES_MAX",
    "Begun",
    "Pending",
    "SignIns",
    "Step",
    "begin_sign_in",
    "forget_old_sign_ins",
    "open_session",
]

SIGN_IN_SECONDS: Final = 600.0
TRIES_MAX: Final = 5


class Step(StrEnum):
    """What a sign-in waits for."""

    NOTHING = "nothing"
    """It is a session."""
    CODE = "code"
    """A code of the user's second factor."""
    SET_UP = "set_up"
    """The user must have a second factor and has none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a right password has opened."""

    token: str
    """Of a session, or of a sign-in that waits."""
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A sign-in that waits."""

    name: str
    step: Step
    tries: int
    """Wrong codes so far."""


async def begin_sign_in(
    tx: AsyncConnection, factors: SecondFactors, user: Any, *, request: str | None
) -> Begun:
    """Go on behind a right password, in a transaction that holds the user's row."""
    mine = sa.select(second_factors.c.since).where(second_factors.c.user_id == user.id)
    since = (await tx.execute(mine)).scalar_one_or_none()
    step = _step_of(user, since, factors)
    if step is Step.NOTHING:
        token = await open_session(tx, user, now=factors.now(), request=request)
        return Begun(token=token, step=step)
    if step is Step.SET_UP:
        await factors.prepare_in(tx, user, request=request)
    token = new_token()
    values = {"digest": digest(token), "user_id": user.id, "created_at": factors.now()}
    await tx.execute(sa.insert(sign_ins).values(values))
    return Begun(token=token, step=step)


async def open_session(
    tx: AsyncConnection, user: Any, *, now: Instant, request: str | None, by: str | None = None
) -> str:
    """A new session's token; `by` is the kind of code that the second factor was proven with."""
    token = new_token()
    values = {"digest": digest(token), "user_id": user.id, "created_at": now, "seen_at": now}
    await tx.execute(sa.insert(sessions).values(values))
    after = None if by is None else {"second_factor": by}
    await _note(tx, "session.begin", user.name, now=now, request=request, after=after)
    return token


@dataclass(frozen=True, slots=True)
class SignIns:
    """Those that wait, over one store."""

    factors: SecondFactors

    async def pending(self, token: str) -> Pending | None:
        """A sign-in that waits; None: there is none of this token, or not any more."""
        async with self.factors.database.read() as tx:
            row = await self._row(tx, token)
        if row is None:
            return None
        return Pending(name=row.name, step=_step_of(row, row.since, self.factors), tries=row.tries)

    async def prepared(self, pending: Pending) -> str | None:
        """The secret that waits for its first code; None: it has waited for too long."""
        async with self.factors.database.read() as tx:
            return (await self.factors.state(tx, pending.name)).prepared

    async def prove(self, token: str, code: str, *, request: str | None) -> str | None:
        """A session for a right code; None: it is wrong, or no sign-in waits for one."""

        async def act(tx: AsyncConnection) -> str | None:
            row = await self._row(tx, token, lock=True)
            if row is None or row.since is None:
                return None
            spent = await self.factors.spend(tx, row.id, code)
            if spent is None:
                await self._refuse(tx, row, request)
                return None
            await _end(tx, row.digest)
            now = self.factors.now()
            return await open_session(tx, row, now=now, request=request, by=spent.kind)

        return await self.factors.database.transact(act)

    async def set_up(
        self, token: str, code: str, *, request: str | None
    ) -> tuple[str, tuple[str, ...]] | None:
        """Switch the second factor on by its first code: a session, and the recovery codes.

        None: no sign-in waits for that.

        Raises:
            FactorRefused: no secret waits (any more), or that is none of its codes.
        """

        async def act(tx: AsyncConnection) -> tuple[str, tuple[str, ...]] | None:
            row = await self._row(tx, token, lock=True)
            if row is None or row.since is not None:
                return None
            codes = await self.factors.confirm_in(tx, row, code, session=None, request=request)
            now = self.factors.now()
            return await open_session(tx, row, now=now, request=request, by="app"), codes

        return await self.factors.database.transact(act)

    async def _refuse(self, tx: AsyncConnection, row: Any, request: str | None) -> None:
        mine = sign_ins.c.digest == row.digest
        await tx.execute(sa.update(sign_ins).where(mine).values(tries=row.tries + 1))
        if row.tries + 1 >= TRIES_MAX:
            await _end(tx, row.digest)
        now, after = self.factors.now(), {"tries": row.tries + 1}
        await _note(tx, "second_factor.refuse", row.name, now=now, request=request, after=after)

    async def _row(self, tx: AsyncConnection, token: str, *, lock: bool = False) -> Any:
        """The sign-in with its user, whom nobody changes meanwhile."""
        young = self.factors.now() - SIGN_IN_SECONDS
        query = (
            sa.select(users, sign_ins.c.digest, sign_ins.c.tries, second_factors.c.since)
            .join(sign_ins, sign_ins.c.user_id == users.c.id)
            .join(second_factors, second_factors.c.user_id == users.c.id, isouter=True)
            .where(
                sign_ins.c.digest == digest(token),
                sign_ins.c.created_at > young,
                users.c.removed_at.is_(None),
            )
        )
        locked = query.with_for_update(of=(users, sign_ins)) if lock else query
        return (await tx.execute(locked)).one_or_none()


def _step_of(user: Any, since: Instant | None, factors: SecondFactors) -> Step:
    if since is not None:
        return Step.CODE
    return Step.SET_UP if Role(user.role) in factors.required else Step.NOTHING


async def _end(tx: AsyncConnection, key: str) -> None:
    await tx.execute(sa.delete(sign_ins).where(sign_ins.c.digest == key))


async def _note(
    tx: AsyncConnection, action: str, name: str, *, now: Instant, request: str | None, after: Any
) -> None:
    subject = f"user:{name}"
    change = Change(
        at=now, actor=subject, action=action, subject=subject, after=after, request=request
    )
    await note_change(tx, change)


async def forget_old_sign_ins(tx: AsyncConnection, *, now: Instant) -> None:
    """Drop sign-ins whose time is over."""
    old = sign_ins.c.created_at <= now - SIGN_IN_SECONDS
    await tx.execute(sa.delete(sign_ins).where(old))
