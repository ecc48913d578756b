"""The live page: drawn whole for every visitor, then kept current by server-sent events."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from math import inf

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from channelsync.engine.core import Engine
from channelsync.engine.overview import ItemRow, Overview, view_overview
from channelsync.web.api.books import require_everywhere
from channelsync.web.dashboard.assets import Assets
from channelsync.web.dashboard.channels import show_part
from channelsync.web.dashboard.frame import Frame
from channelsync.web.feed import Feed, TooManyWatchers
from channelsync.web.gate import csrf_token_of, principal_of
from channelsync.web.options import WebOptions
from channelsync.web.painting import Painter, channel_names, row_key
from channelsync.web.problems import Problem

__all__ = ["Pages"]

SEARCH_LENGTH_MAX = 100


class Pages:
    """`/`, `/events`, `/actions/{button}` and the assets."""

    def __init__(self, engine: Engine, options: WebOptions) -> None:
        self._engine = engine
        self._options = options
        self._painter = Painter()
        self._frame = Frame(engine.now)
        self.feed: Feed[Overview] = Feed(
            look=self._look,
            paint=self._paint,
            refresh_seconds=options.refresh_seconds,
            stopping=options.stopping,
        )

    @property
    def routes(self) -> Sequence[Route | Mount]:
        """Where it all is."""
        return (
            Route("/", self.overview, methods=["GET"]),
            Route("/events", self.events, methods=["GET"]),
            Route("/actions/{button}", self.press, methods=["POST"]),
            Mount("/static", Assets()),
        )

    async def _look(self, search: str = "") -> Overview:
        return await view_overview(self._engine, search=search, sums=await self._engine.sums.view())

    def _paint(self, overview: Overview) -> dict[str, str]:
        stage = self._options.stage
        return self._painter.fragments(overview, stage.exhibit() if stage is not None else None)

    async def overview(self, request: Request) -> Response:
        """The page as it is now; whoever is kept to a part of the house sees that part."""
        if not principal_of(request).reach.is_everywhere:
            return await show_part(self._engine, self._frame, request)
        search = request.query_params.get("q", "").strip()[:SEARCH_LENGTH_MAX]
        overview = await self.feed.refresh()
        fragments, event_id = dict(self.feed.fragments), self.feed.event_id
        if search:
            overview = await self._look(search)
            fragments |= self._painter.rows(overview)
        stage = self._options.stage
        exhibit = stage.exhibit() if stage is not None else None
        featured = exhibit.featured if exhibit is not None else ""
        items = sorted(overview.items, key=_busiest_first)
        items.sort(key=lambda item: item.sku != featured)
        return self._frame.page(
            request,
            "overview.html",
            active="overview",
            title="What every channel may sell",
            stage=self._painter.stage(exhibit, csrf_token_of(request)),
            channels=channel_names(overview.status),
            found=overview.items_found,
            fragments=fragments,
            rows=[row_key(item) for item in items],
            search=search,
            event_id=event_id,
        )

    async def events(self, request: Request) -> Response:
        """What changes from now on, or since the event that the browser saw last."""
        require_everywhere(request)
        seen = request.headers.get("last-event-id") or request.query_params.get("since", "")
        try:
            stream = self.feed.watch(seen)
        except TooManyWatchers:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many pages are open; this one can be reloaded"
            ) from None
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    async def press(self, request: Request) -> Response:
        """A button of a demonstration. Only a page of ours may press it."""
        stage = self._options.stage
        if stage is None:
            raise Problem(HTTPStatus.NOT_FOUND)
        if not ({"sec-fetch-site", "origin"} & set(request.headers.keys())):
            raise Problem(HTTPStatus.FORBIDDEN, "press this button on the page")
        try:
            await stage.press(request.path_params["button"])
        except KeyError:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such button") from None
        return RedirectResponse("/", status_code=HTTPStatus.SEE_OTHER)


def _busiest_first(item: ItemRow) -> tuple[bool, float, str, str]:
    """Deficits, then what sold last, then by SKU."""
    return item.free >= 0, -(item.last_sale_at or -inf), item.sku, item.pool
