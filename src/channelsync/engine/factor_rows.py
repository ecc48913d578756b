"""What the store keeps of a user's second factor and of his sessions, and how it goes.

Nothing here opens a secret: whoever has locked himself out is helped without any key.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.engine.vault import FACTORS
from channelsync.store.tables import (
    kept_secrets,
    recovery_codes,
    second_factors,
    sessions,
    sign_ins,
)

__all__ = ["drop_factor", "end_sessions", "prepared_name", "secret_name"]


def secret_name(user_id: int) -> str:
    """What the secret of a user's second factor is kept under."""
    return f"{FACTORS}{user_id}"


def prepared_name(user_id: int) -> str:
    """What the one that waits for its first code is kept under."""
    return f"{FACTORS}{user_id}:prepared"


async def drop_factor(tx: AsyncConnection, user_id: int) -> bool:
    """Take everything of a user's second factor away. Whether it was on."""
    mine = second_factors.c.user_id == user_id
    row = (await tx.execute(sa.select(second_factors.c.since).where(mine))).one_or_none()
    names = (secret_name(user_id), prepared_name(user_id))
    await tx.execute(sa.delete(kept_secrets).where(kept_secrets.c.name.in_(names)))
    await tx.execute(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    await tx.execute(sa.delete(second_factors).where(mine))
    return row is not None and row.since is not None


async def end_sessions(tx: AsyncConnection, user_id: int, *, but: str | None = None) -> None:
    """End a user's sessions, but the one of this digest, and whatever sign-in is half-way."""
    mine = sa.delete(sessions).where(sessions.c.user_id == user_id)
    await tx.execute(mine if but is None else mine.where(sessions.c.digest != but))
    await tx.execute(sa.delete(sign_ins).where(sign_ins.c.user_id == user_id))
