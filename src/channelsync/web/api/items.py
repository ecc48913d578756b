"""`/api/v1/items` and `/api/v1/locations`: what is sold, and where it lies."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from msgspec import structs
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from channelsync.domain.permissions import Reach
from channelsync.engine.browse import Wanted, items_page
from channelsync.engine.core import Engine
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.stock_errors import UnknownItem
from channelsync.engine.stock_places import find_item
from channelsync.engine.stock_view import ItemStock, view_stock
from channelsync.store.stock_queries import load_levels, load_locations
from channelsync.web.api.counter import Counter, Deed, UseCase
from channelsync.web.api.shapes import (
    ERRORS,
    Body,
    Limit,
    Moment,
    Page,
    Shown,
    Sku,
    Text,
    page_of,
)
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = ["NewItem", "items_router", "making"]


class ItemShown(Shown):
    """One sellable thing."""

    sku: str = Field(examples=["MUG"])
    name: str = Field(examples=["Blue mug"])
    tags: list[str] = Field(examples=[["summer"]])
    created_at: Moment


class LevelShown(Shown):
    """Physical units at one location."""

    location: str = Field(examples=["ny-dc"])
    on_hand: int
    reserved: int = Field(description="Promised to orders and holds.")
    safety_stock: int = Field(description="Never offered.")
    on_order: int
    in_transit: int
    counted_at: Moment | None


class PoolShown(Shown):
    """An item over the locations of a pool that are within the caller's reach."""

    pool: str = Field(examples=["main"])
    on_hand: int
    reserved: int
    safety_stock: int
    atp: int = Field(description="On hand less reserved less safety stock.")
    on_order: int
    future_atp: int
    locations: list[LevelShown]


class ItemStockShown(Shown):
    """An item's stock, pool by pool."""

    sku: str
    name: str
    pools: list[PoolShown]


class LocationShown(Shown):
    """A place that holds stock."""

    code: str = Field(examples=["ny-dc"])
    name: str
    pool: str
    active: bool = Field(description="False: no longer configured; it is offered no more.")


class Locations(Shown):
    """Every location within reach."""

    items: list[LocationShown]


class NewItem(Body):
    """An item to make, without stock."""

    sku: Sku
    name: Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    tags: Annotated[tuple[Text, ...], Field(max_length=50)] = ()


class ItemChange(Body):
    """What shall be otherwise; what is left out stays."""

    sku: Sku | None = None
    name: Annotated[str | None, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = None


class Made(Shown):
    """What was made or renamed."""

    sku: str


def items_router(counter: Counter) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/v1", tags=["items"], responses=ERRORS)
    _add_reading(router, counter.engine)
    _add_writing(router, counter)
    return router


def _add_reading(router: APIRouter, engine: Engine) -> None:
    @router.get("/items", response_model=Page[ItemShown])
    async def list_items(
        q: Annotated[str | None, Query(max_length=100, description="In SKU or name.")] = None,
        after: Annotated[str | None, Query(max_length=200)] = None,
        limit: Limit = 100,
    ) -> Any:
        """Items by SKU."""
        wanted = Wanted(limit=limit, after=after, search=q)
        async with engine.database.read() as tx:
            return page_of(ItemShown, await items_page(tx, wanted), limit, "sku")

    @router.get("/items/{sku:path}", response_model=ItemStockShown)
    async def show_item(request: Request, sku: Annotated[Sku, Path()]) -> Any:
        """An item's stock by pool and location."""
        reach = principal_of(request).reach
        async with engine.database.read() as tx:
            return await _stock_of(engine, tx, sku, reach)

    @router.get("/locations", response_model=Locations)
    async def list_locations(request: Request) -> Any:
        """Every location, in the order in which orders are routed."""
        reach = principal_of(request).reach
        async with engine.database.read() as tx:
            found = (await load_locations(tx)).values()
        return {"items": [one for one in found if reach.has_location(one.code)]}


def _add_writing(router: APIRouter, counter: Counter) -> None:
    @router.post("/items", status_code=HTTPStatus.CREATED, responses={201: {"model": Made}})
    async def make_item(request: Request, body: NewItem) -> Response:
        """Make an item, without stock."""
        act = making(body, principal_of(request).name)
        return await counter.serve(
            request, "item.create", act, body=body, status=HTTPStatus.CREATED
        )

    @router.patch("/items/{sku:path}", responses={200: {"model": Made}})
    async def change_item(
        request: Request, sku: Annotated[Sku, Path()], body: ItemChange
    ) -> Response:
        """Give an item another name or SKU; stock, history and listings stay with it."""

        async def act(joined: Engine, tx: AsyncConnection) -> Deed:
            desk, actor = StockDesk(joined.database, joined.environment), principal_of(request).name
            item = await find_item(tx, sku)
            if body.name is not None:
                await desk.name_item(sku, body.name, actor=actor)
            if body.sku is not None and body.sku != sku:
                await desk.rename_item(sku, body.sku, actor=actor)
            after = {"sku": body.sku or sku, "name": item.name if body.name is None else body.name}
            before = {"sku": sku, "name": item.name}
            made = Made(sku=body.sku or sku)
            return Deed(subject=f"item:{sku}", answer=made, before=before, after=after)

        return await counter.serve(request, "item.change", act, body=body)


def making(body: NewItem, actor: str) -> UseCase:
    """Make an item, without stock."""

    async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
        desk = StockDesk(joined.database, joined.environment)
        await desk.create_item(body.sku, name=body.name, tags=body.tags, actor=actor)
        return Deed(subject=f"item:{body.sku}", answer=Made(sku=body.sku), after=body)

    return act


async def _stock_of(engine: Engine, tx: AsyncConnection, sku: str, reach: Reach) -> ItemStockShown:
    try:
        item = await find_item(tx, sku)
    except UnknownItem as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
    places = [one for one in (await load_locations(tx)).values() if reach.has_location(one.code)]
    levels = await load_levels(tx, [item.id])
    pools: list[PoolShown] = []
    for pool in sorted({place.pool for place in places}):
        own = [place for place in places if place.pool == pool]
        default = engine.policy.safety_stock_in(pool)
        pools += _pools(view_stock(item, own, levels, default_safety_stock=default))
    return ItemStockShown(sku=item.sku, name=item.name, pools=pools)


def _pools(found: ItemStock) -> list[PoolShown]:
    return [
        PoolShown(
            pool=view.pool,
            on_hand=view.stock.on_hand,
            reserved=view.stock.reserved,
            safety_stock=view.stock.safety_stock,
            atp=view.stock.atp,
            on_order=view.stock.on_order,
            future_atp=view.stock.future_atp,
            locations=[
                LevelShown.model_validate(
                    {
                        **structs.asdict(place.level),
                        "location": place.code,
                        "counted_at": place.counted_at,
                    }
                )
                for place in view.locations
            ],
        )
        for view in found.pools
    ]
