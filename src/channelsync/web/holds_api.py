"""The holds API: `/api/v1/holds`, for storefronts and checkouts that ask before they sell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import Response

from channelsync.engine.core import Engine
from channelsync.engine.gather import Claims
from channelsync.engine.hold_confirming import Confirming
from channelsync.engine.hold_types import HoldRequest
from channelsync.engine.holds_view import view_holds
from channelsync.engine.idempotency import Once
from channelsync.web.api.counter import require_reach
from channelsync.web.api.shapes import ERRORS, Limit, Moment, Shown
from channelsync.web.gate import principal_of
from channelsync.web.holds_door import HoldsDoor
from channelsync.web.problems import Problem
from channelsync.web.shortcuts import PART_CHARACTERS_MAX, Shortcut

__all__ = ["HoldsApi"]

PREFIX: Final = "/api/v1/holds"
UNITS_MAX: Final = 1_000_000
LINES_MAX: Final = 100
TTL_SECONDS_MAX: Final = 7 * 86_400.0

Text = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Ttl = Annotated[float | None, Field(gt=0, le=TTL_SECONDS_MAX)]
HoldId = Annotated[str, Path(max_length=PART_CHARACTERS_MAX)]


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


class HoldsApi:
    """The routes. Every unsafe one honours `Idempotency-Key`."""

    def __init__(self, engine: Engine, once: Once) -> None:
        self._engine = engine
        self._door = HoldsDoor(engine, once)

    def router(self) -> APIRouter:
        """All of them, with what the OpenAPI document says of each."""
        router = APIRouter(prefix=PREFIX, tags=["holds"], responses=ERRORS)
        shown: dict[int | str, dict[str, Any]] = {200: {"model": HoldShown}}
        router.get("", response_model=Holds)(self.list_holds)
        router.post(
            "",
            status_code=HTTPStatus.CREATED,
            responses={201: {"model": HoldShown}},
            openapi_extra=_schema_of(NewHold),
        )(self.create)
        router.get("/{hold_id}", response_model=HoldShown)(self.show)
        bodies = {"extend": _schema_of(Extension), "confirm": _schema_of(Confirmation)}
        for name, act in self._ends().items():
            router.post(f"/{{hold_id}}/{name}", responses=shown, openapi_extra=bodies.get(name))(
                act
            )
        return router

    def shortcuts(self) -> list[Shortcut]:
        """Those that carts ask for in a rush, the very same, without the framework around them."""
        ends = self._ends().items()
        return [
            Shortcut(PREFIX, self.create),
            *(Shortcut(f"{PREFIX}/{{hold_id}}/{name}", act) for name, act in ends),
        ]

    def _ends(self) -> dict[str, Callable[..., Awaitable[Response]]]:
        return {
            "confirm": self.confirm,
            "extend": self.extend,
            "release": self.release,
            "ship": self.ship,
        }

    async def list_holds(self, request: Request, limit: Limit = 100) -> Any:
        """Active holds, those that end first in front."""
        reach = principal_of(request).reach
        async with self._engine.database.read() as tx:
            found = await view_holds(tx, limit=limit)
        return {"items": [one for one in found if reach.has_channel(one.channel or "")]}

    async def show(self, request: Request, hold_id: HoldId) -> Any:
        """A hold as it stands."""
        return await self._door.show(request, hold_id)

    async def create(self, request: Request) -> Response:
        """Hold units for a cart, all of its lines or none."""
        body, fingerprint = await self._door.read(request, NewHold)
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
        door, skus = self._door, tuple(wanted.lines)
        if body.replaces is None:
            claims = Claims(skus=skus)
            return await door.run_together(request, fingerprint, door.create_all, wanted, claims)
        return await door.run(
            request,
            fingerprint,
            lambda tx: door.desk.create(tx, wanted),
            claims=Claims(hold_ids=(body.replaces,), skus=skus),
            status=HTTPStatus.CREATED,
        )

    async def extend(self, request: Request, hold_id: HoldId) -> Response:
        """Keep the units longer; never shorter."""
        door = self._door
        body, fingerprint = await door.read(request, Extension)
        ttl = body.ttl_seconds
        return await door.run(
            request, fingerprint, lambda tx: door.desk.extend(tx, hold_id, ttl), hold_id=hold_id
        )

    async def confirm(self, request: Request, hold_id: HoldId) -> Response:
        """The cart became an order."""
        door = self._door
        body, fingerprint = await door.read(request, Confirmation)
        wanted = Confirming(
            hold_id=hold_id, reference=body.reference, reach=principal_of(request).reach
        )
        claims = Claims(hold_ids=(hold_id,))
        return await door.run_together(request, fingerprint, door.confirm_all, wanted, claims)

    async def release(self, request: Request, hold_id: HoldId) -> Response:
        """The cart was left, or its order called off."""
        door = self._door
        _, fingerprint = await door.read(request, Nothing)
        return await door.run(
            request, fingerprint, lambda tx: door.desk.release(tx, hold_id), hold_id=hold_id
        )

    async def ship(self, request: Request, hold_id: HoldId) -> Response:
        """The order's units have left the house."""
        door = self._door
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
