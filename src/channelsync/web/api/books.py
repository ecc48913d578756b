"""`/api/v1`: order lines, shortfalls, movements, the audit trail, alarms and drift."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.engine.audit import AuditFilter, view_audit
from channelsync.engine.browse import (
    Rows,
    Wanted,
    alarms_page,
    broken_assumptions,
    lines_page,
    listings_page,
    movements_page,
    shortfalls_page,
)
from channelsync.engine.core import Engine
from channelsync.store.tables import MovementKind
from channelsync.web.api.channels import ListingShown
from channelsync.web.api.counter import require_reach
from channelsync.web.api.shapes import ERRORS, Limit, Moment, Page, Shown, page_of
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = ["books_router"]

Named = Annotated[str | None, Query(max_length=200)]
After = Annotated[int | None, Query(ge=0, le=2**53, description="`next` of the page before.")]


class LineShown(Shown):
    """One order line, in listing units."""

    id: int
    channel: str
    order: str
    line: str
    sku: str | None = Field(description="As the channel spells it; null where it told none.")
    ordered: int
    cancelled: int
    shipped: int
    returned: int
    state: str
    parked: str | None = Field(description="Why it is not counted yet.")
    sold_at: Moment | None
    first_heard_at: Moment
    heard_at: Moment


class ShortfallShown(Shown):
    """Demand that was accepted beyond what the books allowed."""

    id: int
    at: Moment
    channel: str | None
    sku: str
    units: int
    cause: str
    reference: str


class MovementShown(Shown):
    """One row of the ledger: of an item at a location, or of a listing's exposure."""

    id: int
    at: Moment
    moved_at: Moment | None = Field(description="When the units moved, if earlier than booked.")
    kind: str
    quantity: str
    delta: int
    sku: str | None
    location: str | None
    channel: str | None
    listing: str | None
    reference: str
    actor: str
    note: str


class ChangeShown(Shown):
    """One entry of the audit trail."""

    position: int
    at: Moment
    actor: str = Field(examples=["user:ada"])
    action: str = Field(examples=["channel.pause"])
    subject: str = Field(examples=["channel:amazon-us"])
    before: Any
    after: Any
    request: str | None
    digest: str = Field(description="SHA-256 over the digest before it and this entry.")


class AlarmShown(Shown):
    """Something that wants, or wanted, a person."""

    id: int
    kind: str
    channel: str | None
    subject: str
    message: str
    raised_at: Moment
    cleared_at: Moment | None


class BrokenShown(Shown):
    """Something that the guarantee rests on and that does not stand now."""

    channel: str
    listing: str | None = Field(description="Null: the whole channel.")
    assumption: str
    why: str
    since: Moment
    checked_at: Moment


class Broken(Shown):
    """The newest ones."""

    items: list[BrokenShown]


Read: TypeAlias = Callable[[AsyncConnection, Wanted], Awaitable[Rows]]


def books_router(engine: Engine) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/v1", responses=ERRORS)
    _add_orders(router, engine)
    _add_ledger(router, engine)
    _add_attention(router, engine)
    return router


async def _page(
    engine: Engine, model: type[Shown], read: Read, request: Request, **given: Any
) -> Page[Any]:
    """A page of numbered rows within the caller's reach."""
    named = {name: given.get(name) for name in ("channel", "location")}
    reach = require_reach(principal_of(request), **named)
    async with engine.database.read() as tx:
        rows = await read(tx, Wanted(reach=reach, **given))
    return page_of(model, rows, given["limit"], "id")


def _add_orders(router: APIRouter, engine: Engine) -> None:
    @router.get("/orders", response_model=Page[LineShown], tags=["orders"])
    async def list_lines(
        request: Request,
        channel: Named = None,
        sku: Named = None,
        state: Annotated[str | None, Query(max_length=32, description="Or `parked`.")] = None,
        after: After = None,
        limit: Limit = 100,
    ) -> Any:
        """Order lines as the channels told them, the newest first."""
        wanted = {"channel": channel, "sku": sku, "kind": state, "after": after, "limit": limit}
        return await _page(engine, LineShown, lines_page, request, **wanted)

    @router.get("/shortfalls", response_model=Page[ShortfallShown], tags=["orders"])
    async def list_shortfalls(
        request: Request,
        channel: Named = None,
        sku: Named = None,
        after: After = None,
        limit: Limit = 100,
    ) -> Any:
        """Demand that was accepted beyond what the books allowed, by cause."""
        wanted = {"channel": channel, "sku": sku, "after": after, "limit": limit}
        return await _page(engine, ShortfallShown, shortfalls_page, request, **wanted)


def _add_ledger(router: APIRouter, engine: Engine) -> None:
    @router.get("/movements", response_model=Page[MovementShown], tags=["ledger"])
    async def list_movements(
        request: Request,
        sku: Named = None,
        location: Named = None,
        channel: Named = None,
        kind: MovementKind | None = None,
        after: After = None,
        limit: Limit = 100,
    ) -> Any:
        """Who changed which quantity where, by how much, why: the newest first."""
        place = {"sku": sku, "location": location, "channel": channel}
        wanted = {**place, "kind": kind, "after": after, "limit": limit}
        return await _page(engine, MovementShown, movements_page, request, **wanted)

    @router.get("/audit", response_model=Page[ChangeShown], tags=["ledger"])
    async def list_changes(
        actor: Named = None,
        action: Named = None,
        subject: Named = None,
        after: After = None,
        limit: Limit = 100,
    ) -> Any:
        """Who changed what, with what was before and after: the newest first."""
        wanted = AuditFilter(actor=actor, action=action, subject=subject)
        async with engine.database.read() as tx:
            found = await view_audit(tx, wanted, before=after, limit=limit)
        return page_of(ChangeShown, found, limit, "position")


def _add_attention(router: APIRouter, engine: Engine) -> None:
    @router.get("/alarms", response_model=Page[AlarmShown], tags=["attention"])
    async def list_alarms(
        request: Request,
        state: Literal["open", "cleared"] | None = None,
        channel: Named = None,
        after: After = None,
        limit: Limit = 100,
    ) -> Any:
        """What wants a person, and what wanted one."""
        wanted = {"channel": channel, "kind": state, "after": after, "limit": limit}
        return await _page(engine, AlarmShown, alarms_page, request, **wanted)

    @router.get("/drift", response_model=Page[ListingShown], tags=["attention"])
    async def list_drift(
        request: Request, channel: Named = None, after: After = None, limit: Limit = 100
    ) -> Any:
        """Listings whose shown number the books do not explain; each is being settled."""

        async def read(tx: AsyncConnection, wanted: Wanted) -> Rows:
            return await listings_page(tx, wanted, drifting=True)

        given = {"channel": channel, "after": after, "limit": limit}
        return await _page(engine, ListingShown, read, request, **given)

    @router.get("/assumptions", response_model=Broken, tags=["attention"])
    async def list_broken(request: Request, limit: Limit = 100) -> Any:
        """What the guarantee rests on and does not stand now, and since when."""
        reach = principal_of(request).reach
        async with engine.database.read() as tx:
            return {"items": await broken_assumptions(tx, Wanted(limit=limit, reach=reach))}


def require_everywhere(request: Request) -> None:
    """For answers about the whole house.

    Raises:
        Problem: the caller is kept to some channels or locations (403).
    """
    if not principal_of(request).reach.is_everywhere:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "this is about all channels and locations together, and you are kept to some",
        )
