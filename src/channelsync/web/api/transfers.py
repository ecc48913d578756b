"""`/api/v1/transfers`: units from one location to another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from channelsync.domain.permissions import Reach
from channelsync.domain.transfers import Difference
from channelsync.engine.core import Engine
from channelsync.engine.stock_errors import StockRefused
from channelsync.engine.transfer_desk import Begin, Receive, TransferDesk
from channelsync.engine.transfers_view import TransferView, view_transfer
from channelsync.web.api.counter import Counter, Deed, Refusal, require_reach
from channelsync.web.api.shapes import (
    ERRORS,
    Body,
    Limit,
    Moment,
    Reason,
    Shown,
    Sku,
    Text,
    Units,
    instant_of,
)
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = ["transfers_router"]

UNITS_MAX = 1_000_000_000
Number = Annotated[int, Path(ge=1, le=2**53)]


class TransferShown(Shown):
    """One transfer."""

    id: int
    sku: str
    source: str
    target: str
    state: str = Field(examples=["in_transit"])
    units: int
    received: int
    in_transit: int
    differences: dict[str, int] = Field(description="Units by cause.")
    waits: str | None = Field(description="Why its units may not leave yet.")
    created_at: Moment
    shipped_at: Moment | None
    closed_at: Moment | None
    actor: str
    note: str


class Transfers(Shown):
    """The newest ones within reach."""

    items: list[TransferShown]


class NewTransfer(Body):
    """Units to send. They leave at once where no channel may still sell them."""

    sku: Sku
    source: Text
    target: Text
    units: Annotated[int, Field(strict=True, ge=1, le=UNITS_MAX)]
    reason: Reason
    force: bool = Field(default=False, description="They have left already, whatever is on sale.")


class Shipping(Body):
    """The units leave."""

    force: bool = Field(default=False, description="They have left already, whatever is on sale.")


class Arrival(Body):
    """What arrived, and what became of the rest."""

    arrived: Units
    written_off: dict[Difference, Units] = Field(default_factory=dict, examples=[{"lost": 1}])
    reason: Reason
    arrived_at: AwareDatetime | None = None


Step = Callable[[TransferDesk, str], Awaitable[TransferView]]


def transfers_router(counter: Counter) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/v1/transfers", tags=["transfers"], responses=ERRORS)
    _add_reading(router, counter.engine)
    _add_steps(router, counter)

    @router.post("", status_code=HTTPStatus.CREATED, responses={201: {"model": TransferShown}})
    async def begin(request: Request, body: NewTransfer) -> Response:
        """Reserve units at one location and send them to another."""
        principal = principal_of(request)
        for place in (body.source, body.target):
            require_reach(principal, location=place)

        async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
            begun = Begin(**body.model_dump(), actor=principal.name)
            view = await TransferDesk(joined).begin(begun)
            answer = TransferShown.model_validate(view)
            return Deed(subject=f"transfer:{view.id}", answer=answer, after=answer)

        return await counter.serve(
            request, "transfer.begin", act, body=body, status=HTTPStatus.CREATED
        )

    return router


def _add_steps(router: APIRouter, counter: Counter) -> None:
    shown: dict[int | str, dict[str, Any]] = {200: {"model": TransferShown}}

    @router.post("/{transfer_id}/ship", responses=shown)
    async def ship(request: Request, transfer_id: Number, body: Shipping) -> Response:
        """The units leave the source."""

        async def step(desk: TransferDesk, actor: str) -> TransferView:
            return await desk.ship(transfer_id, actor=actor, force=body.force)

        return await _step(counter, request, transfer_id, body, "transfer.ship", step)

    @router.post("/{transfer_id}/cancel", responses=shown)
    async def cancel(request: Request, transfer_id: Number) -> Response:
        """The units stay at the source."""

        async def step(desk: TransferDesk, actor: str) -> TransferView:
            return await desk.cancel(transfer_id, actor=actor)

        return await _step(counter, request, transfer_id, None, "transfer.cancel", step)

    @router.post("/{transfer_id}/receive", responses=shown)
    async def receive(request: Request, transfer_id: Number, body: Arrival) -> Response:
        """Units arrived at the target; what is missing is written off under its cause."""
        try:
            at = instant_of(body.arrived_at)
        except ValueError as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"arrived_at: {error}") from None

        async def step(desk: TransferDesk, actor: str) -> TransferView:
            return await desk.receive(
                Receive(
                    transfer_id=transfer_id,
                    arrived=body.arrived,
                    written_off=body.written_off,
                    reason=body.reason,
                    actor=actor,
                    arrived_at=at,
                )
            )

        return await _step(counter, request, transfer_id, body, "transfer.receive", step)


def _add_reading(router: APIRouter, engine: Engine) -> None:
    @router.get("", response_model=Transfers)
    async def list_transfers(
        request: Request,
        state: Annotated[
            Literal["open", "all"], Query(description="Those that ended as well.")
        ] = "open",
        limit: Limit = 100,
    ) -> Any:
        """Transfers, the newest first."""
        reach = principal_of(request).reach
        found = await TransferDesk(engine).list(closed=state == "all", limit=limit)
        return {"items": [one for one in found if _within(one, reach)]}

    @router.get("/{transfer_id}", response_model=TransferShown)
    async def show_transfer(request: Request, transfer_id: Number) -> Any:
        """A transfer as it stands."""
        async with engine.database.read() as tx:
            try:
                return await _found(tx, transfer_id, principal_of(request).reach)
            except Refusal as error:
                raise Problem(error.status, str(error)) from None


def _within(transfer: TransferView, reach: Reach) -> bool:
    return reach.has_location(transfer.source) and reach.has_location(transfer.target)


async def _found(tx: AsyncConnection, transfer_id: int, reach: Reach) -> TransferView:
    try:
        view = await view_transfer(tx, transfer_id, None)
    except StockRefused:
        view = None
    if view is None or not _within(view, reach):
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no transfer {transfer_id}")
    return view


async def _step(
    counter: Counter,
    request: Request,
    transfer_id: int,
    body: Body | None,
    action: str,
    step: Step,
) -> Response:
    principal = principal_of(request)

    async def act(joined: Engine, tx: AsyncConnection) -> Deed:
        before = await _found(tx, transfer_id, principal.reach)
        after = TransferShown.model_validate(await step(TransferDesk(joined), principal.name))
        was = TransferShown.model_validate(before)
        return Deed(subject=f"transfer:{transfer_id}", answer=after, before=was, after=after)

    return await counter.serve(request, action, act, body=body)
