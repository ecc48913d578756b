"""Statements over many rows that cost little more than over one.

On PostgreSQL the rows travel as one array a column and become rows again there (`unnest`): one
round trip, planned once, whatever their number. SQLite has no round trips: there the driver runs
the prepared statement for row after row, inserts for some rows at a time, which halves what a row
costs. Each is made and compiled once, when it is first used, for that costs more than running it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.sql.visitors import InternalTraversal
from typing_extensions import override

from channelsync.store.json_text import to_text

__all__ = [
    "TOGETHER",
    "AmongNumbers",
    "AtOnce",
    "Conflict",
    "Given",
    "Many",
    "Row",
    "among",
    "inserting",
    "updating",
]

Row: TypeAlias = Mapping[str, Any]
Given: TypeAlias = Mapping[str, sa.ColumnElement[Any]]
"""What one of the rows says, by name."""
Types: TypeAlias = Mapping[str, sa.types.TypeEngine[Any]]
Every: TypeAlias = Callable[[Given, sa.ColumnElement[int]], Any]
"""Makes a statement over a table of rows."""
Conflict: TypeAlias = Callable[[Any], Any]
"""Adds `ON CONFLICT …` to an insert of either dialect."""

TOGETHER: Final = 25
"""Rows of one insert on SQLite; more of them gain nothing."""
_SQLITE: Final = sqlite.dialect(paramstyle="qmark")
_POSTGRESQL: Final = asyncpg.dialect()  # type: ignore[no-untyped-call]


class _Text:
    """A statement as a driver takes it: its text, and how rows become its parameters."""

    def __init__(
        self, statement: Any, types: Types, dialect: sa.Dialect, whole: Collection[str] = ()
    ) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        names = [name.removeprefix("_") for name in compiled.positiontup]
        if not types.keys() >= set(names):
            raise ValueError(f"a constant is to be written literally in {self.text}")
        self._pick = itemgetter(*names)
        self._whole = [name in whole for name in names]
        self._json = [place for place, name in enumerate(names) if isinstance(types[name], sa.JSON)]

    def parameters(self, row: Row) -> tuple[Any, ...]:
        """Of a row, in the order of the statement; there are two at least."""
        picked: tuple[Any, ...] = self._pick(row)
        if not self._json:
            return picked
        values = list(picked)
        for place in self._json:
            values[place] = to_text(values[place])
        return tuple(values)

    def arrays(self, rows: Sequence[Row]) -> tuple[Sequence[Any], ...]:
        """Of all rows, one for each parameter; what says the same of every row says it once."""
        columns = zip(*map(self.parameters, rows), strict=True)
        return tuple(
            column if whole else _shortened(column)
            for column, whole in zip(columns, self._whole, strict=True)
        )


def _shortened(column: Sequence[Any]) -> Sequence[Any]:
    first = column[0]
    if column[-1] != first or column.count(first) != len(column):
        return column
    return () if first is None else (first,)


class AtOnce:
    """One statement of PostgreSQL over any number of rows with the same names."""

    def __init__(self, types: Types, every: Every, *, whole: Collection[str]) -> None:
        """`every` makes the statement of what a row says, and its place.

        `whole` are columns, one at least, that are sent for every row, whether or not all say the
        same.
        """
        self._types, self._every, self._whole = types, every, whole

    @cached_property
    def _form(self) -> _Text:
        arrays = {
            name: sa.bindparam(f"_{name}", type_=sa.ARRAY(kind, dimensions=1))
            for name, kind in self._types.items()
        }
        columns = [sa.column(name, kind) for name, kind in self._types.items()]
        # Arrays that are shorter than the longest are filled up with NULLs.
        rows = sa.func.unnest(*arrays.values()).table_valued(*columns, with_ordinality="place_")
        rows = rows.render_derived()
        given: dict[str, sa.ColumnElement[Any]] = dict(rows.c)
        place = given.pop("place_")
        for name in self._types.keys() - set(self._whole):
            given[name] = _lengthened(arrays[name], rows.c[name])
        return _Text(self._every(given, place), self._types, _POSTGRESQL, self._whole)

    async def run(self, tx: AsyncConnection, rows: Sequence[Row]) -> sa.CursorResult[Any]:
        """Run it for all rows, one at least. Returns what it answers."""
        return await tx.exec_driver_sql(self._form.text, self._form.arrays(rows))


class Many:
    """One statement, ready for any number of rows with the same names."""

    def __init__(
        self,
        types: Types,
        one: Callable[[Given], Any],
        every: Every,
        *,
        whole: Collection[str],
        some: Callable[[Sequence[Given]], Any] | None = None,
    ) -> None:
        """`one` makes the statement for a row, `every` that for a table of rows.

        `every` and `whole` as of `AtOnce`. `some` makes the statement for some rows, where one can
        speak of several.
        """
        self._types, self._one, self._some = types, one, some
        self._at_once = AtOnce(types, every, whole=whole)

    @cached_property
    def _row_by_row(self) -> _Text:
        binds = {name: sa.bindparam(f"_{name}", type_=kind) for name, kind in self._types.items()}
        return _Text(self._one(binds), self._types, _SQLITE)

    @cached_property
    def _together(self) -> str | None:
        """The statement for `TOGETHER` rows, which takes the parameters of one after another."""
        if self._some is None:
            return None
        binds = [
            {
                name: sa.bindparam(f"_{name}{place}", type_=kind)
                for name, kind in self._types.items()
            }
            for place in range(TOGETHER)
        ]
        return str(self._some(binds).compile(dialect=_SQLITE))

    async def run(self, tx: AsyncConnection, rows: Sequence[Row]) -> None:
        """Run it for all rows, in their order; not at all where there are none."""
        if not rows:
            return
        if tx.dialect.name == "sqlite":
            await self._run_on_sqlite(tx, [self._row_by_row.parameters(row) for row in rows])
        else:
            await self._at_once.run(tx, rows)

    async def _run_on_sqlite(self, tx: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        done = 0
        if len(rows) >= TOGETHER and self._together is not None:
            done = len(rows) - len(rows) % TOGETHER
            parts = [
                tuple(chain.from_iterable(rows[first : first + TOGETHER]))
                for first in range(0, done, TOGETHER)
            ]
            await tx.exec_driver_sql(self._together, parts)
        if done < len(rows):
            await tx.exec_driver_sql(self._row_by_row.text, list(rows[done:]))


def _lengthened(
    array: sa.ColumnElement[Any], element: sa.ColumnElement[Any]
) -> sa.ColumnElement[Any]:
    """What a row says where an array of one element speaks for all of them."""
    one: sa.ColumnElement[int] = sa.literal_column("1")
    return sa.case((sa.func.cardinality(array) == one, Grouping(array)[one]), else_=element)


def inserting(table: sa.Table, *names: str, conflict: Conflict | None = None) -> Many:
    """Insert rows that give these columns."""
    on_conflict = conflict or (lambda insert: insert)

    def one(given: Given) -> Any:
        return on_conflict(sqlite.insert(table).values(dict(given)))

    def some(given: Sequence[Given]) -> Any:
        return on_conflict(sqlite.insert(table).values([dict(row) for row in given]))

    def every(given: Given, place: sa.ColumnElement[int]) -> Any:
        selected = sa.select(*(given[name] for name in names)).order_by(place)
        return on_conflict(postgresql.insert(table).from_select(names, selected))

    return Many(
        {name: table.c[name].type for name in names}, one, every, whole=names[:1], some=some
    )


def updating(
    table: sa.Table,
    *names: str,
    by: Sequence[str] = ("id",),
    values: Callable[[Given], Mapping[str, Any]] | None = None,
    types: Types | None = None,
    where: sa.ColumnElement[bool] | None = None,
) -> Many:
    """Update the rows of the table that have the same `by`, each named once, `where` that is true.

    `names` are columns of the table, unless `types` says of what type they are. Each is the new
    value of its column, unless `values` makes other ones of them.
    """
    of_type = {**{column.name: column.type for column in table.c}, **(types or {})}
    work_out = values or (lambda given: {name: given[name] for name in names})

    def one(given: Given) -> Any:
        found = [table.c[name] == given[name] for name in by]
        found += [] if where is None else [where]
        return sa.update(table).where(*found).values(work_out(given))

    return Many(
        {name: of_type[name] for name in (*by, *names)},
        one,
        lambda given, _place: one(given),
        whole=by,
    )


def among(
    tx: AsyncConnection, column: sa.ColumnElement[Any], values: Sequence[Any]
) -> sa.ColumnElement[bool]:
    """Whether a column has one of the values: one parameter, however many they are.

    An `IN` list is a new statement for every length, to be written out, parsed and planned. On
    SQLite texts are listed all the same: JSON cannot say all of them.
    """
    if tx.dialect.name == "sqlite":
        return _among_numbers(column, values) if _are_numbers(values) else column.in_(values)
    every = sa.bindparam(None, list(values), type_=sa.ARRAY(column.type, dimensions=1))
    return column == sa.any_(every)


def _among_numbers(column: sa.ColumnElement[Any], values: Sequence[int]) -> AmongNumbers:
    written = json.dumps(list(values))
    return AmongNumbers(column, sa.bindparam(None, written, type_=sa.Text(), unique=True))


def _are_numbers(values: Sequence[Any]) -> bool:
    return len(values) > 1 and set(map(type, values)) == {int}


class AmongNumbers(sa.ColumnElement[bool]):
    """Whether a column has one of the numbers, on SQLite.

    A select from `json_each` says the same, and takes four times as long to put together.
    """

    inherit_cache = True
    type = sa.Boolean()
    _is_implicitly_boolean = True
    _traverse_internals = [  # noqa: RUF012 - as SQLAlchemy declares it
        ("column", InternalTraversal.dp_clauseelement),
        ("numbers", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, column: sa.ColumnElement[Any], numbers: sa.BindParameter[str]) -> None:
        """`numbers`: a list of them, as JSON."""
        self.column, self.numbers = column, numbers

    @property
    @override
    def _from_objects(self) -> list[Any]:
        """The tables that a select from this has to name."""
        return self.column._from_objects  # noqa: SLF001 - SQLAlchemy's own way to ask


@compiles(AmongNumbers)
def _written(element: AmongNumbers, compiler: Any, **named: Any) -> str:
    column = compiler.process(element.column, **named)
    numbers = compiler.process(element.numbers, **named)
    return f"{column} IN (SELECT value FROM json_each({numbers}))"  # noqa: S608 - a parameter's mark
