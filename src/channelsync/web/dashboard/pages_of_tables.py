"""The pages of tables: every one with filters in its address, pages behind a cursor, and a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from channelsync.domain.permissions import Reach
from channelsync.engine.browse import Rows, Wanted
from channelsync.engine.core import Engine
from channelsync.engine.status import channel_names
from channelsync.store.stock_queries import load_locations
from channelsync.web.api.books import require_everywhere
from channelsync.web.api.counter import require_reach
from channelsync.web.dashboard.frame import Frame
from channelsync.web.dashboard.sheets import MARK_OF_ORDER, csv_lines, values_of
from channelsync.web.dashboard.table import CHANNELS, LOCATIONS, Filter, Table
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = ["ROWS", "PagesOfTables"]

ROWS: Final = 50
"""Of one page."""
FILE_ROWS: Final = 500
"""Read at once for a file."""
ALL: Final = 10_000
"""Rows of a table that is not paged."""
LENGTH_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class _Given:
    """What a request asks of a table."""

    filters: Mapping[str, str]
    """As the address says them, empty ones left out."""
    wanted: Wanted


class PagesOfTables:
    """A page and a file for every table."""

    def __init__(self, engine: Engine, frame: Frame, tables: Sequence[Table]) -> None:
        self._engine = engine
        self._frame = frame
        self._tables = {table.path: table for table in tables}

    @property
    def routes(self) -> Sequence[Route]:
        """Where they are."""
        pages = [Route(path, self.show, methods=["GET"]) for path in self._tables]
        return [
            *pages,
            *(Route(f"{path}.csv", self.save, methods=["GET"]) for path in self._tables),
        ]

    async def show(self, request: Request) -> Response:
        """One page of rows."""
        table = self._tables[request.url.path]
        given = _given(table, request, ROWS if table.paged else ALL)
        async with self._engine.database.read() as tx:
            rows = await table.read(self._engine, tx, given.wanted)
            choices = await self._choices(tx, table, given.wanted.reach)
        return self._frame.page(
            request,
            table.template,
            active=table.key,
            title=table.title,
            table=table,
            columns=table.shown(everywhere=given.wanted.reach.is_everywhere),
            rows=rows,
            choices=choices,
            given=given.filters,
            is_first=given.wanted.after is None,
            first=_address(table.path, given.filters),
            following=_next(table, given, rows),
            file=_address(f"{table.path}.csv", given.filters),
        )

    async def save(self, request: Request) -> Response:
        """All rows that the filters leave, as a file."""
        table = self._tables[request.url.path.removesuffix(".csv")]
        given = _given(table, request, FILE_ROWS if table.paged else ALL)
        name = table.path.strip("/").replace("/", "-")
        return StreamingResponse(
            self._lines(table, given.wanted),
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{name}.csv"'},
        )

    async def _lines(self, table: Table, wanted: Wanted) -> AsyncIterator[str]:
        """In portions, each a read of its own: a slow reader keeps no transaction open."""
        columns = table.shown(everywhere=wanted.reach.is_everywhere)
        yield MARK_OF_ORDER + csv_lines([[column.label for column in columns]])
        while True:
            async with self._engine.database.read() as tx:
                rows = await table.read(self._engine, tx, wanted)
            yield csv_lines(values_of(columns, row) for row in rows)
            if not _is_full(table, wanted, rows):
                return
            wanted = replace(wanted, after=rows[-1][table.cursor])

    async def _choices(self, tx: Any, table: Table, reach: Reach) -> Mapping[str, Sequence[str]]:
        """What there is to choose from, by filter."""
        found: dict[str, Sequence[str]] = {}
        for one in table.filters:
            if one.choices == CHANNELS:
                found[one.name] = [c for c in await channel_names(tx) if reach.has_channel(c)]
            elif one.choices == LOCATIONS:
                places = (await load_locations(tx)).values()
                found[one.name] = [p.code for p in places if reach.has_location(p.code)]
            elif one.choices is not None:
                found[one.name] = one.choices
        return found


def _given(table: Table, request: Request, limit: int) -> _Given:
    """What the address asks for.

    Raises:
        Problem: the cursor is none (422), or it is about what is out of reach (403, 404).
    """
    if table.whole_house:
        require_everywhere(request)
    said = {one.name: _said(request, one) for one in table.filters}
    filters = {name: text for name, text in said.items() if text}
    fields = {one.field or one.name: filters.get(one.name) for one in table.filters}
    reach = require_reach(
        principal_of(request), channel=fields.get("channel"), location=fields.get("location")
    )
    wanted = Wanted(limit=limit, reach=reach, **(dict(table.fixed) | fields))
    after = request.query_params.get("after", "")
    if after and table.paged:
        try:
            wanted = replace(wanted, after=table.cursor_of(after))
        except ValueError:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY, "`after` is the end of no page: begin again"
            ) from None
    return _Given(filters, wanted)


def _said(request: Request, one: Filter) -> str:
    return request.query_params.get(one.name, "").strip()[:LENGTH_MAX]


def _is_full(table: Table, wanted: Wanted, rows: Rows) -> bool:
    """Whether more may follow. Some pages hold several rows of one key, so a row may be many."""
    return table.paged and len({row[table.cursor] for row in rows}) >= wanted.limit


def _next(table: Table, given: _Given, rows: Rows) -> str | None:
    if not _is_full(table, given.wanted, rows):
        return None
    return _address(table.path, {**given.filters, "after": str(rows[-1][table.cursor])})


def _address(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
