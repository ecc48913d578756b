"""What all tables share: the metadata with its names, and the usual columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa

__all__ = ["ID", "INSTANT", "ROOM_TO_CHANGE", "is_set", "key", "metadata", "one_of", "only"]

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
INSTANT: sa.Double[float] = sa.Double()
ROOM_TO_CHANGE: Final = {"fillfactor": 50}
"""Of tables whose rows change with every sale, on PostgreSQL. A batch of sales may change all rows
of a page: where the page has room for the new ones, no index is written."""


def key() -> sa.Column[int]:
    """A number of our own, given out in order."""
    return sa.Column("id", ID, primary_key=True, autoincrement=True)


def only(condition: str) -> dict[str, Any]:
    """Of an index: rows of this condition alone are in it."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def is_set(column: str, *, to: bool = True) -> dict[str, Any]:
    """Of an index: rows in which a column of truth is so.

    SQLite uses such an index only where a query has the very same comparison, and of a column of
    truth it is asked `= 1` or `= 0`.
    """
    return {
        "sqlite_where": sa.text(f"{column} = {int(to)}"),
        "postgresql_where": sa.text(column if to else f"NOT {column}"),
    }


def one_of(column: str, values: Iterable[str]) -> sa.CheckConstraint:
    """The column holds one of these words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)
