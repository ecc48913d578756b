"""Leases by their owners: whose they are, and letting go of those of the dead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.store.tables import work

__all__ = ["free_leases", "lease_owners", "release"]

# A token never stands without an end; said each time, for so the index knows the few leased keys.
_LEASED: Final = work.c.lease_until.is_not(None)
_TOKENS: Final = sa.select(work.c.lease_token).where(_LEASED).distinct()


async def lease_owners(connection: AsyncConnection) -> set[str]:
    """Who holds leases. A token is its owner's name, a slash and a number."""
    return {token.partition("/")[0] for token in (await connection.execute(_TOKENS)).scalars()}


async def free_leases(tx: AsyncConnection, owners: Iterable[str]) -> None:
    """Let go of what dead owners hold."""
    for owner in sorted(owners):
        theirs = work.c.lease_token.startswith(f"{owner}/", autoescape=True)
        statement = sa.update(work).where(_LEASED, theirs)
        await tx.execute(statement.values(lease_until=None, lease_token=None))


async def release(tx: AsyncConnection, token: str) -> None:
    """Let go of whatever was claimed under a token, if anything was."""
    statement = sa.update(work).where(_LEASED, work.c.lease_token == token)
    await tx.execute(statement.values(lease_until=None, lease_token=None))
