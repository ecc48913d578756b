"""The holds API: `/api/v1/holds`, for storefronts and checkouts that ask before they sell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from channelsync.domain.errors import HoldConflict
from channelsync.domain.permissions import Principal
from channelsync.domain.vocabulary import Instant
from channelsync.engine.audit import note_change
from channelsync.engine.core import Engine
from channelsync.engine.gather import Claims, Gatherer
from channelsync.engine.hold_rows import UnknownHold
from channelsync.engine.holds_desk import (
    Hold,
    HoldRefused,
    HoldRequest,
    HoldsDesk,
    InsufficientUnits,
)
from channelsync.engine.holds_view import view_holds
from channelsync.engine.idempotency import Answer, Once
from channelsync.engine.stock_errors import UnknownItem
from channelsync.store.audit_chain import Change
from channelsync.web.api.counter import require_reach
from channelsync.web.api.shapes import ERRORS, Limit, Moment, Shown
from channelsync.web.bodies import read_body
from channelsync.web.gate import principal_of
from channelsync.web.keys import answer_of, key_of
from channelsync.web.problems import Problem, problem_body

__all__ = ["holds_router"]

UNITS_MAX: Final = 1_000_000
LINES_MAX: Final = 100
TTL_SECONDS_MAX: Final = 7 * 86_400.0

Text = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Ttl = Annotated[float | None, Field(gt=0, le=TTL_SECONDS_MAX)]
HoldId = Annotated[str, Path(max_length=64)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class HeldLine(_Body):
    """Units of one SKU."""

    sku: Text
    units: Annotated[int, Field(strict=True, ge=1, le=UNITS_MAX)]


class NewHold(_Body):
    """What a cart wants held."""

    owner: Text
    lines: Annotated[tuple[HeldLine, ...], Field(min_length=1, max_length=LINES_MAX)]
    ttl_seconds: Ttl = None
    channel: Text | None = None
    replaces: Text | None = None

    @field_validator("lines")
    @classmethod
    def _skus_differ(cls, lines: tuple[HeldLine, ...]) -> tuple[HeldLine, ...]:
        if len({line.sku for line in lines}) < len(lines):
            raise ValueError("one SKU stands on two lines: join them")
        return lines


class Extension(_Body):
    """For how long from now."""

    ttl_seconds: Ttl = None


class Confirmation(_Body):
    """The order that the cart became."""

    reference: Text


class HoldShown(Shown):
    """A hold as it stands."""

    id: str
    owner: str
    channel: str | None
    state: str = Field(examples=["active"])
    reference: str = Field(description="The order that it became.")
    lines: list[HeldLine]
    created_at: Moment
    expires_at: Moment
    ended_at: Moment | None


class HeldShown(Shown):
    """Units of one item."""

    sku: str
    units: int


class ActiveHold(Shown):
    """A hold that keeps units."""

    id: str
    pool: str
    channel: str | None
    owner: str
    lines: list[HeldShown]
    created_at: Moment
    expires_at: Moment


class Holds(Shown):
    """Active holds within reach."""

    items: list[ActiveHold]


class Nothing(_Body):
    """No more needs to be said."""


Body = TypeVar("Body", bound=_Body)
UseCase = Callable[[AsyncConnection], Awaitable[Hold]]


class _Door:
    """Reads a body, runs a use case once for its key, and answers."""

    def __init__(self, engine: Engine, once: Once) -> None:
        self.engine = engine
        self.desk = HoldsDesk(engine)
        self._once = once
        self._gatherer = Gatherer(engine.database)

    async def read(self, request: Request, model: type[Body]) -> tuple[Body, str]:
        """The body, and the fingerprint of the whole request."""
        raw = await read_body(request)
        whole = f"{request.method} {request.url.path}\n".encode() + raw
        try:
            body = model.model_validate_json(raw or b"{}")
        except ValidationError as error:
            raise _invalid(error) from None
        return body, hashlib.sha256(whole).hexdigest()

    async def run(
        self,
        request: Request,
        fingerprint: str,
        use_case: UseCase,
        *,
        hold_id: str | None = None,
        claims: Claims | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        """A refusal rolls its own savepoint back and is an answer like any other.

        A hold out of the caller's reach is as if there were none.
        """
        principal = principal_of(request)

        async def act(tx: AsyncConnection) -> Answer:
            try:
                async with tx.begin_nested():
                    before = None if hold_id is None else await self._view(tx, hold_id, principal)
                    hold = await use_case(tx)
            except Exception as error:
                refusal = _refusal(error)
                if refusal is None:
                    raise
                return refusal
            change = Change(
                at=self.engine.now(),
                actor=principal.name,
                action=f"hold.{request.url.path.rpartition('/')[2]}" if before else "hold.create",
                subject=f"hold:{hold.id}",
                before=None if before is None else _told(before),
                after=_told(hold),
                request=request.scope["request_id"],
            )
            await note_change(tx, change)
            return Answer(status=status, body=json.dumps(_told(hold)))

        key = key_of(request, f"api/{principal.name}")
        claimed = claims or Claims(hold_ids=(hold_id or "",))
        return await answer_of(
            self._once,
            key,
            fingerprint,
            act,
            transact=lambda whole: self._gatherer.run(whole, claimed),
        )

    async def show(self, request: Request, hold_id: str) -> dict[str, Any]:
        """A hold within the caller's reach."""
        async with self.engine.database.read() as tx:
            try:
                return _told(await self._view(tx, hold_id, principal_of(request)))
            except UnknownHold:
                raise Problem(HTTPStatus.NOT_FOUND, f"there is no hold {hold_id}") from None

    async def _view(self, tx: AsyncConnection, hold_id: str, principal: Principal) -> Hold:
        hold = await self.desk.view(tx, hold_id)
        if not principal.reach.has_channel(hold.channel or ""):
            raise UnknownHold(hold_id)
        return hold


