"""`/api/v1/allocations`, `/api/v1/plan` and `/api/v1/metrics`: targets, why, and what if."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Final

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.configuration.problems import ConfigurationInvalid
from channelsync.engine.business import DAYS_MAX, view_business
from channelsync.engine.core import Engine
from channelsync.engine.explain import explain
from channelsync.engine.plan import StockPlan, view_plan
from channelsync.engine.propose import Proposal, propose
from channelsync.engine.stock_errors import UnknownItem
from channelsync.store.tables import recipes
from channelsync.web.api.books import require_everywhere
from channelsync.web.api.shapes import ERRORS, Body, Moment, Shown, Sku
from channelsync.web.options import WebOptions
from channelsync.web.problems import Problem

__all__ = ["allocations_router"]

ITEMS_MAX: Final = 2_000
"""More items than that are planned by name."""


class Stock(Shown):
    """An item over the locations of a pool."""

    on_hand: int
    reserved: int
    safety_stock: int
    atp: int
    on_order: int
    future_atp: int


class Push(Shown):
    """A push that would be opened now."""

    kind: str = Field(examples=["raise"])
    units: int
    reason: str
    shadow: bool


class OpenPush(Shown):
    """A push that is not closed yet."""

    kind: str
    units: int
    state: str
    copies: int
    cause: str
    last_outcome: str | None
    opened_at: Moment
    release_at: Moment | None


class ListingAllocation(Shown):
    """One listing, in listing units."""

    channel: str
    sku: str
    units: int
    mode: str
    quota: float | None = Field(description="Percent of ATP.")
    allocated: int = Field(description="What the rule gives it.")
    target: int
    exposure: int | None = Field(description="What it may still sell; null: never settled.")
    shown: int | None
    shown_at: Moment | None
    settled_at: Moment | None
    settle_reasons: Sequence[str]
    waits: str | None
    next_push: Push | None
    open_push: OpenPush | None


class Step(Shown):
    """One step of the reasoning."""

    name: str
    explanation: str
    numbers: dict[str, float]


class PoolAllocation(Shown):
    """The item in one pool, in item units."""

    pool: str
    stock: Stock
    exposure: int
    free: int
    rule: str | None
    strategy: str | None
    guarantee: str | None
    listings: Sequence[ListingAllocation]
    trace: Sequence[Step]


class Unlisted(Shown):
    """An offer of this SKU that is not synced."""

    channel: str
    sku: str
    state: str
    why: str


class Cause(Shown):
    """One thing that happened."""

    at: Moment
    what: str
    subject: str
    quantity: str
    delta: int
    actor: str
    reference: str
    note: str


class AllocationShown(Shown):
    """Why every channel shows what it shows."""

    at: Moment
    sku: str
    name: str
    pools: Sequence[PoolAllocation]
    unlisted: Sequence[Unlisted]
    causes: Sequence[Cause] = Field(description="What happened last, the newest first.")


class ListingPlanned(Shown):
    """One listing of a plan."""

    channel: str
    sku: str
    exposure: int | None
    target: int
    push: Push | None
    waits: str | None


class ItemPlanned(Shown):
    """One item of a plan, in one pool."""

    sku: str
    pool: str
    rule: str
    stock: Stock
    free: int
    listings: Sequence[ListingPlanned]


class PlanShown(Shown):
    """What would be pushed now, and why. Nothing is."""

    at: Moment
    pushes: int
    shadow_pushes: int
    by_kind: dict[str, int] = Field(examples=[{"raise": 12, "cut": 3}])
    notes: Sequence[str]
    items: Sequence[ItemPlanned]


class Wish(Body):
    """What to plan: nothing here means everything that is listed, as it is configured now."""

    configuration: Annotated[str, Field(max_length=1_000_000)] | None = Field(
        default=None, description="A whole merchant's file, as YAML."
    )
    skus: Annotated[tuple[Sku, ...], Field(max_length=500)] = ()


class Business(Shown):
    """Defined in docs/reference/business-metrics.md. A rate of nothing is null."""

    at: Moment
    days: int
    units_sold: int
    units_oversold: int
    oversell_ratio: float | None
    stockout_ratio: float | None
    atp_accuracy_ratio: float | None
    turnover_ratio: float | None
    hold_expiry_ratio: float | None
    stranded_units: int
    proof_coverage_ratio: float | None


def allocations_router(engine: Engine, options: WebOptions) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/v1", tags=["allocations"], responses=ERRORS)

    @router.get("/allocations/{sku:path}", response_model=AllocationShown)
    async def show_allocation(request: Request, sku: Annotated[Sku, Path()]) -> Any:
        """Targets of an item's listings with the trace of how they came about."""
        require_everywhere(request)
        async with engine.database.read() as tx:
            try:
                return await explain(engine, tx, sku)
            except UnknownItem as error:
                raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None

    @router.post("/plan", response_model=PlanShown)
    async def plan(body: Wish) -> Any:
        """What would be pushed now under a proposed configuration, or the present one.

        Nothing is written and nothing is sent, so no `Idempotency-Key` is needed.
        """
        proposal = await _proposal(options, body.configuration)
        async with engine.database.read() as tx:
            return await _plan(engine, tx, proposal, body.skus)

    @router.get("/metrics", response_model=Business, tags=["metrics"])
    async def show_business(
        request: Request, days: Annotated[int, Query(ge=1, le=DAYS_MAX)] = 30
    ) -> Any:
        """How well the stock is used."""
        require_everywhere(request)
        async with engine.database.read() as tx:
            return await view_business(engine, tx, days=days)

    return router


async def _proposal(options: WebOptions, text: str | None) -> Proposal | None:
    if text is None:
        return None
    if options.read_proposal is None:
        raise Problem(HTTPStatus.NOT_FOUND, "this daemon plans its present configuration alone")
    try:
        return await asyncio.to_thread(options.read_proposal, text.encode())
    except (ConfigurationInvalid, UnicodeEncodeError) as error:
        found = getattr(error, "problems", ())
        details = [problem.as_json() for problem in found]
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "the configuration is wrong", problems=details
        ) from None


async def _plan(
    engine: Engine, tx: AsyncConnection, proposal: Proposal | None, skus: Sequence[str]
) -> PlanShown:
    if not skus:
        listed = sa.select(sa.func.count(sa.distinct(recipes.c.item_id)))
        if int((await tx.execute(listed)).scalar_one()) > ITEMS_MAX:
            detail = f"more than {ITEMS_MAX} items are listed: name up to 500 SKUs to plan"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    notes: Sequence[str] = ()
    if proposal is not None:
        notes = await propose(tx, proposal.setup, now=engine.now())
        engine = replace(engine, policy=proposal.policy)
    try:
        planned = await view_plan(engine, tx, skus, notes=notes)
    except UnknownItem as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
    return _shown(planned)


def _shown(planned: StockPlan) -> PlanShown:
    return PlanShown(
        at=planned.at,  # type: ignore[arg-type] # an instant becomes a moment
        pushes=planned.pushes,
        shadow_pushes=planned.shadow_pushes,
        by_kind=dict(sorted(planned.counts().items())),
        notes=planned.notes,
        items=[ItemPlanned.model_validate(item) for item in planned.items],
    )
