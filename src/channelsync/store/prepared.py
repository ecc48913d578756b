"""Selects that are put together once and run with their values: that costs more than running one.

A select that is written where it is used is made of some dozens of objects, anew each time, and
looked up by all of them; a sale on its way to the other channels asks for some thirty.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.store.many import AmongNumbers

__all__ = ["Listed", "Prepared"]

Listed: TypeAlias = Callable[[sa.ColumnElement[Any], str], sa.ColumnElement[bool]]
"""Whether a column has one of the values that are given under a name, however many they are."""
_JSON: Final = sa.Text()


class Prepared:
    """A select, made on either engine when it is first used there."""

    def __init__(self, make: Callable[[Listed], sa.Select[Any]]) -> None:
        """`make` is told how to ask for one of many values; single ones are bound parameters."""
        self._make = make

    async def rows(self, tx: AsyncConnection, **values: Any) -> Sequence[Any]:
        """All rows for these values; the many of a list come as a list."""
        if tx.dialect.name != "sqlite":
            query = self._on_postgresql
        else:
            query, numbers = self._on_sqlite
            for name in numbers:
                values[name] = json.dumps(values[name])
        rows: Sequence[Any] = (await tx.execute(query, values)).all()
        return rows

    @cached_property
    def _on_postgresql(self) -> sa.Select[Any]:
        def listed(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
            every = sa.bindparam(name, type_=sa.ARRAY(column.type, dimensions=1))
            return column == sa.any_(every)

        return self._make(listed)

    @cached_property
    def _on_sqlite(self) -> tuple[sa.Select[Any], tuple[str, ...]]:
        numbers: list[str] = []

        def listed(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
            if not isinstance(column.type, sa.Integer):
                # Listed one by one: JSON cannot say every text.
                return column.in_(sa.bindparam(name, expanding=True))
            numbers.append(name)
            return AmongNumbers(column, sa.bindparam(name, type_=_JSON))

        return self._make(listed), tuple(numbers)
