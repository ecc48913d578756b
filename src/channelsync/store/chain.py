"""The chain over the ledger: every committed movement is sealed, in order, by one sealer.

A seal's digest is SHA-256 over the digest before it and the canonical text of its movement, so that
no sealed movement can be changed, removed or put in between without every later digest being wrong.
Writers never touch the chain: they append movements, and the sealer follows them.

Order is the order of movement ids. Before a range of ids is sealed, every transaction that could
still commit an id inside it has ended (`read_horizon`, `ended`), so a movement that appears later
below the chain's head was put there by other means, and `channelsync.store.chain_check` names it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.chain_tables import seals
from channelsync.store.stock_tables import movements

__all__ = [
    "GENESIS",
    "ForkedChain",
    "Head",
    "Horizon",
    "Link",
    "append_seals",
    "canonical",
    "ended",
    "follow",
    "links_after",
    "load_head",
    "read_horizon",
]

GENESIS: Final = "0" * 64
"""What the first seal follows."""

_WRITERS: Final = sa.text(
    "SELECT DISTINCT virtualtransaction FROM pg_locks"
    " WHERE relation = 'movements'::regclass AND mode = 'RowExclusiveLock' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Transactions that have begun to append. An INSERT takes this lock before it draws its ids and
keeps it to the end of its transaction (PostgreSQL manual, "Table-Level Locks")."""


class ForkedChain(Exception):
    """Somebody else has appended to the chain since its head was read; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last seal of a chain; position 0 while there is none."""

    position: int = 0
    movement_id: int = 0
    digest: str = GENESIS


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One seal as it is to be written."""

    position: int
    movement_id: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """Ids up to `movement_id` are complete once none of the `writers` runs any more."""

    movement_id: int
    writers: frozenset[str]


def canonical(movement: Mapping[str, Any]) -> bytes:
    """The text of a movement that is hashed: one JSON object, the same for ever.

    UTF-8, keys sorted, no spaces, characters escaped only where JSON must (the form of RFC 8785).
    Instants are written as `float.hex` does, exact to the last bit on every database. A column that
    is NULL is left out, so that a column added later does not change older texts.
    """
    shown = {
        name: value.hex() if isinstance(value, float) else value
        for name, value in movement.items()
        if value is not None
    }
    # Compiled code writes the same text, six times as fast; a test holds it to that.
    return to_json(dict(sorted(shown.items())))


def follow(previous: str, movement: Mapping[str, Any]) -> str:
    """The digest of a movement behind the digest before it."""
    return hashlib.sha256(bytes.fromhex(previous) + canonical(movement)).hexdigest()


async def load_head(tx: AsyncConnection) -> Head:
    """Where the chain ends."""
    query = sa.select(seals).order_by(seals.c.position.desc()).limit(1)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return Head()
    return Head(position=row.position, movement_id=row.movement_id, digest=row.digest)


async def read_horizon(tx: AsyncConnection) -> Horizon:
    """The newest committed movement, and who could still commit one with a lower id.

    SQLite has one writer, whose ids are committed in order: there nobody can. `tx` must not have
    looked at `movements` before.
    """
    newest = (await tx.execute(sa.select(sa.func.max(movements.c.id)))).scalar() or 0
    return Horizon(movement_id=newest, writers=await _writers(tx))


async def ended(tx: AsyncConnection, writers: frozenset[str]) -> bool:
    """Whether none of these transactions runs any more."""
    return not writers or writers.isdisjoint(await _writers(tx))


async def _writers(tx: AsyncConnection) -> frozenset[str]:
    if tx.dialect.name != "postgresql":
        return frozenset()
    return frozenset((await tx.execute(_WRITERS)).scalars())


async def links_after(tx: AsyncConnection, head: Head, *, up_to: int, limit: int) -> Sequence[Link]:
    """The next seals behind `head`, of movements whose ids are at most `up_to`."""
    query = (
        sa.select(movements)
        .where(movements.c.id > head.movement_id, movements.c.id <= up_to)
        .order_by(movements.c.id)
        .limit(limit)
    )
    links: list[Link] = []
    position, digest = head.position, head.digest
    for found in (await tx.execute(query)).mappings():
        row = dict(found)
        position, digest = position + 1, follow(digest, row)
        links.append(Link(position=position, movement_id=row["id"], digest=digest))
    return links


async def append_seals(
    tx: AsyncConnection, head: Head, links: Iterable[Link], *, now: Instant
) -> None:
    """Write seals behind `head`, inside the caller's write transaction.

    Raises:
        ForkedChain: the chain does not end at `head` any more.
    """
    if await load_head(tx) != head:
        raise ForkedChain(f"the chain does not end at position {head.position} any more")
    rows = [
        {
            "position": link.position,
            "movement_id": link.movement_id,
            "digest": link.digest,
            "sealed_at": now,
        }
        for link in links
    ]
    if rows:
        await tx.execute(sa.insert(seals), rows)
