"""`/api/v1/endpoints`: where events are sent as signed webhooks, and what became of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from channelsync.engine.core import Engine
from channelsync.engine.emit import EventType
from channelsync.engine.endpoints_desk import Endpoint, EndpointsDesk, UnknownEndpoint
from channelsync.web.api.counter import Counter, Deed, UseCase
from channelsync.web.api.shapes import ERRORS, Body, Limit, Moment, Page, Shown, page_of
from channelsync.web.gate import principal_of
from channelsync.web.options import WebOptions
from channelsync.web.problems import Problem

__all__ = ["EndpointDeeds", "Kind", "NewEndpoint", "endpoints_router"]

Id = Annotated[str, Path(max_length=64)]
Kind = Literal["stock.changed", "shortfall.recorded", "alarm.raised", "alarm.cleared"]


class EndpointShown(Shown):
    """Where events are sent."""

    id: str
    url: str = Field(examples=["https://erp.example.com/hooks/stock"])
    description: str
    types: Sequence[str] | None = Field(description="Null: every type.")
    created_at: Moment
    created_by: str
    rotated_at: Moment | None
    failing_since: Moment | None
    disabled_at: Moment | None
    disabled_why: str | None


class WithSecret(EndpointShown):
    """The same with what its events are signed with."""

    secret: str | None = Field(
        default=None,
        description="`whsec_…`, as Standard Webhooks has it; only in the first answer.",
    )


class Endpoints(Shown):
    """All there are, the oldest first."""

    items: list[EndpointShown]


class NewEndpoint(Body):
    """An endpoint to make: https, and no address of an inner network."""

    url: Annotated[str, Field(min_length=1, max_length=2_000)]
    description: Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    types: Annotated[tuple[Kind, ...], Field(min_length=1, max_length=4)] | None = None


class DeliveryShown(Shown):
    """What became of one event."""

    position: int = Field(description="Its place in the stream.")
    type: EventType
    at: Moment
    attempts: int
    delivered_at: Moment | None
    next_attempt_at: Moment | None = Field(description="Null: delivered, or given up.")
    last_status: int | None
    last_error: str | None


Change: TypeAlias = Callable[[EndpointsDesk, str], Awaitable[Endpoint | tuple[Endpoint, str]]]


class EndpointDeeds:
    """What the routes share with the pages."""

    def __init__(self, counter: Counter, options: WebOptions) -> None:
        self.counter = counter
        self._options = options

    def desk(self, engine: Engine) -> EndpointsDesk:
        """The desk over an engine.

        Raises:
            Problem: this daemon sends no events (404).
        """
        key = self._options.outgoing_key
        if key is None:
            raise Problem(HTTPStatus.NOT_FOUND, "this daemon sends no events")
        hosts = self._options.allow_hosts
        return EndpointsDesk(engine.database, engine.environment, key, hosts)

    def adding(self, body: NewEndpoint, actor: str) -> UseCase:
        """Send events there from now on."""

        async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
            made = await self.desk(joined).add(
                body.url, types=body.types, description=body.description, actor=actor
            )
            return _deed(made, None)

        return act

    def changing(self, endpoint_id: str, change: Change) -> UseCase:
        """Do something to one endpoint."""

        async def act(joined: Engine, tx: AsyncConnection) -> Deed:
            desk = self.desk(joined)
            before = [one for one in await desk.list(tx) if one.id == endpoint_id]
            if not before:
                raise UnknownEndpoint(f"there is no endpoint {endpoint_id!r}")
            made = await change(desk, endpoint_id)
            return _deed(made, before[0])

        return act

    async def change(
        self, request: Request, endpoint_id: str, verb: str, change: Change
    ) -> Response:
        """The same for a request of the API."""
        act = self.changing(endpoint_id, change)
        return await self.counter.serve(request, f"endpoint.{verb}", act)


def _deed(made: Endpoint | tuple[Endpoint, str], before: Endpoint | None) -> Deed:
    endpoint, secret = made if isinstance(made, tuple) else (made, None)
    shown = EndpointShown.model_validate(endpoint)
    answer = shown if secret is None else WithSecret(**shown.model_dump())
    return Deed(
        subject=f"endpoint:{endpoint.id}",
        answer=answer,
        before=None if before is None else EndpointShown.model_validate(before),
        after=shown,
        revealed=None if secret is None else {"secret": secret},
    )


def endpoints_router(counter: Counter, options: WebOptions) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/v1/endpoints", tags=["events"], responses=ERRORS)
    shared = EndpointDeeds(counter, options)
    _add_reading(router, shared)
    _add_changes(router, shared)

    @router.post("", status_code=HTTPStatus.CREATED, responses={201: {"model": WithSecret}})
    async def add(request: Request, body: NewEndpoint) -> Response:
        """Send events there from now on. The secret stands in the first answer alone."""
        act = shared.adding(body, principal_of(request).name)
        return await counter.serve(
            request, "endpoint.add", act, body=body, status=HTTPStatus.CREATED
        )

    return router


def _add_reading(router: APIRouter, shared: EndpointDeeds) -> None:
    engine = shared.counter.engine

    @router.get("", response_model=Endpoints)
    async def list_endpoints() -> Any:
        """Where events are sent."""
        async with engine.database.read() as tx:
            return {"items": await shared.desk(engine).list(tx)}

    @router.get("/{endpoint_id}/deliveries", response_model=Page[DeliveryShown])
    async def list_deliveries(
        endpoint_id: Id,
        after: Annotated[int | None, Query(ge=0, le=2**53)] = None,
        limit: Limit = 100,
    ) -> Any:
        """What became of its events, the newest first."""
        async with engine.database.read() as tx:
            try:
                found = await shared.desk(engine).deliveries(
                    tx, endpoint_id, before=after, limit=limit
                )
            except UnknownEndpoint as error:
                raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
        return page_of(DeliveryShown, found, limit, "position")


def _add_changes(router: APIRouter, shared: EndpointDeeds) -> None:
    shown: dict[int | str, dict[str, Any]] = {200: {"model": EndpointShown}}

    @router.post("/{endpoint_id}/rotate", responses={200: {"model": WithSecret}})
    async def rotate(request: Request, endpoint_id: Id) -> Response:
        """A new secret; the old one signs beside it for a day."""
        return await shared.change(request, endpoint_id, "rotate", EndpointsDesk.rotate)

    @router.post("/{endpoint_id}/enable", responses=shown)
    async def enable(request: Request, endpoint_id: Id) -> Response:
        """Send again."""
        return await shared.change(request, endpoint_id, "enable", EndpointsDesk.enable)

    @router.post("/{endpoint_id}/test", responses=shown)
    async def test(request: Request, endpoint_id: Id) -> Response:
        """Send it an event of its own; its deliveries show what became of it."""
        return await shared.change(request, endpoint_id, "test", EndpointsDesk.test)

    @router.delete("/{endpoint_id}", responses=shown)
    async def remove(request: Request, endpoint_id: Id) -> Response:
        """Send nothing there any more."""
        return await shared.change(request, endpoint_id, "remove", EndpointsDesk.remove)
