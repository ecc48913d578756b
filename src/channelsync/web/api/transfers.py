"""`/api/v1/transfers`: units from one location to another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from channelsync.domain.permissions import Principal, Reach
from channelsync.domain.transfers import Difference
from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.stock_errors import StockRefused
from channelsync.engine.transfer_desk import Begin, Receive, TransferDesk
from channelsync.engine.transfers_view import TransferView, view_transfer
from channelsync.web.api.counter import Counter, Deed, Refusal, Risky, UseCase, require_reach
from channelsync.web.api.proposed import PROPOSED
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

__all__ = [
    "Arrival",
    "NewTransfer",
    "beginning",
    "cancelling",
    "forced_beginning",
    "forced_shipping",
    "receiving",
    "shipping",
    "stepping",
    "transfer_within",
    "transfers_router",
]

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

    made: dict[int | str, dict[str, Any]] = {201: {"model": TransferShown}, 202: PROPOSED}

    @router.post("", status_code=HTTPStatus.CREATED, responses=made)
    async def begin(request: Request, body: NewTransfer) -> Response:
        """Reserve units at one location and send them to another."""
        principal = principal_of(request)
        for place in (body.source, body.target):
            require_reach(principal, location=place)

        act = beginning(body, principal.name)
        risky = forced_beginning(body)
        return await counter.serve(
            request, "transfer.begin", act, body=body, status=HTTPStatus.CREATED, risky=risky
        )

    return router


def _add_steps(router: APIRouter, counter: Counter) -> None:
    shown: dict[int | str, dict[str, Any]] = {200: {"model": TransferShown}}

    @router.post("/{transfer_id}/ship", responses={**shown, 202: PROPOSED})
    async def ship(request: Request, transfer_id: Number, body: Shipping) -> Response:
        """The units leave the source."""
        step = shipping(transfer_id, force=body.force)
        risky = forced_shipping(transfer_id, force=body.force)
        return await _step(counter, request, transfer_id, body, "transfer.ship", step, risky)

    @router.post("/{transfer_id}/cancel", responses=shown)
    async def cancel(request: Request, transfer_id: Number) -> Response:
        """The units stay at the source."""
        step = cancelling(transfer_id)
        return await _step(counter, request, transfer_id, None, "transfer.cancel", step)

    @router.post("/{transfer_id}/receive", responses=shown)
    async def receive(request: Request, transfer_id: Number, body: Arrival) -> Response:
        """Units arrived at the target; what is missing is written off under its cause."""
        try:
            at = instant_of(body.arrived_at)
        except ValueError as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"arrived_at: {error}") from None
        step = receiving(transfer_id, body, at)
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
        return await transfer_within(engine, transfer_id, principal_of(request).reach)


def _within(transfer: TransferView, reach: Reach) -> bool:
    return reach.has_location(transfer.source) and reach.has_location(transfer.target)


async def transfer_within(engine: Engine, transfer_id: int, reach: Reach) -> TransferView:
    """A transfer as it stands.

    Raises:
        Problem: there is none within reach (404).
    """
    try:
        view = await TransferDesk(engine).view(transfer_id)
    except StockRefused:
        view = None
    if view is None or not _within(view, reach):
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no transfer {transfer_id}")
    return view


# ------------------------------------------------------------------ use cases, for pages as well


def beginning(body: NewTransfer, actor: str) -> UseCase:
    """Reserve the units, and let them leave where they may."""

    async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
        view = await TransferDesk(joined).begin(Begin(**body.model_dump(), actor=actor))
        answer = TransferShown.model_validate(view)
        return Deed(subject=f"transfer:{view.id}", answer=answer, after=answer)

    return act


def shipping(transfer_id: int, *, force: bool) -> Step:
    """The units leave the source."""

    async def step(desk: TransferDesk, actor: str) -> TransferView:
        return await desk.ship(transfer_id, actor=actor, force=force)

    return step


def forced_beginning(body: NewTransfer) -> Risky | None:
    """That units leave whatever is on sale; None: they do not by force."""
    return Risky("transfer.begin", body.model_dump(mode="json")) if body.force else None


def forced_shipping(transfer_id: int, *, force: bool) -> Risky | None:
    """The same of a transfer that waits."""
    return Risky("transfer.ship", {"transfer": transfer_id}) if force else None


def cancelling(transfer_id: int) -> Step:
    """The units stay at the source."""

    async def step(desk: TransferDesk, actor: str) -> TransferView:
        return await desk.cancel(transfer_id, actor=actor)

    return step


def receiving(transfer_id: int, body: Arrival, arrived_at: Instant | None) -> Step:
    """Units arrived, or never will."""

    async def step(desk: TransferDesk, actor: str) -> TransferView:
        return await desk.receive(
            Receive(
                transfer_id=transfer_id,
                arrived=body.arrived,
                written_off=body.written_off,
                reason=body.reason,
                actor=actor,
                arrived_at=arrived_at,
            )
        )

    return step


def stepping(transfer_id: int, principal: Principal, step: Step) -> UseCase:
    """One step of a transfer that is within the principal's reach."""

    async def act(joined: Engine, tx: AsyncConnection) -> Deed:
        try:
            before = await view_transfer(tx, transfer_id, None)
        except StockRefused:
            before = None
        if before is None or not _within(before, principal.reach):
            raise Refusal(HTTPStatus.NOT_FOUND, f"there is no transfer {transfer_id}")
        after = TransferShown.model_validate(await step(TransferDesk(joined), principal.name))
        was = TransferShown.model_validate(before)
        return Deed(subject=f"transfer:{transfer_id}", answer=after, before=was, after=after)

    return act


async def _step(
    counter: Counter,
    request: Request,
    transfer_id: int,
    body: Body | None,
    action: str,
    step: Step,
    risky: Risky | None = None,
) -> Response:
    act = stepping(transfer_id, principal_of(request), step)
    return await counter.serve(request, action, act, body=body, risky=risky)
