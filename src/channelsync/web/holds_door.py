"""The door of the holds API: a use case once for its key, a rush of them in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from channelsync.domain.errors import HoldConflict
from channelsync.domain.permissions import Principal
from channelsync.domain.vocabulary import Instant
from channelsync.engine.audit import note_change
from channelsync.engine.core import Engine
from channelsync.engine.gather import Claims, Gatherer, Together
from channelsync.engine.hold_confirming import Confirming, confirm_holds
from channelsync.engine.hold_making import make_holds
from channelsync.engine.hold_rows import UnknownHold
from channelsync.engine.hold_types import Hold, HoldRefused, HoldRequest, InsufficientUnits
from channelsync.engine.holds_desk import HoldsDesk
from channelsync.engine.idempotency import Answer, Asked, KeyReused, Once
from channelsync.engine.stock_errors import UnknownItem
from channelsync.store.audit_chain import Change
from channelsync.store.json_text import to_text
from channelsync.web.bodies import read_body
from channelsync.web.gate import principal_of
from channelsync.web.keys import answer_of, key_of, told
from channelsync.web.problems import Problem, problem_body

__all__ = ["HoldsDoor"]

Body = TypeVar("Body", bound=BaseModel)
UseCase = Callable[[AsyncConnection], Awaitable[Hold]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request that is answered together with others of its kind."""

    request: Request
    principal: Principal
    once: Asked
    wanted: Any
    """What it asks for, as its use case takes it."""


Made = tuple[Hold | None, Hold | Exception]
"""A hold as it was and as it is, or why nothing was changed."""


class HoldsDoor:
    """Reads a body, runs a use case once for its key, and answers."""

    def __init__(self, engine: Engine, once: Once) -> None:
        self.engine = engine
        self.desk = HoldsDesk(engine)
        self._once = once
        self._gatherer = Gatherer(engine.database)

    async def read(self, request: Request, model: type[Body]) -> tuple[Body, str]:
        """The body, and the fingerprint of the whole request."""
        raw = await read_body(request)
        whole = f"{request.method} {request.scope['path']}\n".encode() + raw
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
            shown = _told(hold)
            await self._note(tx, request, principal, before, shown)
            return Answer(status=status, body=to_text(shown))

        key = key_of(request, f"api/{principal.name}")
        claimed = claims or Claims(hold_ids=(hold_id or "",))
        return await answer_of(
            self._once,
            key,
            fingerprint,
            act,
            transact=lambda whole: self._gatherer.run(whole, claimed),
        )

    async def run_together(
        self,
        request: Request,
        fingerprint: str,
        together: Together[_Asked, Answer | KeyReused],
        wanted: Any,
        claims: Claims,
    ) -> Response:
        """The same for what a rush asks for: its statements are shared as well."""
        principal = principal_of(request)
        key = key_of(request, f"api/{principal.name}")
        asked = _Asked(
            request=request,
            principal=principal,
            once=Asked(key=key, fingerprint=fingerprint),
            wanted=wanted,
        )

        async def answer() -> Answer:
            with self._once.flight(key):
                found = await self._gatherer.run_together(together, asked, claims)
            if isinstance(found, KeyReused):
                raise found
            return found

        return await told(answer())

    async def create_all(
        self, tx: AsyncConnection, asked: Sequence[_Asked]
    ) -> Sequence[Answer | KeyReused]:
        """Holds for many carts."""

        async def make(wanted: Sequence[HoldRequest]) -> Sequence[Made]:
            made = await make_holds(self.engine, tx, wanted)
            return [(None, one) for one in made]

        return await self._answer_all(tx, asked, make, HTTPStatus.CREATED)

    async def confirm_all(
        self, tx: AsyncConnection, asked: Sequence[_Asked]
    ) -> Sequence[Answer | KeyReused]:
        """Orders of many carts."""

        async def confirm(wanted: Sequence[Confirming]) -> Sequence[Made]:
            return await confirm_holds(self.engine, tx, wanted)

        return await self._answer_all(tx, asked, confirm, HTTPStatus.OK)

    async def _answer_all(
        self,
        tx: AsyncConnection,
        asked: Sequence[_Asked],
        act: Callable[[Sequence[Any]], Awaitable[Sequence[Made]]],
        status: int,
    ) -> Sequence[Answer | KeyReused]:
        async def act_on(places: Sequence[int]) -> list[Answer]:
            made = await act([asked[place].wanted for place in places])
            answers = []
            for place, (before, hold) in zip(places, made, strict=True):
                one = asked[place]
                if isinstance(hold, Exception):
                    refusal = _refusal(hold)
                    if refusal is None:
                        raise hold
                    answers.append(refusal)
                    continue
                shown = _told(hold)
                await self._note(tx, one.request, one.principal, before, shown)
                answers.append(Answer(status=status, body=to_text(shown)))
            return answers

        return await self._once.answer_all(tx, [one.once for one in asked], act_on)

    async def _note(
        self,
        tx: AsyncConnection,
        request: Request,
        principal: Principal,
        before: Hold | None,
        after: Mapping[str, Any],
    ) -> None:
        change = Change(
            at=self.engine.now(),
            actor=principal.name,
            action=f"hold.{request.scope['path'].rpartition('/')[2]}" if before else "hold.create",
            subject=f"hold:{after['id']}",
            before=None if before is None else _told(before),
            after=after,
            request=request.scope["request_id"],
        )
        await note_change(tx, change)

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


@lru_cache(maxsize=1_024)  # carts that are held together have the same times
def _iso(at: Instant) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
