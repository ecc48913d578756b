"""`/api/v1/repairs`: everything that wants a person, with what may be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response

from channelsync.domain.permissions import Permission
from channelsync.engine.fixes import FixVerb
from channelsync.engine.repairs import view_repairs
from channelsync.web.api.counter import Counter
from channelsync.web.api.deeds import Acknowledged, acknowledging
from channelsync.web.api.shapes import ERRORS, Limit, Moment, Shown
from channelsync.web.gate import principal_of

__all__ = ["repairs_router"]

Number = Annotated[int, Path(ge=1, le=2**53)]


class FixShown(Shown):
    """One thing that may be done."""

    verb: FixVerb
    target: str = Field(description="What it is done to: a channel, a number, an id, a SKU.")
    permission: Permission


class RepairShown(Shown):
    """One thing that wants a person."""

    kind: str = Field(description="As alarms are called, or drift, shortfall, channel_paused.")
    subject: str
    channel: str | None
    sku: str | None = Field(description="The item or offer it is about.")
    since: Moment | None = Field(description="Null: the books do not tell.")
    grave: bool = Field(description="Units may be promised that are not there.")
    title: str
    happened: str
    matters: str = Field(description="Why it matters.")
    done: str = Field(description="What the program did already, and goes on doing.")
    next_step: str
    fixes: Sequence[FixShown]


class RepairsShown(Shown):
    """The grave things first, then the newest."""

    items: list[RepairShown]
    counts: dict[str, int] = Field(
        description="How many of each kind, those beyond `limit` included.",
        examples=[{"dead_letter": 2}],
    )
    total: int


def repairs_router(counter: Counter) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/v1", tags=["attention"], responses=ERRORS)
    engine = counter.engine

    @router.get("/repairs", response_model=RepairsShown)
    async def list_repairs(request: Request, limit: Limit = 100) -> Any:
        """What wants a person within reach: why, what was done already, and the fix."""
        reach = principal_of(request).reach
        async with engine.database.read() as tx:
            return await view_repairs(tx, now=engine.now(), reach=reach, limit=limit)

    @router.post("/alarms/{number}/acknowledge", responses={200: {"model": Acknowledged}})
    async def acknowledge(request: Request, number: Number) -> Response:
        """End an alarm about something past. Others end by themselves once their cause is gone."""
        act = acknowledging(number, principal_of(request).reach)
        return await counter.serve(request, "alarm.acknowledge", act)

    return router
