"""`/api/v1/stock`: levels, counts, adjustments, safety stock and what is on order.

Who edits may say what he saw (`If-Match`, with the ETag of the level): if it is that no more, the
answer is 412 and nothing was changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from msgspec import structs
from pydantic import AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from channelsync.domain.vocabulary import Instant
from channelsync.engine.browse import Wanted, levels_page
from channelsync.engine.core import Engine
from channelsync.engine.stock_desk import StockChange, StockDesk
from channelsync.engine.stock_errors import StockError
from channelsync.engine.stock_places import find_place
from channelsync.engine.stock_versions import level_version
from channelsync.web.api.counter import Counter, Deed, Refusal, UseCase, require_reach
from channelsync.web.api.shapes import (
    ERRORS,
    UNITS_MAX,
    Body,
    Limit,
    Moment,
    Page,
    Reason,
    Shown,
    Sku,
    Text,
    Units,
    instant_of,
    page_of,
)
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = [
    "Adjustment",
    "Count",
    "Setting",
    "Use",
    "adjusting",
    "counting",
    "editing",
    "keeping_back",
    "stock_router",
]

ETAG_LENGTH_MAX = 200


class Level(Shown):
    """An item at one location, in units."""

    sku: str = Field(examples=["MUG"])
    location: str = Field(examples=["ny-dc"])
    pool: str
    on_hand: int
    reserved: int
    safety_stock: int
    on_order: int
    in_transit: int
    counted_at: Moment | None


class VersionedLevel(Level):
    """The same with its version, which is the ETag as well."""

    version: str


class Changed(Shown):
    """One number that was changed or, where both are equal, confirmed."""

    sku: str
    location: str
    quantity: str = Field(examples=["on_hand"])
    before: int
    after: int
    version: str = Field(description="The level's version from now on.")


class Place(Body):
    """An item at a location."""

    sku: Sku
    location: Text


class Count(Place):
    """Units that were on the shelf."""

    on_hand: Units
    reason: Reason
    counted_at: AwareDatetime | None = Field(
        default=None,
        description="When the count was taken; sales and shipments since are applied to it again."
        " Left out: just now.",
    )


class Adjustment(Place):
    """Units that were found or, below 0, broke or vanished."""

    delta: Annotated[
        int,
        Field(strict=True, ge=-UNITS_MAX, le=UNITS_MAX, json_schema_extra={"not": {"const": 0}}),
    ]
    reason: Reason


class Setting(Place):
    """A number as it shall be."""

    units: Units
    reason: Reason


IfMatch = Annotated[
    str | None,
    Header(max_length=ETAG_LENGTH_MAX, description="The ETag of the level that was edited."),
]
Use = Callable[[StockDesk, str], Awaitable[StockChange]]


def stock_router(counter: Counter) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/v1/stock", tags=["stock"], responses=ERRORS)
    _add_reading(router, counter.engine)
    _add_corrections(router, counter)
    _add_settings(router, counter)
    return router


def _add_corrections(router: APIRouter, counter: Counter) -> None:
    @router.post("/counts", responses={200: {"model": Changed}})
    async def count(request: Request, body: Count, if_match: IfMatch = None) -> Response:
        """Take a count into the books."""
        try:
            at = instant_of(body.counted_at)
        except ValueError as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"counted_at: {error}") from None

        return await _edit(counter, request, body, "stock.count", counting(body, at), if_match)

    @router.post("/adjustments", responses={200: {"model": Changed}})
    async def adjust(request: Request, body: Adjustment, if_match: IfMatch = None) -> Response:
        """Add units that were found, or take off units that broke or vanished."""
        return await _edit(counter, request, body, "stock.adjust", adjusting(body), if_match)


def _add_settings(router: APIRouter, counter: Counter) -> None:
    @router.post("/safety-stock", responses={200: {"model": Changed}})
    async def keep_back(request: Request, body: Setting, if_match: IfMatch = None) -> Response:
        """Set how many units are never offered; it replaces the configured number."""
        return await _edit(counter, request, body, "stock.safety", keeping_back(body), if_match)

    @router.post("/on-order", responses={200: {"model": Changed}})
    async def expect(request: Request, body: Setting, if_match: IfMatch = None) -> Response:
        """Set how many units are inbound; they count for the future ATP alone."""

        async def use(desk: StockDesk, actor: str) -> StockChange:
            place = (body.sku, body.location)
            return await desk.set_on_order(*place, body.units, reason=body.reason, actor=actor)

        return await _edit(counter, request, body, "stock.on_order", use, if_match)


def counting(body: Count, counted_at: Instant | None) -> Use:
    """Take a count into the books."""

    async def use(desk: StockDesk, actor: str) -> StockChange:
        place, why = (body.sku, body.location), body.reason
        return await desk.count(
            *place, body.on_hand, reason=why, actor=actor, counted_at=counted_at
        )

    return use


def adjusting(body: Adjustment) -> Use:
    """Add or take off units."""

    async def use(desk: StockDesk, actor: str) -> StockChange:
        place = (body.sku, body.location)
        return await desk.adjust(*place, body.delta, reason=body.reason, actor=actor)

    return use


def keeping_back(body: Setting) -> Use:
    """Set the safety stock."""

    async def use(desk: StockDesk, actor: str) -> StockChange:
        place = (body.sku, body.location)
        return await desk.set_safety_stock(*place, body.units, reason=body.reason, actor=actor)

    return use


def _add_reading(router: APIRouter, engine: Engine) -> None:
    @router.get("", response_model=Page[Level])
    async def list_levels(
        request: Request,
        sku: Annotated[str | None, Query(max_length=200)] = None,
        location: Annotated[str | None, Query(max_length=128)] = None,
        after: Annotated[str | None, Query(max_length=200, description="A SKU.")] = None,
        limit: Limit = 100,
    ) -> Any:
        """Levels by SKU and location; a page holds all locations of `limit` items at most."""
        reach = require_reach(principal_of(request), location=location)
        wanted = Wanted(limit=limit, after=after, sku=sku, location=location, reach=reach)
        async with engine.database.read() as tx:
            rows = await levels_page(tx, wanted)
        page = page_of(Level, rows, len(rows) + 1, "sku")
        full = len({row["sku"] for row in rows}) >= limit
        return Page[Level](items=page.items, next=rows[-1]["sku"] if full else None)

    @router.get(
        "/{location}/{sku:path}",
        response_model=VersionedLevel,
        responses={304: {"description": "As `If-None-Match` says."}},
    )
    async def show_level(
        request: Request,
        location: Annotated[Text, Path()],
        sku: Annotated[Sku, Path()],
        if_none_match: Annotated[str | None, Header(max_length=ETAG_LENGTH_MAX)] = None,
    ) -> Any:
        """One level, with its ETag."""
        require_reach(principal_of(request), location=location)
        async with engine.database.read() as tx:
            try:
                place = await find_place(tx, sku, location)
            except StockError as error:
                raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
            version = await level_version(tx, place)
        headers = {"etag": _tag(version), "cache-control": "private, no-cache"}
        if if_none_match == headers["etag"]:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        shown = VersionedLevel.model_validate(
            {
                **structs.asdict(place.stored.level),
                "sku": place.item.sku,
                "location": place.location.code,
                "pool": place.location.pool,
                "counted_at": place.stored.counted_at,
                "version": version,
            }
        )
        return Response(shown.model_dump_json(), media_type="application/json", headers=headers)


def _tag(version: str) -> str:
    return f'"{version}"'


async def _edit(
    counter: Counter, request: Request, body: Place, action: str, use: Use, seen: str | None
) -> Response:
    principal = principal_of(request)
    require_reach(principal, location=body.location)
    return await counter.serve(request, action, editing(body, use, principal.name, seen), body=body)


def editing(body: Place, use: Use, actor: str, seen: str | None = None) -> UseCase:
    """Change one level, if it is what the caller saw."""

    async def act(joined: Engine, tx: AsyncConnection) -> Deed:
        if seen not in {None, "*"}:
            version = await level_version(tx, await find_place(tx, body.sku, body.location))
            if _tag(version) != seen:
                raise Refusal(
                    HTTPStatus.PRECONDITION_FAILED,
                    f"{body.sku} at {body.location} was changed since: read it again",
                )
        desk = StockDesk(joined.database, joined.environment)
        change = await use(desk, actor)
        version = await level_version(tx, await find_place(tx, body.sku, body.location))
        told = {"quantity": change.quantity, "reason": getattr(body, "reason", "")}
        return Deed(
            subject=f"stock:{change.location}/{change.sku}",
            answer=Changed(
                sku=change.sku,
                location=change.location,
                quantity=change.quantity,
                before=change.before,
                after=change.after,
                version=version,
            ),
            before=told | {"units": change.before},
            after=told | {"units": change.after},
        )

    return act
