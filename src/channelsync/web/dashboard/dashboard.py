"""The pages that one reads, put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.engine.core import Engine
from channelsync.web.dashboard.books import TABLES
from channelsync.web.dashboard.channels import CHANNELS_TABLE, show_channel
from channelsync.web.dashboard.figures import DAYS_TABLE, show_figures
from channelsync.web.dashboard.frame import Frame
from channelsync.web.dashboard.items import show_item
from channelsync.web.dashboard.pages_of_tables import PagesOfTables
from channelsync.web.dashboard.pushes import show_push
from channelsync.web.dashboard.trails import AUDIT, TRANSFERS, show_audit_check

__all__ = ["ALL_TABLES", "Dashboard"]

Page: TypeAlias = Callable[[Engine, Frame, Request], Awaitable[Response]]

ALL_TABLES: Final = (*TABLES, CHANNELS_TABLE, DAYS_TABLE, AUDIT, TRANSFERS)
PAGES: Final[Sequence[tuple[str, Page]]] = (
    ("/audit/check", show_audit_check),
    ("/channels/{channel}", show_channel),
    ("/figures", show_figures),
    ("/pushes/{push}", show_push),
    ("/items/{sku:path}", show_item),
)
"""Behind the tables, whose files (`/items.csv`) are no items."""


class Dashboard:
    """Everything but the overview."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._frame = Frame(engine.now)
        self._tables = PagesOfTables(engine, self._frame, ALL_TABLES)

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        return [
            *self._tables.routes,
            *(Route(path, self._drawn(page), methods=["GET"]) for path, page in PAGES),
        ]

    def _drawn(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def draw(request: Request) -> Response:
            return await page(self._engine, self._frame, request)

        return draw
