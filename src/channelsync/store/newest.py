"""The newest rows of several parts of a table, however long each of them is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["newest"]


async def newest(
    tx: AsyncConnection,
    query: sa.Select[Any],
    parts: Iterable[sa.ColumnElement[bool]],
    *,
    by: Sequence[sa.Column[Any]],
    limit: int,
) -> list[sa.Row[Any]]:
    """The newest rows of each part, at most `limit` of each, all together with the newest first.

    Newest is by the columns `by`. The query is run for each part, whose index leads to its newest
    at once; asked for all parts in one statement, databases sort every row of them.
    """
    some = query.order_by(*(column.desc() for column in by)).limit(limit)
    found = [row for part in parts for row in await tx.execute(some.where(part))]
    return sorted(found, key=attrgetter(*(column.name for column in by)), reverse=True)