def holds_router(engine: Engine, once: Once) -> APIRouter:
    """The routes. Every unsafe one honours `Idempotency-Key`."""
    door = _Door(engine, once)
    router = APIRouter(prefix="/api/v1/holds", tags=["holds"], responses=ERRORS)
    _add_ends(router, door)

    @router.get("", response_model=Holds)
    async def list_holds(request: Request, limit: Limit = 100) -> Any:
        """Active holds, those that end first in front."""
        reach = principal_of(request).reach
        async with engine.database.read() as tx:
            found = await view_holds(tx, limit=limit)
        return {"items": [one for one in found if reach.has_channel(one.channel or "")]}

    @router.post(
        "",
        status_code=HTTPStatus.CREATED,
        responses={201: {"model": HoldShown}},
        openapi_extra=_schema_of(NewHold),
    )
    async def create(request: Request) -> Response:
        """Hold units for a cart, all of its lines or none."""
        body, fingerprint = await door.read(request, NewHold)
        if not principal_of(request).reach.is_everywhere and body.channel is None:
            raise Problem(HTTPStatus.FORBIDDEN, "name a channel: you are kept to some")
        if body.channel is not None:
            require_reach(principal_of(request), channel=body.channel)
        wanted = HoldRequest(
            owner=body.owner,
            lines={line.sku: line.units for line in body.lines},
            ttl_seconds=body.ttl_seconds,
            channel=body.channel,
            replaces=body.replaces,
        )
        return await door.run(
            request,
            fingerprint,
            lambda tx: door.desk.create(tx, wanted),
            claims=Claims(
                hold_ids=(body.replaces,) if body.replaces else (), skus=tuple(wanted.lines)
            ),
            status=HTTPStatus.CREATED,
        )

    @router.get("/{hold_id}", response_model=HoldShown)
    async def show(request: Request, hold_id: HoldId) -> Any:
        """A hold as it stands."""
        return await door.show(request, hold_id)

    return router


def _add_ends(router: APIRouter, door: _Door) -> None:
    shown: dict[int | str, dict[str, Any]] = {200: {"model": HoldShown}}

    @router.post("/{hold_id}/extend", responses=shown, openapi_extra=_schema_of(Extension))
    async def extend(request: Request, hold_id: HoldId) -> Response:
        """Keep the units longer; never shorter."""
        body, fingerprint = await door.read(request, Extension)
        ttl = body.ttl_seconds
        return await door.run(
            request, fingerprint, lambda tx: door.desk.extend(tx, hold_id, ttl), hold_id=hold_id
        )

    @router.post("/{hold_id}/confirm", responses=shown, openapi_extra=_schema_of(Confirmation))
    async def confirm(request: Request, hold_id: HoldId) -> Response:
        """The cart became an order."""
        body, fingerprint = await door.read(request, Confirmation)
        named = body.reference
        return await door.run(
            request, fingerprint, lambda tx: door.desk.confirm(tx, hold_id, named), hold_id=hold_id
        )

    @router.post("/{hold_id}/release", responses=shown)
    async def release(request: Request, hold_id: HoldId) -> Response:
        """The cart was left, or its order called off."""
        _, fingerprint = await door.read(request, Nothing)
        return await door.run(
            request, fingerprint, lambda tx: door.desk.release(tx, hold_id), hold_id=hold_id
        )

    @router.post("/{hold_id}/ship", responses=shown)
    async def ship(request: Request, hold_id: HoldId) -> Response:
        """The order's units have left the house."""
        _, fingerprint = await door.read(request, Nothing)
        return await door.run(
            request, fingerprint, lambda tx: door.desk.ship(tx, hold_id), hold_id=hold_id
        )


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    # What it refers to is among the components already: answers hold the same lines.
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def _refusal(error: Exception) -> Answer | None:
    """What a use case refused, as an answer; None: no refusal but a fault."""
    more: dict[str, Any] = {}
    detail = str(error)
    match error:
        case InsufficientUnits():
            status = HTTPStatus.CONFLICT
            more = {"sku": error.sku, "wanted": error.wanted, "available": error.available}
        case HoldConflict():
            status = HTTPStatus.CONFLICT
        case UnknownHold():
            status, detail = HTTPStatus.NOT_FOUND, f"there is no hold {error}"
        case UnknownItem() | HoldRefused():
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        case _:
            return None
    return Answer(status=status, body=problem_body(status, detail, **more))


def _invalid(error: ValidationError) -> Problem:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    complaints = [
        {
            "where": ".".join(str(part) for part in one["loc"]) or "body",
            "what": one["msg"].removeprefix("Value error, "),
        }
        for one in found[:10]
    ]
    words = "; ".join(f"{one['where']}: {one['what']}" for one in complaints)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, words, errors=complaints)


def _told(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "owner": hold.owner,
        "channel": hold.channel,
        "state": hold.state,
        "reference": hold.reference,
        "lines": [{"sku": sku, "units": units} for sku, units in hold.lines.items()],
        "created_at": _iso(hold.created_at),
        "expires_at": _iso(hold.expires_at),
        "ended_at": None if hold.ended_at is None else _iso(hold.ended_at),
    }


def _iso(at: Instant) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
