"""How the store finds what each module asks for: its statements are recorded, then explained.

They are explained on a store without rows, where a plan depends on the indexes alone. PostgreSQL is
told to avoid going through a whole table, so that it does so only where no index serves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final, TypeAlias

import greenlet  # type: ignore[import-untyped]  # it comes with SQLAlchemy, and without types
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.store import tables
from channelsync.store.database import Database

__all__ = [
    "Recorder",
    "Way",
    "Ways",
    "explained",
    "indexes",
    "read_ways",
    "recording",
    "whole_passes",
    "written_ways",
]

Way: TypeAlias = tuple[str, str, str]
"""Into a table: its name, the index (`-`: through all of it), the columns of it that narrow the
search down (`*`: none of them)."""
Ways: TypeAlias = Mapping[Way, frozenset[str]]
"""Which modules take each way."""

_OURS: Final = "channelsync."
_PASSED_ON: Final = (
    "channelsync.store.many",
    "channelsync.store.newest",
    "channelsync.store.prepared",
    "channelsync.store.database",
)
"""They run what others ask for."""
_EXPLAINED: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
_SQLITE_WAY: Final = re.compile(
    r"(?:SEARCH|SCAN) (?P<name>\w+)"
    r"(?: USING (?:(?:PARTIAL )?(?:COVERING )?INDEX (?P<index>\w+)"
    r"|(?P<key>(?:INTEGER )?PRIMARY KEY)))?"
    r"(?: \((?P<condition>.*)\))?"
)
_WHOLE: Final = "-"
_UNNARROWED: Final = "*"


@dataclass(slots=True)
class Recorder:
    """Statements with an example of their parameters, and who asks them."""

    asked: dict[str, Any] = field(default_factory=dict)
    modules: dict[str, set[str]] = field(default_factory=dict)

    def hear(
        self, _connection: Any, _cursor: Any, text: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        """What is about to be run."""
        module = _asking()
        if module is not None and text.lstrip().upper().startswith(_EXPLAINED):
            self.asked.setdefault(text, parameters[0] if many else parameters)
            self.modules.setdefault(text, set()).add(module)


@contextmanager
def recording(database: Database) -> Iterator[Recorder]:
    """Everything that is asked of a database."""
    recorder = Recorder()
    # On PostgreSQL the readers' engine is a view of the writers', and is heard with it.
    heard = database.engines if database.is_sqlite else database.engines[:1]
    for engine in heard:
        sa.event.listen(engine.sync_engine, "before_cursor_execute", recorder.hear)
    try:
        yield recorder
    finally:
        for engine in heard:
            sa.event.remove(engine.sync_engine, "before_cursor_execute", recorder.hear)


def _asking() -> str | None:
    """The module of ours that awaits the statement: its frames are those of the other greenlet."""
    waiting = greenlet.getcurrent().parent
    frame: FrameType | None = None if waiting is None else waiting.gr_frame
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith(_OURS) and name not in _PASSED_ON:
            return name.removeprefix(_OURS)
        frame = frame.f_back
    return None


def indexes() -> dict[str, sa.Table]:
    """Every index that we ask for by name, and those behind constraints of uniqueness."""
    found: dict[str, sa.Table] = {}
    for table in tables.metadata.sorted_tables:
        found |= {str(index.name): table for index in table.indexes}
        found |= dict.fromkeys(_uniques(table), table)
    return found


def _uniques(table: sa.Table) -> list[str]:
    return sorted(
        str(one.name) for one in table.constraints if isinstance(one, sa.UniqueConstraint)
    )


async def explained(database: Database, recorder: Recorder) -> dict[Way, frozenset[str]]:
    """The ways of every recorded statement, on a store without rows."""
    found: dict[Way, set[str]] = {}
    async with database.write() as tx:
        if not database.is_sqlite:
            await tx.execute(sa.text("SET LOCAL enable_seqscan = off"))
        for text, parameters in recorder.asked.items():
            explain = _by_sqlite if database.is_sqlite else _by_postgresql
            for table, index, columns in await explain(tx, text, parameters):
                way = (table, index or _WHOLE, ",".join(columns) or _UNNARROWED)
                found.setdefault(way, set()).update(recorder.modules[text])
    return {way: frozenset(modules) for way, modules in found.items()}


_Found: TypeAlias = list[tuple[str, str, tuple[str, ...]]]


async def _by_sqlite(tx: AsyncConnection, text: str, parameters: Any) -> _Found:
    rows = (await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)).all()
    aliases = _aliases(text)
    found: _Found = []
    for row in rows:
        way = _SQLITE_WAY.match(row.detail)
        table = aliases.get(way["name"]) if way is not None else None
        if way is not None and table is not None:
            index = f"pk_{table}" if way["key"] else _our_name(table, way["index"] or "")
            found.append((table, index, _columns(table, way["condition"])))
    return found


def _aliases(text: str) -> Mapping[str, str]:
    """Which table a name in a statement stands for."""
    known = tables.metadata.tables.keys()
    said = re.findall(r"(?:FROM|JOIN|INTO|UPDATE|,)\s+(\w+)(?: AS (\w+))?", text)
    return {name: name for name in known} | {
        alias: table for table, alias in said if alias and table in known
    }


def _our_name(table: str, index: str) -> str:
    """SQLite names an index that it makes for a constraint `sqlite_autoindex_TABLE_N`."""
    if not index.startswith("sqlite_autoindex"):
        return index
    found = tables.metadata.tables[table]
    numbers = [column for column in found.primary_key if column.type.python_type is int]
    named = [] if len(numbers) == len(found.primary_key) == 1 else [f"pk_{table}"]
    # In the order of the statement that makes the table: the primary key comes first.
    return [*named, *_uniques(found)][int(index.rpartition("_")[2]) - 1]


async def _by_postgresql(tx: AsyncConnection, text: str, parameters: Any) -> _Found:
    told = (await tx.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {text}", parameters)).scalar_one()
    found: _Found = []
    _walk((json.loads(told) if isinstance(told, str) else told)[0]["Plan"], "", found)
    return found


def _walk(node: Mapping[str, Any], above: str, found: _Found) -> None:
    table = str(node.get("Relation Name", above))
    index = str(node.get("Index Name", ""))
    if table in tables.metadata.tables and (index or node["Node Type"] == "Seq Scan"):
        found.append((table, index, _columns(table, node.get("Index Cond"))))
    for child in node.get("Plans", ()):
        _walk(child, table if node["Node Type"] == "Bitmap Heap Scan" else "", found)


def _columns(table: str, condition: str | None) -> tuple[str, ...]:
    """Columns of the table that a condition names, each once, in its order."""
    named = tables.metadata.tables[table]
    said = re.findall(r"\w+", condition or "")
    if said[:1] == ["rowid"]:
        said = [column.name for column in named.primary_key]
    return tuple(dict.fromkeys(name for name in said if name in named.columns))


def written_ways(ways: Ways) -> str:
    """A line for each way, sorted."""
    return "".join(
        f"{' '.join(way)}: {' '.join(sorted(modules))}\n" for way, modules in sorted(ways.items())
    )


def read_ways(text: str) -> dict[Way, frozenset[str]]:
    """What `written_ways` wrote."""
    return {_way(line): frozenset(line.partition(": ")[2].split()) for line in text.splitlines()}


def _way(line: str) -> Way:
    table, index, columns = line.partition(": ")[0].split()
    return table, index, columns


def whole_passes(ways: Ways) -> frozenset[tuple[str, str]]:
    """Tables that somebody goes through from end to end, by the module that does.

    Going through an index that knows only some of the rows is none.
    """
    return frozenset(
        (module, table)
        for (table, index, columns), modules in ways.items()
        if columns == _UNNARROWED and not _is_partial(index)
        for module in modules
    )


def _is_partial(index: str) -> bool:
    table = indexes().get(index)
    if table is None:
        return False
    found = next((one for one in table.indexes if one.name == index), None)
    return found is not None and found.dialect_options["sqlite"]["where"] is not None
