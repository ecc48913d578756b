"""`GET /api/v1/events`: the stream of events, resumable where it was left.

All streams of a process share one look at the store, a second apart while somebody listens; what
it finds is handed to everybody from memory. Whoever was away longer reads from the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Final

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from channelsync.engine.core import Engine
from channelsync.engine.events import Event, read_events
from channelsync.store.errors import is_passing
from channelsync.store.tables import events
from channelsync.web.api.books import require_everywhere
from channelsync.web.api.endpoints import Kind
from channelsync.web.api.shapes import ERRORS
from channelsync.web.problems import Problem

__all__ = ["EventTail", "stream_router"]

_log = structlog.get_logger("channelsync.web")

LOOK_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 15.0
STREAM_SECONDS: Final = 3_600.0
"""Then the listener comes again and proves anew who it is."""
PAGE: Final = 200
KEPT: Final = 1_000
RETRY_MILLISECONDS: Final = 2_000


@dataclass(slots=True)
class EventTail:
    """The end of the stream, as this process saw it last."""

    engine: Engine
    stopping: asyncio.Event | None = None
    look_seconds: float = LOOK_SECONDS
    streams_max: int = 500
    position: int = 0
    _recent: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT))
    _from: int = 0
    """What lies behind this place is in memory, whole."""
    _listeners: int = 0
    _looking: asyncio.Task[None] | None = None
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_full(self) -> bool:
        """Whether no more streams are served."""
        return self._listeners >= self.streams_max

    async def start(self) -> int:
        """Begin to look, if nobody did. Returns where the stream ends now."""
        async with self._starting:
            if self._looking is None:
                self.position = self._from = await self._newest()
                self._recent.clear()
                self._looking = asyncio.create_task(self._look(), name="events")
        return self.position

    async def listen(self, after: int | None, types: Sequence[str] | None) -> AsyncGenerator[str]:
        """The stream of one listener behind a place; None: from now on."""
        self._listeners += 1
        try:
            end = await self.start()
            seen, said_at, until = end if after is None else after, time.monotonic(), _soon()
            yield f"retry: {RETRY_MILLISECONDS}\n\n"
            while not self._is_over(until):
                moved = self._moved
                found = await self._behind(seen, types)
                for event in found:
                    yield _spoken(event)
                if found:
                    said_at = time.monotonic()
                elif time.monotonic() - said_at > HEARTBEAT_SECONDS:
                    yield ": still here\n\n"
                    said_at = time.monotonic()
                seen = found[-1].position if len(found) >= PAGE else max(seen, self.position)
                if seen >= self.position:
                    await _pause(moved, self.look_seconds)
        finally:
            self._listeners -= 1
            if not self._listeners and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def _behind(self, seen: int, types: Sequence[str] | None) -> Sequence[Event]:
        if seen >= self.position:
            return ()
        if seen >= self._from:
            known = (one for one in self._recent if one.position > seen)
            return [one for one in known if types is None or one.type in types][:PAGE]
        async with self.engine.database.read() as tx:
            found = await read_events(tx, after=seen, limit=PAGE, types=types)
        return [one for one in found if one.position <= self.position]

    async def _newest(self) -> int:
        async with self.engine.database.read() as tx:
            return int((await tx.execute(sa.select(sa.func.max(events.c.position)))).scalar() or 0)

    async def _look(self) -> None:
        """Until cancelled. The database may be away for a while: the stream waits."""
        while True:
            try:
                await self._take()
            except Exception as error:  # noqa: BLE001 - streams outlive a database that is away
                if not is_passing(error):
                    _log.exception("the stream of events could not be read")
            await asyncio.sleep(self.look_seconds)

    async def _take(self) -> None:
        async with self.engine.database.read() as tx:
            newest = await tx.execute(sa.select(sa.func.max(events.c.position)))
            end = int(newest.scalar() or 0)
            found = await read_events(tx, after=self.position, limit=KEPT)
        if end <= self.position:
            return
        whole = len(found) < KEPT
        reached = end if whole else found[-1].position
        for one in found:
            if len(self._recent) == KEPT:
                self._from = self._recent[0].position
            self._recent.append(one)
        self.position = reached
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _is_over(self, until: float) -> bool:
        stopping = self.stopping is not None and self.stopping.is_set()
        return stopping or time.monotonic() > until


def _soon() -> float:
    return time.monotonic() + STREAM_SECONDS


async def _pause(moved: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await moved.wait()


def _spoken(event: Event) -> str:
    data = json.dumps(event.payload(), separators=(",", ":"))
    return f"id: {event.position}\nevent: {event.type}\ndata: {data}\n\n"


def stream_router(tail: EventTail) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/api/v1", tags=["events"], responses=ERRORS)
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}}

    @router.get(
        "/events",
        response_class=StreamingResponse,
        responses={200: {"description": "Server-sent events.", "content": content}},
    )
    async def listen(
        request: Request,
        kinds: Annotated[
            list[Kind] | None,
            Query(alias="type", max_length=10, description="May be repeated. Left out: all."),
        ] = None,
        last_event_id: Annotated[
            str | None,
            Header(max_length=20, pattern=r"^\d{1,18}$", description="Where it was left."),
        ] = None,
        after: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    ) -> Response:
        """Events from now on, or behind the one seen last. An hour at most; then come again."""
        require_everywhere(request)
        if tail.is_full:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many streams are open")
        seen = after if last_event_id is None else int(last_event_id)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(
            tail.listen(seen, kinds), media_type="text/event-stream", headers=headers
        )

    return router


EXAMPLE: Final = """\
retry: 2000

id: 4711
event: stock.changed
data: {"type":"stock.changed","timestamp":"2026-11-21T09:00:00Z","data":{"sku":"MUG","levels":[]}}

"""
