"""Pushes and their attempts as people read them: what was to change, why, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import Reach
from channelsync.domain.vocabulary import Instant
from channelsync.engine.browse import Rows, Wanted
from channelsync.engine.listing_rows import spelled
from channelsync.store.newest import newest
from channelsync.store.tables import attempts, listings, pushes

__all__ = ["AttemptRow", "PushShown", "UnknownPush", "cursor_of", "pushes_page", "view_push"]


class UnknownPush(Exception):
    """There is no such push, or it is out of reach."""

    def __init__(self, push_id: str) -> None:
        super().__init__(f"there is no push {push_id!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One HTTP try of a push."""

    number: int
    started_at: Instant
    ended_at: Instant | None
    outcome: str | None
    detail: str
    ticket: str | None
    """What the channel calls the batch that carries it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushShown:
    """One push with its attempts, oldest first."""

    push: Mapping[str, Any]
    attempts: Sequence[AttemptRow]


def cursor_of(text: str) -> str:
    """The end of a page: the instant at which its last push was opened, and its id.

    Raises:
        ValueError: it is none.
    """
    at, separator, push_id = text.partition("~")
    if not separator or not push_id:
        raise ValueError(text)
    return f"{float(at)!r}~{push_id}"


async def pushes_page(tx: AsyncConnection, wanted: Wanted) -> Rows:
    """Pushes, the newest first; `kind` is `open`, or what closed ones came to.

    With `sku` those of the listings that their channels know by this name.
    """
    query = _pushes(wanted.reach)
    if wanted.channel is not None:
        query = query.where(pushes.c.channel == wanted.channel)
    if wanted.kind == "open":
        query = query.where(pushes.c.closed_at.is_(None))
    elif wanted.kind is not None:
        query = query.where(pushes.c.result == wanted.kind)
    if wanted.after is not None:
        at, _, push_id = str(wanted.after).partition("~")
        place = sa.tuple_(pushes.c.opened_at, pushes.c.id)
        query = query.where(place < sa.tuple_(sa.literal(float(at)), sa.literal(push_id)))
    parts: list[sa.ColumnElement[bool]] = [sa.true()]
    if wanted.sku is not None:
        known = (await tx.execute(sa.select(listings.c.id).where(spelled(wanted.sku)))).scalars()
        parts = [pushes.c.listing_id == key for key in known]
    by = [pushes.c.opened_at, pushes.c.id]
    found = await newest(tx, query, parts, by=by, limit=wanted.limit)
    return [_row(row._mapping) for row in found[: wanted.limit]]  # noqa: SLF001 - its API


async def view_push(tx: AsyncConnection, push_id: str, reach: Reach) -> PushShown:
    """One push.

    Raises:
        UnknownPush: there is none, or it is out of reach.
    """
    found = (await tx.execute(_pushes(reach).where(pushes.c.id == push_id))).mappings().first()
    if found is None:
        raise UnknownPush(push_id)
    query = (
        sa.select(attempts)
        .where(attempts.c.request_id == found["request_id"])
        .order_by(attempts.c.id)
    )
    tried = [
        AttemptRow(
            number=number,
            started_at=row.started_at,
            ended_at=row.ended_at,
            outcome=row.outcome,
            detail=row.detail,
            ticket=row.ticket,
        )
        for number, row in enumerate(await tx.execute(query), start=1)
    ]
    return PushShown(push=_row(found), attempts=tried)


def _pushes(reach: Reach) -> sa.Select[Any]:
    query = sa.select(pushes, listings.c.sku).join(listings, listings.c.id == pushes.c.listing_id)
    if reach.channels is None:
        return query
    return query.where(pushes.c.channel.in_(sorted(reach.channels)))


def _row(row: Mapping[Any, Any]) -> Mapping[str, Any]:
    values = {str(name): value for name, value in row.items()}
    return {**values, "after": f"{values['opened_at']!r}~{values['id']}"}
