"""`/api/v1/channels`, `/api/v1/listings` and `/api/v1/dead-letters`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from channelsync.domain.permissions import Reach
from channelsync.engine.browse import Wanted, listings_page
from channelsync.engine.core import Engine
from channelsync.engine.dead_letters import list_dead_letters
from channelsync.engine.status import channel_statuses
from channelsync.web.api.counter import Counter, require_reach
from channelsync.web.api.deeds import (
    Decided,
    LookedAt,
    Paused,
    deciding,
    dropping,
    looking_again,
    pausing,
    resuming,
)
from channelsync.web.api.proposed import PROPOSED
from channelsync.web.api.shapes import (
    ERRORS,
    Body,
    Limit,
    Moment,
    Page,
    Reason,
    Shown,
    page_of,
)
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = ["ListingShown", "channels_router"]

Name = Annotated[str, Path(max_length=128)]
Number = Annotated[int, Path(ge=1, le=2**53)]


class ChannelShown(Shown):
    """One selling account. Quantities are listing units."""

    channel: str = Field(examples=["amazon-us"])
    connector: str
    pool: str
    mode: str = Field(description="live, shadow (computes and sends nothing) or paused.")
    state: str = Field(description="adopting, active or removed.")
    paused: str | None = Field(description="Why its pushes were stopped.")
    heard_at: Moment | None
    quiet: bool = Field(description="Its order feed is silent for longer than its limit.")
    watermark_at: Moment | None = Field(description="Every order line up to then is counted.")
    failing_since: Moment | None
    last_error: str | None
    listings: int
    refused: int
    unsettled: int
    exposure: int = Field(description="Units that it may still sell.")
    open_pushes: int
    parked_lines: int
    broken: list[str] = Field(description="Assumptions of the guarantee that do not stand.")


class Channels(Shown):
    """Every channel within reach."""

    items: list[ChannelShown]


class Pause(Body):
    """Why."""

    reason: Reason = "paused by hand"


class ListingShown(Shown):
    """One channel's offer, in listing units."""

    id: int
    channel: str
    sku: str = Field(description="As the channel spells it.")
    recipe: dict[str, int] = Field(description="Units of each item in one listing unit.")
    state: str
    refusal: str | None
    semantics: str
    target: int
    exposure: int | None = Field(description="What it may still sell; null: never settled.")
    shown: int | None = Field(description="What the channel showed last.")
    shown_at: Moment | None
    settled_at: Moment | None
    settle_reasons: list[str]


class LetterShown(Shown):
    """A delivery that said nothing that was understood."""

    id: int
    kind: str
    channel: str | None
    topic: str | None
    reason: str
    created_at: Moment


class Letters(Shown):
    """All that wait within reach, oldest first."""

    items: list[LetterShown]


def channels_router(counter: Counter) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/v1", tags=["channels"], responses=ERRORS)
    _add_reading(router, counter.engine)
    _add_operating(router, counter)
    _add_listings(router, counter.engine)
    _add_letters(router, counter)
    return router


def _add_reading(router: APIRouter, engine: Engine) -> None:
    @router.get("/channels", response_model=Channels)
    async def list_channels(request: Request) -> Any:
        """Channels and how they fare."""
        return {"items": await _statuses(engine, principal_of(request).reach)}

    @router.get("/channels/{channel}", response_model=ChannelShown)
    async def show_channel(request: Request, channel: Name) -> Any:
        """A channel and how it fares."""
        reach = require_reach(principal_of(request), channel=channel)
        for one in await _statuses(engine, reach):
            if one.channel == channel:
                return one
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no channel {channel!r}")


def _add_operating(router: APIRouter, counter: Counter) -> None:
    @router.post("/channels/{channel}/pause", responses={200: {"model": Paused}})
    async def pause(request: Request, channel: Name, body: Pause) -> Response:
        """Push nothing until it is resumed. Orders are counted; what is on sale stays set aside."""
        require_reach(principal_of(request), channel=channel)
        act = pausing(channel, body.reason)
        return await counter.serve(request, "channel.pause", act, body=body)

    @router.post("/channels/{channel}/resume", responses={200: {"model": Paused}})
    async def resume(request: Request, channel: Name) -> Response:
        """Push again; also lifts a stop that the channel asked for itself."""
        require_reach(principal_of(request), channel=channel)
        return await counter.serve(request, "channel.resume", resuming(channel))

    @router.post("/channels/{channel}/look-again", responses={200: {"model": LookedAt}})
    async def look(request: Request, channel: Name) -> Response:
        """Have its offers, orders, numbers and assumptions looked at now, not at their time."""
        require_reach(principal_of(request), channel=channel)
        return await counter.serve(request, "channel.look_again", looking_again(channel))


async def _statuses(engine: Engine, reach: Reach) -> list[ChannelShown]:
    async with engine.database.read() as tx:
        found = await channel_statuses(engine, tx, engine.now())
    return [ChannelShown.model_validate(one) for one in found if reach.has_channel(one.channel)]


def _add_listings(router: APIRouter, engine: Engine) -> None:
    @router.get("/listings", response_model=Page[ListingShown])
    async def list_listings(
        request: Request,
        channel: Annotated[str | None, Query(max_length=128)] = None,
        sku: Annotated[str | None, Query(max_length=200, description="An item's.")] = None,
        state: Literal["active", "refused", "gone"] | None = None,
        after: Annotated[int | None, Query(ge=0, le=2**53)] = None,
        limit: Limit = 100,
    ) -> Any:
        """Offers of items on channels, with target and exposure."""
        reach = require_reach(principal_of(request), channel=channel)
        wanted = Wanted(limit=limit, after=after, sku=sku, channel=channel, kind=state, reach=reach)
        async with engine.database.read() as tx:
            return page_of(ListingShown, await listings_page(tx, wanted), limit, "id")


def _add_letters(router: APIRouter, counter: Counter) -> None:
    engine = counter.engine

    @router.get("/dead-letters", response_model=Letters)
    async def list_letters(request: Request) -> Any:
        """Deliveries that wait for a decision. Polling finds their orders meanwhile."""
        reach = principal_of(request).reach
        async with engine.database.read() as tx:
            found = await list_dead_letters(tx)
        return {"items": [one for one in found if reach.has_channel(one.channel or "")]}

    @router.post("/dead-letters/{number}/replay", responses={200: {"model": Decided}})
    async def replay(request: Request, number: Number) -> Response:
        """Have it applied once more; what fails again comes back as a new dead letter."""
        act = deciding(number, "replay", principal_of(request).reach)
        return await counter.serve(request, "dead_letter.replay", act)

    @router.post("/dead-letters/{number}/drop", responses={200: {"model": Decided}, 202: PROPOSED})
    async def drop(request: Request, number: Number) -> Response:
        """Decide that it is not needed."""
        act, risky = deciding(number, "drop", principal_of(request).reach), dropping(number)
        return await counter.serve(request, "dead_letter.drop", act, risky=risky)
