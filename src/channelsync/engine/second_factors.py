"""Second factors: each user's own, switched on with a first code, proven at every sign-in.

The secret is kept in the vault. A new one waits until its first code proves that the app has it;
meanwhile whatever is on stays on. What is told in the trail says who did what, and no secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import Role
from channelsync.domain.vocabulary import Instant
from channelsync.engine.audit import note_change
from channelsync.engine.factor_rows import (
    drop_factor,
    end_sessions,
    prepared_name,
    secret_name,
)
from channelsync.engine.identity_errors import FactorRefused, UserRefused
from channelsync.engine.users_desk import require_user
from channelsync.engine.vault import Vault
from channelsync.ports import Clock
from channelsync.security.one_time import new_recovery_codes, new_secret, plain_code, step_of
from channelsync.security.passwords import CHARACTERS_MAX, Passwords
from channelsync.security.tokens import digest
from channelsync.store.audit_chain import Change
from channelsync.store.database import Database
from channelsync.store.tables import recovery_codes, second_factors

__all__ = ["PREPARED_SECONDS", "FactorState", "SecondFactors", "Spent"]

PREPARED_SECONDS: Final = 1_800.0
"""So long a new secret waits for its first code."""
_WRONG: Final = (
    "that is not a code of now, or it was used already: wait for the next one the app shows"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorState:
    """How a user's second factor stands."""

    since: Instant | None
    """None: it is not on."""
    codes_left: int
    """Recovery codes that are still good."""
    prepared: str | None = field(default=None, repr=False)
    """The secret that waits for its first code."""
    required: bool = False
    """Whether the operator wants it of everybody of this role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """A code that was taken."""

    kind: str
    """As the trail calls it."""
    codes_left: int


@dataclass(slots=True)
class SecondFactors:
    """Everybody's, over one store."""

    database: Database
    now: Clock
    vault: Vault
    passwords: Passwords = field(default_factory=Passwords)
    required: frozenset[Role] = frozenset()
    """Who may do nothing without one."""

    # ------------------------------------------------------------ one's own

    async def state(self, tx: AsyncConnection, name: str) -> FactorState:
        """How it stands.

        Raises:
            UnknownUser: there is nobody of this name.
            VaultLocked, SealBroken: a waiting secret cannot be opened.
        """
        user = await require_user(tx, name)
        row = await _row(tx, user.id)
        return FactorState(
            since=None if row is None else row.since,
            codes_left=await _codes_left(tx, user.id),
            prepared=await self._prepared(tx, row, user.id),
            required=Role(user.role) in self.required,
        )

    async def prepare(
        self, name: str, *, present: str, code: str = "", request: str | None = None
    ) -> None:
        """Make a secret for another app; where one is on already, a code of it is asked for.

        Raises:
            UserRefused: `present` is not the user's password.
            FactorRefused: the code is wrong.
        """
        user = await self._require_password(name, present)

        async def act(tx: AsyncConnection) -> None:
            row = await _row(tx, user.id, lock=True)
            if row is not None and row.since is not None:
                await self._require_code(tx, user.id, code)
            await self.prepare_in(tx, user, request=request)

        await self.database.transact(act)

    async def prepare_in(self, tx: AsyncConnection, user: Any, *, request: str | None) -> None:
        """The same for whoever has just proven himself, in the transaction that he did so in."""
        actor = f"user:{user.name}"
        secret = new_secret().encode()
        await self.vault.put(tx, prepared_name(user.id), secret, actor=actor)
        insert = (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(second_factors)
        waits = {"prepared_at": self.now()}
        made = insert.values(user_id=user.id, **waits)
        await tx.execute(made.on_conflict_do_update(index_elements=["user_id"], set_=waits))
        await self._note(tx, user.name, "prepare", request)

    async def confirm(
        self, name: str, code: str, *, session: str | None, request: str | None = None
    ) -> tuple[str, ...]:
        """Switch it on by a first code: the recovery codes, which nobody sees again.

        Every other session of the user's ends; `session` is this one's token.

        Raises:
            FactorRefused: no secret waits (any more), or that is none of its codes.
        """

        async def act(tx: AsyncConnection) -> tuple[str, ...]:
            user = await require_user(tx, name, lock=True)
            return await self.confirm_in(tx, user, code, session=session, request=request)

        return await self.database.transact(act)

    async def confirm_in(
        self, tx: AsyncConnection, user: Any, code: str, *, session: str | None, request: str | None
    ) -> tuple[str, ...]:
        """The same in a transaction that holds the user's row."""
        row = await _row(tx, user.id, lock=True)
        secret = await self._prepared(tx, row, user.id)
        if secret is None:
            raise FactorRefused("no secret waits for a code any more: begin again")
        step = step_of(secret, plain_code(code), now=self.now())
        if step is None:
            raise FactorRefused(_WRONG)
        actor = f"user:{user.name}"
        await self.vault.put(tx, secret_name(user.id), secret.encode(), actor=actor)
        await self.vault.remove(tx, prepared_name(user.id))
        now = {"since": self.now(), "prepared_at": None, "last_step": step}
        await _update(tx, user.id, now)
        await end_sessions(tx, user.id, but=None if session is None else digest(session))
        codes = await _renew_codes(tx, user.id)
        before = None if row.since is None else {"since": row.since}
        await self._note(tx, user.name, "on", request, before=before)
        return codes

    async def renew_codes(
        self, name: str, *, present: str, code: str, request: str | None = None
    ) -> tuple[str, ...]:
        """Other recovery codes; the ones before are worth nothing.

        Raises:
            UserRefused: `present` is not the user's password.
            FactorRefused: it is not on, or the code is wrong.
        """
        user = await self._require_password(name, present)

        async def act(tx: AsyncConnection) -> tuple[str, ...]:
            await self._require_code(tx, user.id, code)
            codes = await _renew_codes(tx, user.id)
            await self._note(tx, user.name, "codes", request)
            return codes

        return await self.database.transact(act)

    async def switch_off(
        self, name: str, *, present: str, code: str, request: str | None = None
    ) -> None:
        """Sign in with the password alone from now on.

        Raises:
            UserRefused: `present` is not the user's password.
            FactorRefused: it is not on, has to be, or the code is wrong.
        """
        user = await self._require_password(name, present)
        if Role(user.role) in self.required:
            raise FactorRefused(
                f"the operator wants a second factor of everybody who is {_a(user)}"
            )

        async def act(tx: AsyncConnection) -> None:
            await self._require_code(tx, user.id, code)
            await drop_factor(tx, user.id)
            await self._note(tx, user.name, "off", request)

        await self.database.transact(act)

    # ------------------------------------------------------------ at sign-in

    async def spend(self, tx: AsyncConnection, user_id: int, typed: str) -> Spent | None:
        """Take a code of the app, or a recovery code; each is good once. None: it is none."""
        row, code = await _row(tx, user_id, lock=True), plain_code(typed)
        if row is None or row.since is None:
            return None
        if await self._spend_step(tx, row, code):
            return Spent(kind="app", codes_left=await _codes_left(tx, user_id))
        mine = sa.update(recovery_codes).where(
            recovery_codes.c.user_id == user_id,
            recovery_codes.c.digest == digest(code),
            recovery_codes.c.used_at.is_(None),
        )
        taken = await tx.execute(mine.values(used_at=self.now()))
        if not taken.rowcount:
            return None
        return Spent(kind="recovery code", codes_left=await _codes_left(tx, user_id))

    async def _spend_step(self, tx: AsyncConnection, row: Any, code: str) -> bool:
        secret = await self.vault.get(tx, secret_name(row.user_id))
        step = None if secret is None else step_of(secret.decode(), code, now=self.now())
        if step is None or (row.last_step is not None and step <= row.last_step):
            return False
        await _update(tx, row.user_id, {"last_step": step})
        return True

    # ------------------------------------------------------------ what all of them need

    async def _prepared(self, tx: AsyncConnection, row: Any, user_id: int) -> str | None:
        if row is None or row.prepared_at is None:
            return None
        if row.prepared_at <= self.now() - PREPARED_SECONDS:
            return None
        found = await self.vault.get(tx, prepared_name(user_id))
        return None if found is None else found.decode()

    async def _require_password(self, name: str, present: str) -> Any:
        async with self.database.read() as tx:
            user = await require_user(tx, name)
        if not await self.passwords.matches(user.password_hash, present[:CHARACTERS_MAX]):
            raise UserRefused("that is not your present password")
        return user

    async def _require_code(self, tx: AsyncConnection, user_id: int, code: str) -> None:
        if await self.spend(tx, user_id, code) is None:
            raise FactorRefused(_WRONG)

    async def _note(
        self, tx: AsyncConnection, name: str, verb: str, request: str | None, before: Any = None
    ) -> None:
        change = Change(
            at=self.now(),
            actor=f"user:{name}",
            action=f"second_factor.{verb}",
            subject=f"user:{name}",
            before=before,
            request=request,
        )
        await note_change(tx, change)


def _a(user: Any) -> str:
    return f"an {user.role}" if user.role[0] in "ao" else f"a {user.role}"


async def _row(tx: AsyncConnection, user_id: int, *, lock: bool = False) -> Any:
    mine = sa.select(second_factors).where(second_factors.c.user_id == user_id)
    return (await tx.execute(mine.with_for_update() if lock else mine)).one_or_none()


async def _update(tx: AsyncConnection, user_id: int, values: dict[str, Any]) -> None:
    mine = sa.update(second_factors).where(second_factors.c.user_id == user_id)
    await tx.execute(mine.values(values))


async def _codes_left(tx: AsyncConnection, user_id: int) -> int:
    mine = sa.select(sa.func.count()).where(
        recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None)
    )
    return int((await tx.execute(mine)).scalar_one())


async def _renew_codes(tx: AsyncConnection, user_id: int) -> tuple[str, ...]:
    codes = new_recovery_codes()
    await tx.execute(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    rows = [{"user_id": user_id, "digest": digest(plain_code(one))} for one in codes]
    await tx.execute(sa.insert(recovery_codes), rows)
    return codes
